"""The supervisor: stalls, and the whole of `wattline cloud run`."""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from cloud_stream.children import Group
from cloud_stream.config import CloudConfig, FlowConfig, JournalConfig, load_config
from cloud_stream.errors import CloudError
from cloud_stream.journal import Journal
from cloud_stream.supervisor import (
    StallWatch,
    Supervisor,
    commit_words,
    flow_commands,
    services,
    supervise,
    waiting_rows,
)
from tests.cloud_stream.waiting import wait_until
from wattline.backoff import Backoff
from wattline.config import DurationMs

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]


# (now, words of two processes) ..., started -> age
@pytest.mark.parametrize(
    ("looks", "started_s", "age_s"),
    [
        ([(100, 0, 0)], 40, 60),
        ([(100, 7, 7), (160, 7, 7)], 40, 60),
        ([(100, 7, 7), (160, 8, 7)], 40, 60),
        ([(100, 7, 7), (160, 8, 8)], 40, 0),
        ([(100, 7, 7), (160, 7, 7)], 150, 10),
        ([(100, 9_000, 9_000), (160, 5, 5), (170, 5, 5)], 40, 10),
    ],
    ids=["no word", "no news", "one is behind", "both have news", "new start", "wall clock set back"],
)
def test_the_age_of_a_commit_goes_by_the_news_and_not_by_the_wall_clock(
    looks: list[tuple[float, int, int]], started_s: float, age_s: float
) -> None:
    watch = StallWatch(60, 2)
    assert [watch.age_s(words, started_s, now_s) for now_s, *words in looks][-1] == age_s


def test_patience_doubles_while_restarts_do_not_help_and_returns_with_a_commit() -> None:
    watch = StallWatch(60, 1)
    assert [watch.is_stall(age_s) for age_s in (59, 60)] == [False, True]
    watch.note_restart()
    assert [watch.is_stall(age_s) for age_s in (119, 120)] == [False, True]
    watch.note_restart()
    assert not watch.is_stall(239)
    for _ in range(10):
        watch.note_restart()
    assert watch.is_stall(60 * 16)
    watch.age_s([1], 0, 1000)
    assert watch.is_stall(60)


def test_the_words_are_those_of_processes_that_exist(tmp_path: Path) -> None:
    for process, at_ms in enumerate([500, 300, 100]):
        (tmp_path / f"commit-{process}.json").write_text(json.dumps({"at_ms": at_ms, "more": 1}))
    assert commit_words(tmp_path, 2) == [500, 300]
    assert commit_words(tmp_path, 4) == [500, 300, 100, 0]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"at_ms": "soon"}', "{}"])
def test_a_word_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "commit-0.json").write_text(text)
    assert commit_words(tmp_path, 1) == [0]


def test_each_process_gets_its_place_and_the_addresses_of_all() -> None:
    assert flow_commands(["flow"], 1) == [["flow", "--process-id", "0"]]
    first, second = flow_commands(["flow"], 2)
    assert (first[1:3], second[1:3]) == (["--process-id", "0"], ["--process-id", "1"])
    assert first[4] == second[4]
    assert len(set(first[4].split(","))) == 2


def _config(tmp_path: Path, stalled_after_ms: int = 60_000) -> CloudConfig:
    return CloudConfig(
        journal=JournalConfig(dir=tmp_path / "journal", partitions=2),
        flow=FlowConfig(recovery_dir=tmp_path / "recovery", stalled_after=DurationMs(stalled_after_ms)),
    )


def _append_a_row(config: CloudConfig) -> None:
    journal = Journal(config.journal.dir, partitions=2, max_bytes=1 << 30)
    with closing(journal.open_partition(1)) as log:
        log.append_many([b"row"], 1)


def test_waiting_rows_are_those_of_all_partitions(tmp_path: Path) -> None:
    config = _config(tmp_path)
    assert waiting_rows(config) == 0
    _append_a_row(config)
    assert waiting_rows(config) == 1


@pytest.mark.parametrize("text", [None, "{", '{"partitions": 3}'])
def test_a_journal_that_cannot_be_read_has_no_rows_and_ends_nothing(tmp_path: Path, text: str | None) -> None:
    config = _config(tmp_path)
    _append_a_row(config)
    (found,) = config.journal.dir.glob("*.json")
    if text is None:
        found.unlink()
        found.mkdir()
    else:
        found.write_text(text)
    assert waiting_rows(config) == 0


def _run_until(supervisor: Supervisor, condition: Callable[[], bool], what: str) -> int:
    stopping = threading.Event()
    statuses: list[int] = []
    thread = threading.Thread(target=lambda: statuses.append(supervisor.run(stopping)))
    thread.start()
    try:
        wait_until(condition, what)
    finally:
        stopping.set()
        thread.join(60)
    return statuses[0]


def _group(command: list[str]) -> Group:
    return Group("test", lambda: [command], Backoff(0.1, 0.2))


def test_a_flow_that_does_not_commit_is_restarted_while_rows_wait_and_ingest_is_left_alone(tmp_path: Path) -> None:
    config = _config(tmp_path, stalled_after_ms=100)
    _append_a_row(config)
    ingest, flow = _group(SLEEPS), _group(SLEEPS)
    status = _run_until(Supervisor(config, ingest, flow), lambda: flow.restarts >= 2, "restarted for a stall")
    assert (status, ingest.restarts) == (0, 0)


def test_an_idle_flow_is_left_alone(tmp_path: Path) -> None:
    config = _config(tmp_path, stalled_after_ms=100)
    ingest, flow = _group(SLEEPS), _group(SLEEPS)
    supervisor = Supervisor(config, ingest, flow)
    looks: set[float] = set()

    def has_looked_often() -> bool:
        looks.add(supervisor._look_at_s)
        return len(looks) > 3

    status = _run_until(supervisor, has_looked_often, "it looks")
    assert (status, flow.restarts) == (0, 0)


def test_a_child_that_cannot_use_the_configuration_ends_everything_with_its_status(tmp_path: Path) -> None:
    ingest, flow = _group([sys.executable, "-c", "raise SystemExit(2)"]), _group(SLEEPS)
    assert Supervisor(_config(tmp_path), ingest, flow).run(threading.Event()) == 2
    assert flow.pids == []


def test_what_runs_beside_ingest_and_flow_is_kept_alive_too(tmp_path: Path) -> None:
    ingest, flow, other = _group(SLEEPS), _group(SLEEPS), _group([sys.executable, "-c", "raise SystemExit(1)"])
    supervisor = Supervisor(_config(tmp_path), ingest, flow, [other])
    status = _run_until(supervisor, lambda: other.restarts >= 2, "restarted for its end")
    assert (status, ingest.restarts, flow.restarts) == (0, 0, 0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        ("[notify]\n", ["notify"]),
        ("[commands]\n[archive]\n", ["dispatch", "jobs"]),
        ('[weather]\nfile = "weather.json"\n', ["jobs"]),
        ('[intents]\nfile = "intents.toml"\n', ["jobs"]),
    ],
)
def test_only_what_the_file_asks_for_runs_beside_ingest_and_flow(tmp_path: Path, text: str, wanted: list[str]) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text(text)
    assert services(load_config(file)) == wanted


def test_a_second_supervisor_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    import fcntl

    config = _config(tmp_path)
    config.flow.recovery_dir.mkdir()
    with (config.flow.recovery_dir / "supervisor.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CloudError, match="another"):
            supervise(tmp_path / "cloud.toml", config)


def test_sigterm_ends_a_supervised_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud_stream.supervisor.flow_commands", lambda *_: [SLEEPS])
    monkeypatch.setattr(sys, "executable", "/bin/true")
    config = _config(tmp_path)
    killer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM))
    killer.start()
    assert supervise(tmp_path / "cloud.toml", config) == 0
    killer.join()
