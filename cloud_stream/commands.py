"""The command lines `wattline cloud` and `wattline gateways`."""

import logging
import re
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from cloud_stream.config import CloudConfig, load_config
from cloud_stream.correlation.commands import correlation
from wattline.errors import ConfigError, WattlineError
from wattline.topics import is_gateway_id
from wattline.wire import ID_PATTERN, MAX_ID_LENGTH

_log: Final = logging.getLogger("cloud_stream")
_FORMAT: Final = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="The cloud side: takes what gateways send, aggregates it and keeps it in a store.",
    epilog="Example: wattline cloud run -c cloud.toml",
)
gateways_app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Which gateways the cloud admits, and on which site each stands.",
    epilog="Example: wattline gateways enrol gw-0001 --site house-1 -c cloud.toml",
)

app.command()(correlation)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The cloud's configuration.")]
DEFAULT_CONFIG: Final = Path("cloud.toml")


@app.command()
def run(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run everything: ingest and the flow's processes, restarted when they end. SIGTERM stops them in order.

    Example: wattline cloud run -c cloud.toml
    """
    from cloud_stream.supervisor import supervise

    settings = _start(config)
    _check_files(settings)
    raise typer.Exit(supervise(config, settings))


@app.command()
def ingest(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Take messages from the broker into the journal, and acknowledge them.

    Example: wattline cloud ingest -c cloud.toml
    """
    from cloud_stream.ingest_process import run_ingest

    settings = _start(config)
    raise typer.Exit(run_ingest(settings))


@app.command()
def flow(
    config: ConfigOption = DEFAULT_CONFIG,
    process_id: Annotated[int, typer.Option(min=0, help="This process's place in the cluster.")] = 0,
    addresses: Annotated[str, typer.Option(help="Of all processes, HOST:PORT,HOST:PORT; empty for one alone.")] = "",
) -> None:
    """Run one process of the dataflow from the journal to the store.

    Example: wattline cloud flow -c cloud.toml --process-id 0 --addresses 127.0.0.1:2101,127.0.0.1:2102
    """
    settings = _start(config)
    members = [part for part in addresses.split(",") if part]
    if process_id >= max(1, len(members)):
        raise ConfigError("--process-id", f"{process_id} is not a place among {max(1, len(members))} processes")
    from cloud_stream.flow_process import run_flow

    raise typer.Exit(run_flow(settings, process_id, members))


@app.command()
def notify(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Tell people of alerts and recommendations, over the channels that the file names.

    Example: wattline cloud notify -c cloud.toml
    """
    settings = _start(config)
    from cloud_stream.notify.process import run_notify

    raise typer.Exit(run_notify(settings))


@app.command()
def dispatch(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Send the orders of intents to the gateways of switchable loads.

    Example: wattline cloud dispatch -c cloud.toml
    """
    settings = _start(config)
    from cloud_stream.dispatch.process import run_dispatch

    raise typer.Exit(run_dispatch(settings))


@app.command()
def jobs(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Do what is due now and then: fetch weather, write the archive, look for correlations.

    Example: wattline cloud jobs -c cloud.toml
    """
    settings = _start(config)
    from cloud_stream.jobs.process import run_jobs

    raise typer.Exit(run_jobs(settings))


@gateways_app.command("list")
def list_gateways(
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 (typer's way to write a flag)
) -> None:
    """List the registered gateways with site, state and since when.

    Example: wattline gateways list -c cloud.toml --json
    """
    from cloud_stream.registry import Registry

    settings = load_config(config).registry
    with closing(Registry(settings.path, settings.policy)) as registry:
        gateways = registry.gateways()
    if as_json:
        rows = [gateway._asdict() for gateway in gateways]
        sys.stdout.write(msgspec.json.encode({"policy": settings.policy, "gateways": rows}).decode() + "\n")
        return
    if not gateways:
        sys.stderr.write(f"no gateway is registered in {settings.path} yet\n")
    for gateway in gateways:
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(gateway.since_ms / 1000))
        sys.stdout.write(f"{gateway.gateway:24} {gateway.site:24} {gateway.state:9} {since}\n")


@gateways_app.command()
def enrol(
    gateway: Annotated[str, typer.Argument(help="The gateway's id.")],
    site: Annotated[str, typer.Option(help="The site on which it stands.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Admit a gateway on a site; a known one is moved there.

    Example: wattline gateways enrol gw-0001 --site house-1 -c cloud.toml
    """
    from cloud_stream.registry import Registry

    if not is_gateway_id(gateway):
        raise ConfigError("GATEWAY", f"{gateway!r} is not 1 to 64 of a-z, 0-9 and -")
    if len(site) > MAX_ID_LENGTH or re.search(ID_PATTERN, site) is None:
        raise ConfigError("--site", f"{site!r} is not a printable name of 1 to {MAX_ID_LENGTH} characters")
    settings = load_config(config).registry
    with closing(Registry(settings.path, settings.policy)) as registry:
        registry.enrol(gateway, site, _now_ms())


@gateways_app.command()
def revoke(
    gateway: Annotated[str, typer.Argument(help="The gateway's id.")], config: ConfigOption = DEFAULT_CONFIG
) -> None:
    """Admit a gateway no longer; what it sends becomes dead letters.

    Example: wattline gateways revoke gw-0001 -c cloud.toml
    """
    from cloud_stream.registry import Registry

    settings = load_config(config).registry
    with closing(Registry(settings.path, settings.policy)) as registry:
        if not registry.revoke(gateway, _now_ms()):
            raise WattlineError(f"no gateway {gateway!r} is registered")


def _start(path: Path) -> CloudConfig:
    """What every long-running command does first."""
    from cloud_stream.children import die_with_parent, is_supervised

    die_with_parent()
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=logging.INFO, format=_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    config = load_config(path)
    if not is_supervised():  # the supervisor has said so
        for name in config.unused_sections:
            _log.warning("section_has_no_effect_yet name=%s", name)
    return config


def _check_files(config: CloudConfig) -> None:
    """Look at what the file names: its processes would complain too, but in the middle of what the others say.

    Rules that were right once are no reason to take no readings: the flow goes on with those.
    """
    from cloud_stream.named_files import named_files

    for named in named_files(config):
        if named.good_copy is None or not named.good_copy.exists():
            named.look()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
