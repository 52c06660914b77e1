"""`wattline simulate`: fleets of gateways from the command line."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from simulators.broker_address import parse_broker
from simulators.fleet import Fleet
from simulators.fleet_config import AckMode, FleetConfig, ProtocolChoice
from simulators.report import FleetReport, Totals, check_writable, save
from wattline.config import parse_duration
from wattline.errors import ConfigError
from wattline.stop_signals import called_on_stop

_EXIT_INCOMPLETE: Final = 1
_FLEET_EXAMPLES: Final = """Examples:

\b
  wattline simulate fleet --broker mqtt://127.0.0.1:1883
  wattline simulate fleet --gateways 500 --meters 10 --report sent.json
  wattline simulate fleet --gateways 3 --backlog 14d --readings-file sent.csv
  wattline simulate fleet --broker mqtts://broker.example --password-file pw
  wattline simulate fleet --ack broker --duration 10s --json
"""
_METER_EXAMPLES: Final = """Examples:

\b
  wattline simulate meter --link ./p1-port --seed 7
  (then in agent.toml: sensor = "dsmr", options.port = "./p1-port")
"""
_HOME_EXAMPLES: Final = """Examples:

\b
  wattline simulate home --seed 7 --days 365 --out home-7.csv
"""

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Simulated gateways and meters.")


@app.callback()
def simulate() -> None:
    """Simulated gateways and meters."""


@app.command(epilog=_FLEET_EXAMPLES)
def fleet(  # noqa: PLR0913 - every option of the command line is an argument
    *,
    gateways: Annotated[int, typer.Option(help="How many gateways, each with an MQTT session of its own.")] = 10,
    meters: Annotated[int, typer.Option(help="Meters at each gateway.")] = 10,
    interval: Annotated[str, typer.Option(help="Time between the readings of a meter.")] = "1s",
    duration: Annotated[str, typer.Option(help="How long to make readings; 0s until Ctrl-C.")] = "60s",
    broker: Annotated[str, typer.Option(help="mqtt://host[:port] or mqtts://host[:port].")] = "mqtt://127.0.0.1:1883",
    username: Annotated[str, typer.Option(help="MQTT user; {gateway} stands for each gateway's id.")] = "",
    password_file: Annotated[Path | None, typer.Option(help="Its first line is the password.")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="Authorities to trust with mqtts://.")] = None,
    protocol: Annotated[ProtocolChoice, typer.Option(help="MQTT version; auto tries 5 first.")] = ProtocolChoice.AUTO,
    seed: Annotated[int, typer.Option(help="Decides every value.")] = 1,
    prefix: Annotated[str, typer.Option(help="Start of every gateway's, site's and meter's id.")] = "sim",
    flush: Annotated[str, typer.Option(help="Time between the batches of a gateway.")] = "5s",
    backlog: Annotated[str, typer.Option(help="Deliver this much of the past first.")] = "0s",
    backlog_interval: Annotated[str, typer.Option(help="Time between the readings of the backlog.")] = "1m",
    ack: Annotated[
        AckMode, typer.Option(help="Forget a batch when the cloud names it on down/ack, or at the broker's PUBACK.")
    ] = AckMode.CLOUD,
    resend_after: Annotated[str, typer.Option(help="Send a batch without acknowledgement again.")] = "10s",
    max_inflight: Annotated[int, typer.Option(help="Unacknowledged batches of one gateway.")] = 20,
    max_batch: Annotated[int, typer.Option(help="The most readings in one batch.")] = 500,
    drain_timeout: Annotated[str, typer.Option(help="At the end, wait so long for acknowledgements.")] = "30s",
    report: Annotated[Path | None, typer.Option(help="Write exactly what was sent here, as JSON.")] = None,
    readings_file: Annotated[Path | None, typer.Option(help="Write every distinct sent reading here, as CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the totals as JSON.")] = False,
) -> None:
    """Publish the readings of many gateways and count them.

    Every gateway has its own MQTT session, birth, will, log id and sequence numbers. Ends with status 0 when every
    batch was acknowledged, with 1 when some were not. The first Ctrl-C ends the readings, the second one the waiting.
    """
    config = FleetConfig(
        broker=parse_broker(broker, username=username, password_file=password_file, ca_file=ca_file),
        gateways=gateways,
        meters=meters,
        interval_ms=_duration("--interval", interval),
        duration_ms=_duration("--duration", duration),
        flush_ms=_duration("--flush", flush),
        seed=seed,
        prefix=prefix,
        ack=ack,
        protocol=protocol,
        backlog_ms=_duration("--backlog", backlog),
        backlog_interval_ms=_duration("--backlog-interval", backlog_interval),
        drain_ms=_duration("--drain-timeout", drain_timeout),
        resend_after_ms=_duration("--resend-after", resend_after),
        max_inflight=max_inflight,
        most_readings=max_batch,
        readings_file=readings_file,
    )
    if report is not None:
        check_writable(report)
    with _two_interrupts() as (stop, give_up), _progress(config) as show:
        result = Fleet(config, show).run(stop, give_up)
    if report is not None:
        save(result, report)
    _print(result, as_json=as_json)
    if result.totals.unacked or result.totals.unsent or not result.totals.readings:
        raise typer.Exit(_EXIT_INCOMPLETE)


@app.command(epilog=_METER_EXAMPLES)
def meter(
    *,
    link: Annotated[Path, typer.Option(help="The port to make: a symbolic link to a pseudo-terminal.")],
    seed: Annotated[int, typer.Option(help="Which home.")] = 1,
) -> None:
    """Speak DSMR P1 like a smart meter, on a pseudo-terminal, every second until Ctrl-C."""
    from simulators.p1_meter import P1Meter

    speaker = P1Meter(link, seed)
    typer.echo(f"a P1 meter is at {link}", err=True)
    try:
        with _two_interrupts() as (stop, _):
            speaker.run(stop)
    finally:
        speaker.close()
        link.unlink(missing_ok=True)


@app.command(epilog=_HOME_EXAMPLES)
def home(
    *,
    out: Annotated[Path, typer.Option(help="The CSV file to write.")],
    seed: Annotated[int, typer.Option(help="Which home.")] = 1,
    days: Annotated[int, typer.Option(min=1, max=3660, help="Days up to the last full half hour.")] = 30,
) -> None:
    """Write a home's half-hourly consumption as CSV, in the layout of the London homes."""
    from simulators.half_hours import write_half_hours

    count = write_half_hours(out, seed, days)
    typer.echo(f"{count} half hours of home {seed} are in {out}", err=True)


def _duration(option: str, text: str) -> int:
    try:
        return int(parse_duration(text))
    except ValueError as error:
        raise ConfigError(option, str(error)) from None


@contextmanager
def _two_interrupts() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Turn SIGINT and SIGTERM into two events: the first signal sets one, the second the other."""
    stop, give_up = threading.Event(), threading.Event()

    def on_signal() -> None:
        (give_up if stop.is_set() else stop).set()

    with called_on_stop(on_signal):
        yield stop, give_up


@contextmanager
def _progress(config: FleetConfig) -> Iterator[Callable[[Totals, int], None] | None]:
    """A line that moves, where a person looks on."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("connecting") as status:

        def show(totals: Totals, undelivered: int) -> None:
            away = max(config.gateways - totals.connects + totals.reconnects, 0)
            status.update(
                f"{totals.readings:,} readings, {undelivered:,} batches to go, "
                f"{totals.resends:,} resent, {away} gateways to come"
            )

        yield show


def _print(result: FleetReport, *, as_json: bool) -> None:
    totals = result.totals
    if as_json:
        head = {
            "protocol": result.protocol,
            "seconds": (result.ended_ms - result.started_ms) / 1000,
            "cpu_s": result.cpu_s,
            "last_error": result.last_error,
        }
        typer.echo(msgspec.json.encode(head | msgspec.to_builtins(totals)))
        return
    seconds = (result.ended_ms - result.started_ms) / 1000
    typer.echo(
        f"{totals.readings:,} readings in {totals.batches:,} batches in {seconds:.1f} s over MQTT {result.protocol}: "
        f"{totals.acked:,} batches acknowledged, {totals.unacked:,} not, {totals.unsent:,} never sent, "
        f"{totals.resends:,} resent, {totals.reconnects:,} reconnects; {result.cpu_s:.2f} s of processor time"
    )
    for name, total in totals.sums.items():
        typer.echo(f"  sum of {name}: {total:,.3f}")
    if result.last_error:
        typer.echo(f"  last connection problem: {result.last_error}")
