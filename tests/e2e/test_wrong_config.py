"""A wrong file: one readable line with the path inside the file, status 2, no traceback; whatever command reads it."""

import subprocess
import sys
from pathlib import Path

import pytest

AGENT = """\
[gateway]
id = "gw-1"
site = "house"
state_dir = "{folder}/state"
[broker]
url = "mqtt://127.0.0.1:1"
[publish]
flush_interval = "5s"
[[meter]]
id = "m1"
sensor = "simulated"
"""
CLOUD = """\
[broker]
url = "mqtt://127.0.0.1:1"
[registry]
path = "{folder}/registry.db"
[journal]
dir = "{folder}/journal"
partitions = 2
[flow]
recovery_dir = "{folder}/recovery"
window = "5m"
[store]
path = "{folder}/store.db"
[alerts]
rules = "{folder}/alerts.toml"
"""
RULE = '[[rule]]\nname = "a"\nquantity = "power_w"\nabove = 9000\nwindow = "5m"\n'

WRONG_AGENT = {
    "unknown key": ("flush_interval =", "flush_intervall =", "publish: unknown key 'flush_intervall'"),
    "unknown table": ("[publish]", "[publisher]", "unknown key 'publisher'"),
    "wrong type": ('"5s"', "5", "publish.flush_interval: expected text"),
    "bad duration": ('"5s"', '"5 parsecs"', "publish.flush_interval: expected a duration"),
    "endless duration": ('"5s"', f'"{"9" * 40}d"', "publish.flush_interval: expected a duration"),
    "duplicate meter": ("[[meter]]", '[[meter]]\nid = "m1"\nsensor = "simulated"\n[[meter]]', "meter[1].id: 'm1'"),
    "unknown sensor": ('"simulated"', '"magic"', "meter[0].sensor: unknown sensor 'magic'"),
    "unknown option": ('"simulated"', '"simulated"\noptions = {colour = 1}', "meter[0].options: unknown key"),
    "password in the url": ("127.0.0.1", "me:hunter2@127.0.0.1", "broker.url: must hold no user name or password"),
    "missing key": ('site = "house"\n', "", "gateway: the key 'site' is missing"),
    "zero byte": ("/state", "\\u0000", "gateway.state_dir: expected text"),
    "no TOML": ("[gateway]", "[gateway", "agent.toml: is not TOML"),
}
WRONG_CLOUD = {
    "unknown key": ("partitions =", "partition =", "journal: unknown key 'partition'"),
    "unknown table": ("[flow]", "[float]", "unknown key 'float'"),
    "wrong type": ("= 2", '= "two"', "journal.partitions: expected `int`"),
    "bad duration": ('"5m"', '"5 minutes"', "flow.window: expected a duration"),
    "window": ('"5m"', '"7m"', "flow.window: must be"),
    "password in the url": (
        'path = "{folder}/store.db"',
        'kind = "influxdb"\nurl = "http://me:hunter2@127.0.0.1:1"',
        "store.url: must hold no user or password",
    ),
    "port": (
        'path = "{folder}/store.db"',
        'kind = "influxdb"\nurl = "http://h:port"',
        "store.url: has a bad host or port",
    ),
    "no TOML": ("[broker]", "[broker", "cloud.toml: is not TOML"),
}
WRONG_RULES = {
    "unknown key": ("above =", "abov =", "rule[0]: unknown key 'abov'"),
    "wrong type": ("9000", '"9000"', "rule[0].above: expected"),
    "bad duration": ('"5m"', '"5x"', "rule[0].window: expected a duration"),
    "two of a name": ("[[rule]]", RULE + "[[rule]]", "rule[1].name: 'a' names two rules"),
    "never fires": ('"5m"', '"7m"', "rule[0].window: no windows of 7m"),
    "no TOML": ("[[rule]]", "[rule]]", "alerts.toml: is not TOML"),
}


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def complaint(*arguments: str) -> str:
    """The one line that a command prints before it ends with status 2."""
    command = [sys.executable, "-m", "wattline", *arguments]
    end = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (end.returncode, end.stdout) == (2, ""), end.stderr
    (line,) = end.stderr.splitlines()
    assert "hunter2" not in line
    return line


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("old", "new", "message"), list(WRONG_AGENT.values()), ids=list(WRONG_AGENT))
def test_a_wrong_agent_file(tmp_path: Path, command: str, old: str, new: str, message: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(changed(AGENT, old, new).replace("{folder}", str(tmp_path)))
    line = complaint("edge", command, "-c", str(file))
    assert line.startswith(f"wattline: {file}: ")
    assert message in line


@pytest.mark.parametrize("command", ["run", "ingest", "flow"])
@pytest.mark.parametrize(("old", "new", "message"), list(WRONG_CLOUD.values()), ids=list(WRONG_CLOUD))
def test_a_wrong_cloud_file(tmp_path: Path, command: str, old: str, new: str, message: str) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text(changed(CLOUD, old, new).replace("{folder}", str(tmp_path)))
    line = complaint("cloud", command, "-c", str(file))
    assert line.startswith(f"wattline: {file}: ")
    assert message in line


@pytest.mark.parametrize("command", ["run", "flow"])
@pytest.mark.parametrize(("old", "new", "message"), list(WRONG_RULES.values()), ids=list(WRONG_RULES))
def test_a_wrong_file_of_rules(tmp_path: Path, command: str, old: str, new: str, message: str) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text(CLOUD.replace("{folder}", str(tmp_path)))
    (tmp_path / "alerts.toml").write_text(changed(RULE, old, new))
    line = complaint("cloud", command, "-c", str(file))
    assert line.startswith(f"wattline: {tmp_path}/alerts.toml: ")
    assert message in line


@pytest.mark.parametrize(
    "words", ["edge run", "edge check", "edge read", "cloud run", "cloud ingest", "cloud flow", "gateways list"]
)
def test_a_missing_file(tmp_path: Path, words: str) -> None:
    file = tmp_path / "absent.toml"
    assert complaint(*words.split(), "-c", str(file)) == f"wattline: {file}: No such file or directory"


@pytest.mark.parametrize("command", ["run", "flow"])
def test_missing_rules(tmp_path: Path, command: str) -> None:
    file = tmp_path / "cloud.toml"
    file.write_text(CLOUD.replace("{folder}", str(tmp_path)))
    line = complaint("cloud", command, "-c", str(file))
    assert line == f"wattline: {tmp_path}/alerts.toml: No such file or directory"
