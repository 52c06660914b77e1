"""`cloud.toml`: what may be in it, and what is said about what may not."""

from pathlib import Path

import pytest

from cloud_stream.config import CloudConfig, load_config
from wattline.broker_url import BrokerUrl
from wattline.errors import ConfigError

EXAMPLE = """
[broker]
url = "mqtt://127.0.0.1:1883"
[registry]
policy = "open"
[journal]
dir = "var/journal"
partitions = 4
max_bytes = "20GiB"
[flow]
processes = 1
utility_interval = "30m"
recovery_dir = "var/recovery"
window = "5m"
[store]
kind = "influxdb"
url = "http://127.0.0.1:8086"
api = "v2"
bucket = "wattline"
org = "wattline"
retention = "400d"
[console]
bind = "127.0.0.1:8080"
[archive]
dir = "var/archive"
[alerts]
rules = "alerts.toml"
[notify]
urls = ["mailto://somebody@example.org"]
"""


def _load(tmp_path: Path, text: str) -> CloudConfig:
    file = tmp_path / "cloud.toml"
    file.write_text(text)
    return load_config(file)


def test_an_empty_file_is_a_cloud_on_one_machine(tmp_path: Path) -> None:
    config = _load(tmp_path, "")
    assert config == CloudConfig()
    assert (config.store.kind, config.broker.address) == ("sqlite", BrokerUrl("127.0.0.1", 1883, tls=False))
    assert config.metrics.bind == "127.0.0.1"
    assert config.unused_sections == []


def test_every_section_is_understood(tmp_path: Path) -> None:
    config = _load(tmp_path, EXAMPLE)
    assert (config.flow.window, config.flow.utility_interval) == (300_000, 1_800_000)
    assert config.journal.max_bytes == 20 << 30
    assert config.alerts.rules == Path("alerts.toml")
    assert config.unused_sections == ["console"]


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("[brokr]", "cloud.toml", "unknown key 'brokr'"),
        ("[broker]\nurll = 1", "broker", "unknown key 'urll'"),
        ("[broker]\nurl = 5", "broker.url", "expected `str`"),
        ('[broker]\nurl = "http://x"', "broker.url", "expected"),
        ('[broker]\nurl = "mqtt://"', "broker.url", "mqtt://host:port"),
        ('[broker]\nurl = "mqtt://h:99999"', "broker.url", "bad host or port"),
        ('[broker]\nurl = "mqtt://u:half/a-secret@h"', "broker.url", "bad host or port"),
        ('[broker]\nurl = "mqtt://u:half\u2100a-secret@h"', "broker.url", "bad host or port"),
        ('[broker]\nurl = "mqtt://u:p@h"', "broker.url", "password_file"),
        ('[broker]\nprotocol = "4"', "broker.protocol", "invalid enum value"),
        ('[broker]\nclient_id = "a/b"', "broker.client_id", "matching regex"),
        ('[broker]\nca_file = "/dev/null"', "broker.ca_file", "mqtts"),
        ('[broker]\nurl = "mqtts://h"\nca_file = "missing.pem"', "broker.ca_file", "missing.pem is not a file"),
        ('[broker]\nusername = "u"\npassword_file = "missing"', "broker.password_file", "missing is not a file"),
        ('[broker]\npassword_file = "/dev/null"', "broker.password_file", "needs a username"),
        ('[commands]\nusername = "u"\npassword_file = "missing"', "commands.password_file", "missing is not a file"),
        ('[commands]\npassword_file = "/dev/null"', "commands.password_file", "needs a username"),
        ('[registry]\npolicy = "closed"', "registry.policy", "invalid enum value"),
        ("[journal]\npartitions = 0", "journal.partitions", ">= 1"),
        ('[journal]\nmax_bytes = "8MiB"', "journal.max_bytes", "8 MiB for each partition"),
        ('[journal]\nmax_bytes = "8 bananas"', "journal.max_bytes", "expected a size"),
        ('[journal]\nlinger = "1s"', "journal.linger", "20ms"),
        ('[flow]\nwindow = "7m"', "flow.window", "divide a day"),
        ('[flow]\nutility_interval = "500ms"', "flow.utility_interval", "at least 1s"),
        ('[flow]\nwindow = "4m"\nutility_interval = "6m"', "flow.utility_interval", "multiple of the shorter"),
        ('[forecast]\n[flow]\nwindow = "10s"\nutility_interval = "1m"', "flow.utility_interval", 'below "5m"'),
        ('[flow]\nepoch_interval = "0s"', "flow.epoch_interval", "above zero"),
        ('[flow]\nstalled_after = "5s"', "flow.stalled_after", "10 epochs"),
        ('[flow]\nstate_max_bytes = "1kB"', "flow.state_max_bytes", "1 MiB"),
        ('[archive]\nspool_max_bytes = "32MiB"', "archive.spool_max_bytes", "64 MiB"),
        ('[store]\nkind = "influxdb"\nurl = "influx:8086"', "store.url", "http"),
        ('[store]\nkind = "influxdb"\nurl = "http://h:port"', "store.url", "ort"),
        ('[store]\nkind = "influxdb"\nurl = "http://u:p@h"', "store.url", "password_file"),
        ('[store]\npath = "a\\u0000b"', "store.path", "expected text"),
        ('[store]\nkind = "influxdb"\nurl = "http://[h"', "store.url", "bad host or port"),
        ('[store]\nkind = "influxdb"\nurl = "http://u:half/a-secret@h"', "store.url", "bad host or port"),
        ('[store]\nkind = "influxdb"\nurl = "http://u:a-secret@h"', "store.url", "password_file"),
        ('[store]\nkind = "influxdb"\nurl = "http://h?p=a-secret"', "store.url", "after the path"),
        ('[store]\nkind = "influxdb"\ntoken_file = "missing"', "store.token_file", "missing is not a file"),
        ('[weather]\nrefresh = "0s"', "weather.refresh", 'below "1s"'),
        ('[archive]\nflush_interval = "0s"', "archive.flush_interval", 'below "1s"'),
        ('[notify]\ntimeout = "0s"', "notify.timeout", 'below "1s"'),
        ('[alerts]\nmax_age = "0s"', "alerts.max_age", 'below "1s"'),
        ('[store]\nretention = "1h"', "store.retention", "1d"),
        ("[metrics]\nflow_port = 65535\n[flow]\nprocesses = 2", "metrics.flow_port", "every process"),
        ("not toml", "cloud.toml", "is not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        _load(tmp_path, text)
    assert where in raised.value.where
    assert problem in raised.value.problem
    assert "half" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_half_a_client_certificate_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.touch()
    with pytest.raises(ConfigError, match="key_file: goes with cert_file"):
        _load(tmp_path, f'[broker]\nurl = "mqtts://h"\ncert_file = "{file}"')
