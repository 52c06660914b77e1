"""The daily job that looks for what drives consumption."""

from contextlib import closing
from typing import Final

from cloud_stream.config import CloudConfig
from cloud_stream.correlation.daily import correlate_all
from cloud_stream.correlation.reading import reading_of
from cloud_stream.jobs.job import Job
from cloud_stream.sites import load_sites
from cloud_stream.stores import open_store

DAY_MS: Final = 86_400_000
AT_MS: Final = 4 * 3_600_000
"""When it is night in most places that a utility of one country has; late data of the day before is in."""
TIMEOUT_S: Final = 4 * 3600.0


def correlation_job(config: CloudConfig) -> Job:
    """The job, due once a day.

    Raises:
        ConfigError: The sites file cannot be used.
    """
    load_sites(config.sites.file)

    def run(now_ms: int) -> None:
        sites = load_sites(config.sites.file)
        with closing(open_store(config.store)) as store:
            store.prepare()
            correlate_all(reading_of(config, store, sites), store, now_ms)

    return Job("correlation", DAY_MS, run, timeout_s=TIMEOUT_S, anchor_ms=AT_MS)
