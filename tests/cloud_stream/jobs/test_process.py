"""The jobs as a process: what it starts with, that it keeps going, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cloud_stream.config import CloudConfig, load_config
from cloud_stream.config_sections import ArchiveConfig, WeatherConfig
from cloud_stream.jobs.process import lanes
from tests.cloud_stream.jobs.weather_server import HOUR_MS, Handler, WeatherService, answer, serving
from tests.cloud_stream.waiting import wait_until

RUN = "import logging, sys; logging.basicConfig(level=logging.INFO); from pathlib import Path;"
RUN += "from cloud_stream.config import load_config; from cloud_stream.jobs.process import run_jobs;"
RUN += "sys.exit(run_jobs(load_config(Path(sys.argv[1]))))"


def config_file(tmp_path: Path, url: str) -> Path:
    (tmp_path / "sites.toml").write_text('[[site]]\nid = "house"\nlatitude = 51.5\nlongitude = -0.1\n')
    file = tmp_path / "cloud.toml"
    file.write_text(f"""
[flow]
recovery_dir = "{tmp_path}/recovery"
[store]
path = "{tmp_path}/store.db"
[sites]
file = "{tmp_path}/sites.toml"
[weather]
url = "{url}"
dir = "{tmp_path}/weather"
""")
    load_config(file)
    return file


@contextmanager
def jobs(config: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", RUN, str(config)], stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def say_weather(handler: Handler) -> None:
    handler.say(answer(time.time_ns() // 10**9 * 1000 - HOUR_MS, [1.0, 2.0]))


def never(handler: Handler) -> None:
    handler.service.closing.wait(60)


def test_a_process_fetches_remembers_and_ends_when_told(tmp_path: Path) -> None:
    with serving(WeatherService(say_weather)) as service:
        config, log = config_file(tmp_path, service.url), tmp_path / "log"
        last = tmp_path / "recovery/jobs/correlation.json"
        for _ in range(2):
            last.unlink(missing_ok=True)
            with jobs(config, log) as process:
                wait_until(last.is_file, "both jobs are done, or need not be")
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            assert "jobs_ended" in log.read_text()
        assert len(service.paths) == 1
    kept = json.loads((tmp_path / "recovery/jobs/weather.json").read_bytes())["last_ms"]
    assert 0 <= time.time_ns() // 1_000_000 - kept < 600_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_job_at_work_does_not_hold_the_end_up(tmp_path: Path, number: signal.Signals) -> None:
    with serving(WeatherService(never)) as service:
        with jobs(config_file(tmp_path, service.url), tmp_path / "log") as process:
            wait_until(lambda: bool(service.paths), "the job is at work")
            process.send_signal(number)
            assert process.wait(10) == 0
        assert not service.closing.is_set()


def test_it_makes_way_for_others(tmp_path: Path) -> None:
    with (
        serving(WeatherService(say_weather)) as service,
        jobs(config_file(tmp_path, service.url), tmp_path / "log") as p,
    ):
        wait_until(lambda: bool(service.paths), "the job is at work")
        assert os.getpriority(os.PRIO_PROCESS, p.pid) >= 10


def names(config: CloudConfig) -> list[list[str]]:
    return [[job.name for job in lane] for lane in lanes(config)]


def test_what_the_file_asks_for_is_done_and_the_archive_waits_for_nobody(tmp_path: Path) -> None:
    assert names(CloudConfig()) == [["correlation"]]
    everything = CloudConfig(
        weather=WeatherConfig(url="https://h/{latitude}/{longitude}"),
        archive=ArchiveConfig(dir=tmp_path / "archive", spool_dir=tmp_path / "spool"),
    )
    assert names(everything) == [["weather", "correlation"], ["archive-flush", "archive-compaction"]]
