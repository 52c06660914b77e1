"""`wattline cloud jobs`: what is done now and then, until SIGTERM."""

import logging
import os
import threading
from collections import Counter
from typing import Final

from cloud_stream.config import CloudConfig
from cloud_stream.jobs.correlation_job import correlation_job
from cloud_stream.jobs.job import Job
from cloud_stream.jobs.memory import JobMemory
from cloud_stream.jobs.runner import JobRunner
from cloud_stream.jobs.weather_job import weather_job
from wattline.stop_signals import called_on_stop

_log: Final = logging.getLogger("cloud_stream.jobs")
NICENESS: Final = 10
"""Readings go first."""
FOLDER: Final = "jobs"
ARCHIVE_TIMEOUT_S: Final = 1800.0
"""A day of a large fleet is compacted in minutes."""


def run_jobs(config: CloudConfig) -> int:
    """Run the jobs that a configuration asks for until SIGTERM or SIGINT; ends within a second.

    When each last succeeded is kept in `[flow].recovery_dir`/jobs.

    Returns:
        The exit status.

    Raises:
        ConfigError: A value of the file cannot be used.
    """
    os.nice(NICENESS)
    memory = JobMemory(config.flow.recovery_dir / FOLDER)
    runners = [JobRunner(jobs, memory) for jobs in lanes(config)]
    stopping = threading.Event()
    with called_on_stop(stopping.set):
        _log.info("jobs_started names=%s", ",".join(name for runner in runners for name in runner.names))
        threads = [threading.Thread(target=runner.run, name="jobs", daemon=True) for runner in runners]
        for thread in threads:
            thread.start()
        stopping.wait()
        for runner in runners:
            runner.stop()
        for thread in threads:
            thread.join()
    _log.info("jobs_ended counts=%s", dict(sum((runner.counts for runner in runners), Counter())))
    if any(runner.busy for runner in runners):
        # The interpreter would take its modules down under the thread that is still at work.
        logging.shutdown()
        os._exit(0)
    return 0


def lanes(config: CloudConfig) -> list[list[Job]]:
    """The jobs that a configuration asks for. Those of a lane wait for each other; no lane waits for another.

    Raises:
        ConfigError: A value of the file cannot be used.
    """
    weather, correlation = weather_job(config), correlation_job(config)
    both = [correlation] if weather is None else [weather, correlation]
    return [lane for lane in (both, _archive_jobs(config)) if lane]


def _archive_jobs(config: CloudConfig) -> list[Job]:
    if config.archive is None:
        return []
    from cloud_stream.archive.process import archive_jobs

    return [
        Job(job.name, round(job.every_s * 1000), job.run, ARCHIVE_TIMEOUT_S) for job in archive_jobs(config.archive)
    ]
