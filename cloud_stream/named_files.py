"""What a configuration names beside itself - rules, intents, models, addresses - looked at before anything starts."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from cloud_stream.config import CloudConfig
from cloud_stream.config_sections import ArchiveConfig, ForecastConfig, NotifyConfig


class Named(NamedTuple):
    """One thing that the file names.

    Attributes:
        key: Where, such as `alerts.rules`.
        look: Says what was found, in a few words; raises ConfigError when it cannot be used.
        good_copy: With which the cloud starts all the same; None without.
    """

    key: str
    look: Callable[[], str]
    good_copy: Path | None = None


def named_files(config: CloudConfig) -> Iterator[Named]:
    """Everything that a configuration names; packages are imported only for what is there."""
    if config.sites.file is not None:
        yield Named("sites.file", partial(_sites, config.sites.file))
    if config.alerts.rules is not None:
        yield Named("alerts.rules", partial(_rules, config.alerts.rules, config), config.good_rules_file)
    if config.intents.file is not None:
        yield Named("intents.file", partial(_intents, config.intents.file, config), config.good_intents_file)
    if config.forecast is not None:
        yield Named("forecast", partial(_models, config.forecast, config))
    if config.notify is not None:
        yield Named("notify.urls", partial(_channels, config.notify))
    if config.archive is not None:
        yield Named("archive", partial(_archive, config.archive))


def _sites(path: Path) -> str:
    from cloud_stream.sites import load_sites

    return f"{len(load_sites(path).listed)} sites in {path}"


def _rules(path: Path, config: CloudConfig) -> str:
    from cloud_stream.alerts.rules import load_rules

    rules = load_rules(path, config.flow.widths_ms, forecasts=config.forecast is not None)
    return f"{len(rules)} rules in {path}"


def _intents(path: Path, config: CloudConfig) -> str:
    from cloud_stream.intents.wishes import load_book
    from cloud_stream.sites import load_sites

    return f"{len(load_book(path, load_sites(config.sites.file)).wishes)} intents in {path}"


def _models(forecast: ForecastConfig, config: CloudConfig) -> str:
    from cloud_stream.forecast.models import forecasters_for

    models = forecasters_for(forecast, int(config.flow.utility_interval))
    return ", ".join(f"{level}: {model.name}" for level, model in models.items())


def _channels(notify: NotifyConfig) -> str:
    from cloud_stream.notify.channels import open_channels

    return ", ".join(channel.name for channel in open_channels(notify)) or "nobody is told"


def _archive(archive: ArchiveConfig) -> str:
    from cloud_stream.archive.process import open_target

    return str(open_target(archive).where)
