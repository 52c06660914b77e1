"""The command line `wattline alerts`, as far as it is about telling people."""

import getpass
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from cloud_stream.config import CloudConfig, load_config
from cloud_stream.config_sections import NotifyConfig
from cloud_stream.engine import now_ms
from cloud_stream.notify.alert_names import SEVERITIES, SHORT_ID
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.listing import open_alerts, stored_alerts
from cloud_stream.notify.messages import span_text
from cloud_stream.notify.silences import FOR_EVER_MS, Silence
from wattline.config import parse_duration
from wattline.errors import ConfigError, WattlineError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="What fires now, what people are told of it, and what they are not.",
    epilog="Example: wattline alerts list -c cloud.toml",
)
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="The cloud's configuration.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CommentOption = Annotated[str, typer.Option(help="Why, for the others.")]
AuthorOption = Annotated[str, typer.Option(help="Who says so; the user's name by default.")]
DEFAULT_CONFIG: Final = Path("cloud.toml")


@app.command("list")
def list_alerts(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 (typer's way to write a flag)
    """List the alerts that fire now, and which of them nobody is told of.

    Example: wattline alerts list -c cloud.toml --json
    """
    settings = load_config(config)
    now = now_ms()
    rows = stored_alerts(settings.store, now) if settings.notify is None else open_alerts(settings.notify, now)
    if as_json:
        _print_json({"alerts": rows})
        return
    if not rows:
        sys.stderr.write("nothing fires now\n")
    for row in rows:
        since = f"for {span_text(now - row['since_ms'])}" if row["since_ms"] else ""
        sys.stdout.write(f"{row['id'][:SHORT_ID]}  {row['severity']:8}  {row['state']:12}  {row['title']}  {since}\n")


@app.command()
def ack(
    alert: Annotated[str, typer.Argument(help="The alert's id, or its beginning, as `wattline alerts list` shows it.")],
    comment: CommentOption = "",
    author: AuthorOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Acknowledge an alert: nobody is told of it any more until it has ended.

    Example: wattline alerts ack 1f2e3d4c --comment "electrician is on the way" -c cloud.toml
    """
    now = now_ms()
    with closing(_ledger(load_config(config))) as ledger:
        found = [one.alert for one in ledger.open_alerts() if one.alert.startswith(alert)]
        if len(found) != 1:
            raise WattlineError(f"{len(found) or 'no'} alerts that begin with {alert!r} fire now")
        silence = Silence(
            id="", alert=found[0], from_ms=now, until_ms=FOR_EVER_MS, comment=comment, author=author or _user()
        )
        kept = ledger.silences.add(silence, now)
    sys.stdout.write(f"{kept.id}\n")


@app.command()
def silence(  # noqa: PLR0913, PLR0917 (each is an option of the command line)
    rule: Annotated[str, typer.Option(help="Rule, exact or with * and ?.")] = "*",
    site: Annotated[str, typer.Option(help="Site, likewise.")] = "*",
    meter: Annotated[str, typer.Option(help="Meter, likewise.")] = "*",
    severity: Annotated[str, typer.Option(help="Severity, likewise.")] = "*",
    lasts: Annotated[str, typer.Option("--for", help="How long, such as 2h.")] = "",
    until: Annotated[str, typer.Option(help="Or its end, such as 2026-11-21T18:00+01:00; UTC without an offset.")] = "",
    begin: Annotated[str, typer.Option("--from", help="Its beginning; now by default.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Silence all alerts.")] = False,  # noqa: FBT002 (as above)
    comment: CommentOption = "",
    author: AuthorOption = "",
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Tell nobody of the alerts that match, for a while; what still fires then is told.

    Example: wattline alerts silence --site "house-1*" --for 2h --comment "new meter" -c cloud.toml
    """
    now = now_ms()
    if not everything and {rule, site, meter, severity} == {"*"}:
        raise ConfigError("--rule", "say which alerts with --rule, --site, --meter or --severity, or --all")
    if not any(fnmatchcase(one, severity) for one in SEVERITIES):
        raise ConfigError("--severity", f"{severity!r} fits none of {', '.join(SEVERITIES)}")
    from_ms = _time_ms("--from", begin) if begin else now
    until_ms = _end_ms(lasts, until, from_ms)
    if until_ms <= max(now, from_ms):
        raise ConfigError("--until", "the silence would be over before it begins")
    wanted = Silence(
        id="", rule=rule, site=site, meter=meter, severity=severity,
        from_ms=from_ms, until_ms=until_ms, comment=comment, author=author or _user(),
    )  # fmt: skip
    with closing(_ledger(load_config(config))) as ledger:
        kept = ledger.silences.add(wanted, now)
    sys.stdout.write(f"{kept.id}\n")


@app.command()
def silences(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 (as above)
    """List the silences: in force, to come, and those that ended in the last week.

    Example: wattline alerts silences -c cloud.toml
    """
    now = now_ms()
    with closing(_ledger(load_config(config))) as ledger:
        found = ledger.silences.all()
    if as_json:
        _print_json({"silences": [msgspec.structs.asdict(one) | {"state": _silence_state(one, now)} for one in found]})
        return
    if not found:
        sys.stderr.write("there is no silence\n")
    for one in found:
        end = "until it ends" if one.until_ms == FOR_EVER_MS else f"until {_iso(one.until_ms)}"
        words = f"{_scope(one)}  from {_iso(one.from_ms)} {end}  {one.author}: {one.comment}"
        sys.stdout.write(f"{one.id}  {_silence_state(one, now):8}  {words}\n")


@app.command()
def unsilence(
    ids: Annotated[list[str], typer.Argument(help="Ids, as `wattline alerts silences` shows them.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """End silences and acknowledgements now; what still fires is told.

    Example: wattline alerts unsilence 1f2e3d4c -c cloud.toml
    """
    with closing(_ledger(load_config(config))) as ledger:
        ended = ledger.silences.end(ids, now_ms())
    missing = [one for one in ids if one not in ended]
    if missing:
        raise WattlineError(f"no silence {', '.join(map(repr, missing))} is in force or to come")


@app.command("test-message")
def send_test_message(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:  # noqa: FBT002 (as above)
    """Send a test message over every channel, and say of each whether it arrived.

    Example: wattline alerts test-message -c cloud.toml
    """
    from cloud_stream.notify.trial import try_channels

    settings = _notify(load_config(config))
    results = try_channels(settings, now_ms())
    if as_json:
        _print_json(
            {"channels": [{"channel": name, "ok": not problem, "problem": problem} for name, problem in results]}
        )
    else:
        for name, problem in results:
            sys.stdout.write(f"{name:16} {problem or 'ok'}\n")
        if not results:
            sys.stderr.write("[notify] names no channel: urls and urls_file are empty\n")
    if not results or any(problem for _, problem in results):
        raise typer.Exit(1)


def _notify(config: CloudConfig) -> NotifyConfig:
    if config.notify is None:
        raise ConfigError("notify", "the section is missing: there is nobody to tell")
    return config.notify


def _ledger(config: CloudConfig) -> Ledger:
    return Ledger(_notify(config).dir)


def _silence_state(one: Silence, now: int) -> str:
    return "active" if one.is_active(now) else "over" if one.until_ms <= now else "to come"


def _scope(one: Silence) -> str:
    if one.alert:
        return f"alert {one.alert[:SHORT_ID]}"
    named = (("rule", one.rule), ("site", one.site), ("meter", one.meter), ("severity", one.severity))
    return " ".join(f"{name} {pattern}" for name, pattern in named if pattern != "*") or "all alerts"


def _end_ms(lasts: str, until: str, from_ms: int) -> int:
    if bool(lasts) == bool(until):
        raise ConfigError("--for", "say how long with --for, or give the end with --until")
    if until:
        return _time_ms("--until", until)
    try:
        return from_ms + parse_duration(lasts)
    except ValueError as error:
        raise ConfigError("--for", str(error)) from None


def _time_ms(option: str, text: str) -> int:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(option, f"{text!r} is no time such as 2026-11-21T18:00") from None
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _iso(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return ""


def _print_json(value: dict[str, Sequence[Any]]) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
