"""What `wattline doctor` looks at: packages, configuration files, brokers, stores, folders.

Nothing here changes anything: a broker is asked for one connection under a
name of its own, a database for its list of databases, a folder only for its
permissions.
"""

import os
import re
import secrets
import shutil
import socket
import ssl
import stat
import sys
import time
import tomllib
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from wattline.broker_url import parse_broker_url
from wattline.errors import ConfigError
from wattline.secret_file import read_secret

TIMEOUT_S: Final = 5.0
EXTRAS: Final = ("edge", "cloud", "models", "console", "demo")
_REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)\s*([^;\s]*)\s*;.*extra == '(\w+)'")
_CLAUSE: Final = re.compile(r"(==|>=|<=|<|>)([0-9.]+)")
_PYTHONS: Final = ((3, 11), (3, 13))
_LAST_CLOUD_PYTHON: Final = (3, 12)


class State(StrEnum):
    """How a finding stands: good, worth knowing, or in need of a person."""

    OK = "ok"
    NOTE = "note"
    ACTION = "action"


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        topic: `python`, `packages`, `programs`, or the configuration file's name.
        name: Which one.
        detail: What was found. Never a secret.
        action: What to do about it; "" when there is nothing to do.
    """

    topic: str
    name: str
    state: State
    detail: str
    action: str = ""


def diagnose(configs: Sequence[Path]) -> list[Finding]:
    """Look at this installation and at what the files name.

    Args:
        configs: `agent.toml` and `cloud.toml` files.
    """
    tables = {path: _table(path) for path in configs}
    needed = {_extra(table) for table in tables.values() if isinstance(table, dict)}
    findings = [*_python(needed), *_packages(needed), *_programs()]
    for path, table in tables.items():
        findings += [table] if isinstance(table, Finding) else _configuration(path, _extra(table))
    if not configs:
        detail = "no file given: brokers, stores and folders were not looked at"
        findings.append(Finding("configuration", "", State.NOTE, detail, "wattline doctor -c agent.toml -c cloud.toml"))
    return findings


def _table(path: Path) -> dict[str, Any] | Finding:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        return Finding(path.name, "file", State.ACTION, f"{path}: {error.strerror}", "name an existing file")
    except ValueError as error:
        return Finding(path.name, "file", State.ACTION, f"{path}: is not TOML: {error}", "correct the file")


def _extra(table: Mapping[str, Any]) -> str:
    """Which part a file is for, by the table that only an agent's has."""
    return "edge" if "gateway" in table else "cloud"


# ---------------------------------------------------------------- this installation


def _python(needed: set[str]) -> Iterator[Finding]:
    version, text = sys.version_info[:2], sys.version.split()[0]
    if not _PYTHONS[0] <= version <= _PYTHONS[1]:
        yield Finding("python", "python", State.ACTION, text, "use Python 3.11 to 3.13")
    elif "cloud" in needed and version > _LAST_CLOUD_PYTHON:
        yield Finding("python", "python", State.ACTION, text, "the cloud needs Python 3.11 or 3.12")
    else:
        yield Finding("python", "python", State.OK, text)


def _packages(needed: set[str]) -> Iterator[Finding]:
    try:
        requirements = metadata.requires("wattline") or []
        yield Finding("packages", "wattline", State.OK, metadata.version("wattline"))
    except metadata.PackageNotFoundError:
        yield Finding("packages", "wattline", State.ACTION, "runs uninstalled", "pip install wattline")
        return
    for extra in EXTRAS:
        yield _package_group(extra, requirements, needed=extra in needed)


def _package_group(extra: str, requirements: Sequence[str], *, needed: bool) -> Finding:
    there: list[str] = []
    missing: list[str] = []
    for requirement in requirements:
        match = _REQUIREMENT.match(requirement)
        if match is not None and match[3] == extra:
            version = _installed_version(match[1])
            good = version is not None and satisfies(version, match[2])
            (there if good else missing).append(f"{match[1]} {version or ''}".strip())
    if not missing:
        return Finding("packages", extra, State.OK, ", ".join(there))
    state = State.ACTION if needed else State.NOTE
    return Finding(
        "packages", extra, state, f"missing or too old: {', '.join(missing)}", f"pip install 'wattline[{extra}]'"
    )


def _installed_version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def satisfies(version: str, clauses: str) -> bool:
    """Whether a version like "1.24.1" keeps clauses like ">=1.24,<2"; letters end a number."""
    have = _numbers(version)
    for sign, text in _CLAUSE.findall(clauses):
        want = _numbers(text)
        same = have[: len(want)] == want if sign == "==" else have == want
        good = {"==": same, ">=": have >= want, "<=": have <= want, "<": have < want, ">": have > want}[sign]
        if not good:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _programs() -> Iterator[Finding]:
    folders = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"))
    found = shutil.which("mosquitto", path=folders)
    if found:
        yield Finding("programs", "mosquitto", State.OK, found)
    else:
        hint = "apt install mosquitto (or pip install 'wattline[demo]')"
        yield Finding("programs", "mosquitto", State.NOTE, "not installed; only the demo wants it", hint)


# ---------------------------------------------------------------- one configuration file


def _configuration(path: Path, extra: str) -> Iterator[Finding]:
    module = {"edge": "edge_agent.config", "cloud": "cloud_stream.config"}[extra]
    try:
        config = import_module(module).load_config(path)
    except ConfigError as error:
        yield Finding(path.name, "file", State.ACTION, str(error), "correct the file")
        return
    except ModuleNotFoundError as error:
        detail = f"cannot be checked: {error.name} is not installed"
        yield Finding(path.name, "file", State.ACTION, detail, f"pip install 'wattline[{extra}]'")
        return
    yield Finding(path.name, "file", State.OK, f"{path} is well formed")
    findings = _agent(config) if extra == "edge" else _cloud(config)
    for name, state, detail, action in findings:
        yield Finding(path.name, name, state, detail, action)


Row = tuple[str, State, str, str]
"""A finding but for its topic."""


def _agent(config: Any) -> Iterator[Row]:  # noqa: ANN401 - edge_agent.config.AgentConfig, which this package may not import
    username = config.broker.username or config.gateway.id
    yield from _broker(config.broker, username if config.broker.password_file else "")
    yield from _secrets(config.broker, "broker")
    yield from _folder("gateway.state_dir", config.gateway.state_dir)
    yield from _room("publish.outbox_max_bytes", config.gateway.state_dir, config.publish.outbox_max_bytes)
    yield "meter", State.NOTE, f"{len(config.meter)} configured, not tried here", "wattline edge check tries each once"


def _cloud(config: Any) -> Iterator[Row]:  # noqa: ANN401 - cloud_stream.config.CloudConfig, as above
    yield from _broker(config.broker, config.broker.username)
    yield from _secrets(config.broker, "broker")
    if config.store.kind == "sqlite":
        yield from _folder("store.path", config.store.path.parent)
    else:
        yield _influxdb(config.store)
        yield from _secrets(config.store, "store")
        yield from _folder("store.spool_dir", config.store.spool_dir)
    yield from _folder("journal.dir", config.journal.dir)
    yield from _room("journal.max_bytes", config.journal.dir, config.journal.max_bytes)
    yield from _folder("flow.recovery_dir", config.flow.recovery_dir)
    yield from _folder("registry.path", config.registry.path.parent)
    yield from _folder("dead_letters.path", config.dead_letters.path.parent)
    for named in import_module("cloud_stream.named_files").named_files(config):
        yield _named(named)


def _named(named: Any) -> Row:  # noqa: ANN401 - cloud_stream.named_files.Named
    try:
        return named.key, State.OK, named.look(), ""
    except ConfigError as error:
        return named.key, State.ACTION, str(error), "correct it"


def _folder(key: str, folder: Path) -> Iterator[Row]:
    """Whether the folder, or the one that it would be made in, can be written."""
    existing = _existing(folder)
    if not existing.is_dir():
        yield key, State.ACTION, f"{existing} is no folder", f"remove it or change {key}"
    elif not os.access(existing, os.W_OK | os.X_OK):
        yield key, State.ACTION, f"{existing} cannot be written by this user", f"chown {existing} or change {key}"
    else:
        yield key, State.OK, f"{folder} {'can be written' if existing == folder else 'will be made'}", ""


def _room(key: str, folder: Path, wanted_bytes: int) -> Iterator[Row]:
    free = shutil.disk_usage(_existing(folder)).free
    used = sum(file.stat().st_size for file in folder.glob("**/*") if file.is_file()) if folder.is_dir() else 0
    if free + used < wanted_bytes:
        detail = f"{_mib(free)} are free below {folder}, {_mib(wanted_bytes)} may be used"
        yield key, State.ACTION, detail, f"free space or lower {key}"


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MiB"


def _existing(path: Path) -> Path:
    return next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())


def _secrets(section: Any, where: str) -> Iterator[Row]:  # noqa: ANN401 - a section of either file
    for name in ("password_file", "token_file", "key_file"):
        file: Path | None = getattr(section, name, None)
        if file is None:
            continue
        if not os.access(file, os.R_OK):
            yield f"{where}.{name}", State.ACTION, f"{file} cannot be read by this user", f"chown or chmod {file}"
        elif file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
            yield f"{where}.{name}", State.ACTION, f"everybody on this machine may read {file}", f"chmod o= {file}"


# ---------------------------------------------------------------- over the network


def _broker(broker: Any, username: str) -> Iterator[Row]:  # noqa: ANN401 - the section of either file
    address = parse_broker_url(broker.url)
    where = f"{address.host}:{address.port}"
    try:
        answer = _mqtt_answer(broker, username)
    except ModuleNotFoundError as error:
        yield "broker.url", State.NOTE, f"{where} was not tried: {error.name} is not installed", ""
    except ConfigError as error:
        yield error.where, State.ACTION, error.problem, "write the secret into its first line"
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
        yield (
            "broker.url",
            State.ACTION,
            f"{where}: TLS: {reason}",
            "check broker.ca_file, cert_file and the broker's name",
        )
    except OSError as error:
        detail = f"{where} does not answer: {error.strerror or error}"
        yield "broker.url", State.ACTION, detail, "start the broker, or correct broker.url or the firewall"
    else:
        if answer:
            detail, action = f"{where} refuses: {answer}", "check username, password_file and the broker's rights"
            yield "broker.url", State.ACTION, detail, action
        else:
            yield "broker.url", State.OK, f"{where} lets us in", ""


def _mqtt_answer(broker: Any, username: str) -> str:  # noqa: ANN401 - as above
    """Connect once; "" when the broker lets us in, else why not.

    The client id is nobody's: a running agent's would throw that agent out.
    """
    from paho.mqtt.client import Client, MQTTv311
    from paho.mqtt.enums import CallbackAPIVersion

    address = parse_broker_url(broker.url)
    client = Client(CallbackAPIVersion.VERSION2, f"wattline-doctor-{secrets.token_hex(4)}", protocol=MQTTv311)
    client.connect_timeout = TIMEOUT_S
    if address.tls:
        context = _tls_context(broker)
        _shake_hands(context, address.host, address.port)
        client.tls_set_context(context)
    if username:
        client.username_pw_set(username, read_secret(broker.password_file) if broker.password_file else None)
    answers: list[str] = []
    client.on_connect = lambda *event: answers.append(str(event[3]) if event[3].is_failure else "")
    client.connect(address.host, address.port)
    deadline = time.monotonic() + TIMEOUT_S
    while not answers and time.monotonic() < deadline:
        client.loop(timeout=0.1)
    client.disconnect()
    if not answers:
        raise TimeoutError(None, "it takes the connection and says nothing")
    return answers[0]


def _tls_context(broker: Any) -> ssl.SSLContext:  # noqa: ANN401 - as above
    context = ssl.create_default_context(cafile=broker.ca_file)
    if broker.cert_file:
        context.load_cert_chain(broker.cert_file, broker.key_file)
    return context


def _shake_hands(context: ssl.SSLContext, host: str, port: int) -> None:
    """Try TLS alone: paho leaves the socket of a failed handshake open."""
    with (
        socket.create_connection((host, port), timeout=TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass


def _influxdb(store: Any) -> Row:  # noqa: ANN401 - cloud_stream.config.StoreConfig
    parts = urlsplit(store.url)
    where = parts.netloc.rpartition("@")[2]
    url = f"{parts.scheme}://{where}{parts.path.rstrip('/')}/query?q=SHOW+DATABASES"
    try:
        headers = _credentials(store)
    except ConfigError as error:
        return error.where, State.ACTION, error.problem, "write the secret into its first line"
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the configuration admits http and https
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
            known = f'["{store.bucket}"]' in answer.read(1 << 20).decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (401, 403):
                return "store.url", State.ACTION, f"{where} refuses us ({error.code})", "check token_file or username"
            return "store.url", State.NOTE, f"{where} answers {error.code}: it may not be InfluxDB", ""
    except OSError as error:
        reason = getattr(error, "reason", error)
        detail = f"{where} does not answer: {getattr(reason, 'strerror', '') or reason}"
        return "store.url", State.ACTION, detail, "start the database, or correct store.url or the firewall"
    found = f"has {store.bucket!r}" if known else f"has no {store.bucket!r} yet: the first start makes it"
    return "store.url", State.OK, f"{where} answers and {found}", ""


def _credentials(store: Any) -> dict[str, str]:  # noqa: ANN401 - as above
    if store.token_file:
        return {"Authorization": f"Token {read_secret(store.token_file, 'store.token_file')}"}
    if store.username:
        pair = (
            f"{store.username}:{read_secret(store.password_file, 'store.password_file') if store.password_file else ''}"
        )
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
    return {}
