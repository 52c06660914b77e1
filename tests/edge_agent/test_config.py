"""agent.toml: what it may say, and that every mistake is one line that points into the file."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.bootstrap import Plan, load_plan, make_birth
from edge_agent.config import load_config
from wattline.errors import ConfigError
from wattline.rule_settings import NO_LIMITS

SOUND = """\
[gateway]
id = "gw-0001"
site = "house-1"
state_dir = "state"
[broker]
url = "mqtt://127.0.0.1:1883"
[publish]
flush_interval = "5s"
[detector]
interval = "1m"
[[meter]]
id = "m1"
sensor = "pattern"
[meter.options]
quantities = 3
"""
P1 = '[[meter]]\nid = "p1"\nsensor = "dsmr"\noptions = {{port = "/dev/x", gas_meter = "{}"}}\n'
RULES = "[detector.rules]\n"
OWN = '[[detector.rules.meter]]\nid = "{}"\nzero_after = "{}"\n'
METER = '[[meter]]\nid = "{}"\nsensor = "pattern"\n'


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], Plan]:
    def load(text: str) -> Plan:
        file = tmp_path / "agent.toml"
        file.write_text(text)
        return load_plan(file)

    return load


def test_the_smallest_file_has_the_defaults_of_the_design(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(SOUND)
    config = load_config(file)
    assert (config.publish.flush_interval, config.publish.outbox_max_bytes) == (5_000, 512 << 20)
    assert (config.publish.ack, config.publish.outbox_max_age.seconds) == ("cloud", 14 * 86_400)
    assert (config.broker.host, config.broker.port, config.broker.tls) == ("127.0.0.1", 1883, False)
    assert config.detector.interval == 60_000
    assert (config.detector.rules.enabled, config.detector.rules.silent_after) == (True, 900_000)


def test_a_meter_can_have_rules_of_its_own(load: Callable[[str], Plan]) -> None:
    own = OWN.format("m1", "14d") + 'silent_after = "2d"\njump = 50\n'
    rules = load(SOUND.replace("[[meter]]", RULES + 'stuck_after = "6h"\n' + own + "[[meter]]")).config.detector.rules
    mine, usual = rules.limits_of("m1", "power_w"), rules.limits_of("m2", "power_w")
    assert (mine.stuck_ms, mine.zero_ms, mine.jump) == (6 * 3_600_000, 14 * 86_400_000, 50.0)
    assert (usual.stuck_ms, usual.zero_ms, usual.jump) == (6 * 3_600_000, 3 * 3_600_000, 10.0)
    assert (rules.silent_after_ms("m1"), rules.silent_after_ms("m2")) == (2 * 86_400_000, 900_000)


def test_rules_can_be_switched_off_for_a_meter(load: Callable[[str], Plan]) -> None:
    own = OWN.format("m1", "14d") + "enabled = false\n"
    rules = load(SOUND.replace("[[meter]]", own + "[[meter]]")).config.detector.rules
    assert rules.limits_of("m1", "power_w") == NO_LIMITS
    assert rules.silent_after_ms("m1") == math.inf


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [("mqtt://broker", "broker", 1883), ("mqtts://broker", "broker", 8883), ("mqtts://[::1]:99", "::1", 99)],
)
def test_an_url_without_a_port_has_the_one_of_its_scheme(tmp_path: Path, url: str, host: str, port: int) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(SOUND.replace("mqtt://127.0.0.1:1883", url))
    broker = load_config(file).broker
    assert (broker.host, broker.port) == (host, port)


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        ('id = "gw-0001"', 'id = "Gateway 1"', "gateway.id", "expected 1 to 64"),
        ('id = "gw-0001"', 'id = "all"', "gateway.id", "not 'all'"),
        ('site = "house-1"', 'site = " "', "gateway.site", "printable"),
        ('site = "house-1"\n', "", "gateway", "'site' is missing"),
        ("state_dir", "statedir", "gateway", "unknown key 'statedir'"),
        ("mqtt://", "http://", "broker.url", "expected mqtt:// or mqtts://"),
        ("mqtt://", "", "broker.url", "expected mqtt:// or mqtts://"),
        ("127.0.0.1:1883", "127.0.0.1:port", "broker.url", "has a bad host or port"),
        ("127.0.0.1:1883", "[::1", "broker.url", "has a bad host or port"),
        ("127.0.0.1:1883", "127.0.0.1:1#2", "broker.url", "expected mqtt://host:port"),
        ("127.0.0.1", "user:secret@127.0.0.1", "broker.url", "must hold no user name or password"),
        ("[publish]", 'password_file = "absent"\n[publish]', "broker.password_file", "no such file"),
        ("[publish]", 'ca_file = "agent.toml"\n[publish]', "broker.ca_file", "no such file"),
        ("[publish]", 'keepalive = "1s"\n[publish]', "broker.keepalive", "expected 5s to 1h"),
        ("[publish]", 'protocol = "4"\n[publish]', "broker.protocol", "invalid enum value '4'"),
        ('"5s"', '"5 parsecs"', "publish.flush_interval", 'a duration such as "5s"'),
        ('"5s"', "5", "publish.flush_interval", 'such as "5s"'),
        ('"5s"', '"0s"', "publish.flush_interval", "longer than 0"),
        ("[publish]", '[publish]\noutbox_max_bytes = "1KiB"', "publish.outbox_max_bytes", "at least 1MiB"),
        ("[publish]", "[publish]\nmax_inflight = 0", "publish.max_inflight", "at least 1"),
        ("[publish]", '[publish]\nack = "maybe"', "publish.ack", "invalid enum value 'maybe'"),
        ('"1m"', '"10ms"', "detector.interval", "at least 1s"),
        ("[detector]", "[detector]\nutc_offset = 900", "detector.utc_offset", "from -840 to 840"),
        ("[detector]", '[detector]\nmodel = "absent.onnx"', "detector.model", "no such file"),
        ("[[meter]]", RULES + 'stuck_after = "3 moons"\n[[meter]]', "detector.rules.stuck_after", 'such as "5s"'),
        ("[[meter]]", RULES + 'gap_after = "0s"\n[[meter]]', "detector.rules.gap_after", "longer than 0"),
        ("[[meter]]", RULES + "jump = 0.5\n[[meter]]", "detector.rules.jump", "> 1.0"),
        ("[[meter]]", RULES + "multiple = 0\n[[meter]]", "detector.rules.multiple", ">= 1.0"),
        ("[[meter]]", RULES + "patience = 3\n[[meter]]", "detector.rules", "unknown key 'patience'"),
        ("[[meter]]", OWN.format("m9", "1h") + "[[meter]]", "detector.rules.meter[0].id", "no meter is called 'm9'"),
        ('"1m"', '"1m"\ntemperature_meter = "m9"', "detector.temperature_meter", "no meter is called 'm9'"),
        ("[[meter]]", OWN.format("m1", "0s") + "[[meter]]", "detector.rules.meter[0].zero_after", "longer than 0"),
        (
            "[[meter]]",
            OWN.format("m1", "1h") * 2 + "[[meter]]",
            "detector.rules.meter[1].id",
            "'m1' is taken by an earlier table",
        ),
        ("[[meter]]", METER.format("m1") + "[[meter]]", "meter[1].id", "'m1' is taken by an earlier meter"),
        ("[[meter]]", P1.format("m1") + "[[meter]]", "meter[0].options.gas_meter", "'m1' is taken by another meter"),
        ("[[meter]]", P1.format("p1") + "[[meter]]", "meter[0].options.gas_meter", "'p1' is taken by another meter"),
        ("[[meter]]", P1.format(" ") + "[[meter]]", "meter[0].options.gas_meter", "printable"),
        ("[[meter]]", P1.format("g" * 200) + "[[meter]]", "meter[0].options.gas_meter", "printable"),
        (
            "[[meter]]",
            P1.format("gas") + P1.format("gas").replace('"p1"', '"p2"') + "[[meter]]",
            "meter[1].options.gas_meter",
            "'gas' is taken by another meter",
        ),
        ("[[meter]]", '[[meter]]\nkind = ""', "meter[0].kind", "printable"),
        ("[[meter]]", f'[[meter]]\nkind = "{"k" * 200}"', "meter[0].kind", "printable"),
        ("[[meter]]", f'[[meter]]\nunit = "{"u" * 200}"', "meter[0].unit", "printable"),
        ('"pattern"', '"crystal-ball"', "meter[0].sensor", "unknown sensor 'crystal-ball'; there are dsmr, pattern"),
        ("quantities = 3", "quantity = 3", "meter[0].options", "unknown key 'quantity'"),
        ("quantities = 3", 'quantities = "3"', "meter[0].options.quantities", "expected `int`"),
        ("quantities = 3", 'interval = "0s"', "meter[0].options", "interval must be longer than 0"),
        ('"m1"', '"m1\\u0007"', "meter[0].id", "printable"),
        ("[[meter]]", "[meter]", "meter", "expected `array`"),
        ("[gateway]", "[gateway", "", "is not TOML"),
    ],
)
def test_a_wrong_file_is_one_line_with_the_place(
    load: Callable[[str], object], old: str, new: str, where: str, problem: str
) -> None:
    assert old in SOUND
    with pytest.raises(ConfigError) as caught:
        load(SOUND.replace(old, new, 1))
    line = str(caught.value)
    assert problem in line
    assert "\n" not in line
    assert caught.value.where.endswith(f"agent.toml: {where}" if where else "agent.toml")


@pytest.mark.parametrize("password", ["secret", "secret/1", "secret#1", "1/secret", "1#secret", "[secret", "secret?"])
def test_a_password_in_the_url_is_not_repeated(load: Callable[[str], object], password: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(SOUND.replace("127.0.0.1", f"user:{password}@127.0.0.1"))
    assert "secret" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file"):
        load_plan(tmp_path / "absent.toml")


def test_no_meters_are_a_mistake(load: Callable[[str], object]) -> None:
    with pytest.raises(ConfigError, match=r"meter: expected at least one"):
        load("meter = []\n" + SOUND.partition("[[meter]]")[0])


def test_certificates_on_an_open_connection_are_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    file = tmp_path / "agent.toml"
    file.write_text(SOUND.replace("[publish]", f'ca_file = "{tmp_path}/ca.pem"\n[publish]'))
    with pytest.raises(ConfigError, match="in the clear"):
        load_config(file)


def test_a_meter_behind_another_ones_sensor_is_announced(load: Callable[[str], Plan]) -> None:
    birth = make_birth(load(SOUND.replace("[[meter]]", P1.format("gas") + "[[meter]]")), "model-1")
    assert [(meter.id, meter.kind, meter.unit, meter.role) for meter in birth().meters] == [
        ("p1", "electricity", "", "main"),
        ("m1", "electricity", "", "main"),
        ("gas", "gas", "m3", "main"),
    ]


def test_a_replay_keeps_its_place_in_the_state_folder(load: Callable[[str], object]) -> None:
    plan = load(SOUND.replace("pattern", "replay").replace("quantities = 3", 'file = "a.csv"').replace("m1", "a/b"))
    assert plan.options[0].state_file == Path("state/sensors/a%2Fb.json")  # type: ignore[attr-defined]
