"""`wattline export` as its user runs it: a process, a configuration, a store with rows."""

import csv
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cloud_stream.records import Columns, Point
from cloud_stream.stores.sqlite import SqliteStore

HOUR_MS = 3_600_000
START_MS = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS - 48 * HOUR_MS
ROWS = 30_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration and its store."""
    folder = tmp_path_factory.mktemp("cloud")
    (folder / "cloud.toml").write_text(f'[store]\npath = "{folder}/wattline.db"\n')
    store = SqliteStore(folder / "wattline.db", 400 * 24 * HOUR_MS)
    store.prepare()
    t_ms = START_MS + np.arange(ROWS) * 1000
    heads = np.zeros(2, np.int64), ["house-1", "house-2"], ["gw-1", "gw-2"], ["main"] * 2, np.full(2, ROWS)
    values = np.arange(2.0 * ROWS).reshape(1, -1)
    usage = [
        Point("usage", {"level": "site", "site": site, "meter": "", "window": window}, START_MS + i * HOUR_MS, {"e": i})
        for site in ("house-1", "=2")
        for window in ("5m", "30m")
        for i in range(4)
    ]
    store.write([Columns(("power_w",), 0, *heads, np.tile(t_ms, 2), values)], usage)
    store.close()
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "wattline", "export", *arguments]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=folder, capture_output=True, timeout=60, check=False, text=True)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def iso(t_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t_ms / 1000)) + ".000Z"


def test_usage_of_a_site_and_a_window(folder: Path) -> None:
    span = ["--from", iso(START_MS + HOUR_MS), "--to", iso(START_MS + 3 * HOUR_MS)]
    done = run(folder, "usage", "--site", "house-1", "--window", "30m", *span)
    assert (done.returncode, done.stderr) == (0, "")
    assert rows(done.stdout) == [
        {"time": iso(START_MS + i * HOUR_MS), "level": "site", "site": "house-1", "meter": "", "window": "30m", "e": e}
        for i, e in ((1, "1.0"), (2, "2.0"))
    ]


def test_readings_come_whole_and_in_the_order_of_time(folder: Path) -> None:
    found = rows(run(folder, "reading").stdout)
    assert list(found[0]) == ["time", "site", "gateway", "meter", "power_w"]
    assert [(row["time"], row["site"]) for row in found] == sorted((row["time"], row["site"]) for row in found)
    assert sum(float(row["power_w"]) for row in found) == sum(range(2 * ROWS))


def test_text_is_kept_from_being_a_formula_but_not_in_json(folder: Path) -> None:
    assert {row["site"] for row in rows(run(folder, "usage").stdout)} == {"house-1", "'=2"}
    assert {row["site"] for row in rows(run(folder, "usage", "--raw-text").stdout)} == {"house-1", "=2"}
    lines = run(folder, "usage", "--json").stdout.splitlines()
    assert {json.loads(line)["site"] for line in lines} == {"house-1", "=2"}


def test_a_list_of_what_there_is(folder: Path) -> None:
    listed = json.loads(run(folder, "--list", "--json").stdout)
    assert [(one["measurement"], one["first"], one["last"]) for one in listed] == [
        ("reading", iso(START_MS), iso(START_MS + (ROWS - 1) * 1000)),
        ("usage", iso(START_MS), iso(START_MS + 3 * HOUR_MS)),
    ]
    assert "fields power_w" in run(folder, "--list").stdout


def test_a_file_takes_its_place_when_it_is_whole(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "usage.csv"
    out.write_text("what was there before")
    done = run(folder, "usage", "--output", str(out))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"16 rows in {out}\n")
    assert len(rows(out.read_text())) == 16
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["usages"], 2, "'usages' is none; there are alert, anomaly,"),
        ([], 2, "MEASUREMENT: is missing; there are alert, anomaly,"),
        (["usage", "--site", "hose"], 2, "usage has no site 'hose'; there are =2, house-1"),
        (["usage", "--gateway", "gw-1"], 2, "usage has no tag 'gateway'; there are level, site, meter, window"),
        (["usage", "--field", "f"], 2, "usage has no field 'f'; there are e"),
        (["usage", "--from", "soon"], 2, "--from: 'soon' is no time"),
        (["usage", "--from", "2026-11-02", "--to", "2026-11-01"], 2, "--to: is not after --from"),
        (["usage", "--time-zone", "Mars"], 2, "--time-zone: 'Mars' is no time zone"),
        (["usage", "--output", "no/such/folder.csv"], 1, "no/such/folder.csv: No such file or directory"),
        (["usage", "--output", "."], 1, "Is a directory"),
        (["usage", "-c", "none.toml"], 2, "none.toml: No such file or directory"),
        (["usage", "-c", "empty.toml"], 1, "nowhere.db: there is no such store yet"),
    ],
)
def test_what_cannot_be_is_one_readable_line(folder: Path, arguments: list[str], status: int, problem: str) -> None:
    (folder / "empty.toml").write_text('[store]\npath = "nowhere.db"\n')
    done = run(folder, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert problem in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (folder / "nowhere.db").exists()


def test_a_device_or_pipe_is_written_to_and_stays_what_it_is(folder: Path) -> None:
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        done = run(folder, "usage", "--output", str(pipe))
        read, _ = reader.communicate(timeout=60)
    assert done.returncode == 0
    assert len(rows(read)) == 16
    assert pipe.is_fifo()


def test_nothing_in_the_span_is_said(folder: Path) -> None:
    done = run(folder, "usage", "--from", "2199-01-01")
    assert (done.returncode, done.stdout) == (0, "time,level,site,meter,window,e\n")
    assert done.stderr == "no usage is stored in this span with these tags\n"


def test_full_output_is_one_readable_line(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("reading"), cwd=folder, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False, text=True
        )
    assert (done.returncode, done.stderr) == (1, "wattline: standard output: No space left on device\n")


def test_a_reader_that_goes_ends_it_without_a_word(folder: Path) -> None:
    with subprocess.Popen(
        command("reading"), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert running.stderr.read() == ""
    assert running.returncode == 141
