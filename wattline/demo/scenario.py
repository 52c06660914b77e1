"""What the demo is made of: three gateways, their meters, and the cloud, as configuration files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HOMES: Final = ("MAC000002", "MAC000005", "MAC000008", "MAC000012", "MAC000015", "MAC000018")
SIMULATED_METERS: Final = ("sim-1", "sim-2")
DETECTOR_INTERVAL: Final = "15m"
"""One minute of a home says little: there is always a kettle. A quarter of an hour is short enough to act upon."""
_HALF_HOUR_MS: Final = 1_800_000
_SLACK_MS: Final = 120_000
_DEMO_FAULTS: Final = (
    {"kind": "spike", "per_day": 0.15, "strength": 30.0},  # 60 kW for a minute and a half
    {"kind": "stuck", "per_day": 0.15, "duration": "6h"},
    {"kind": "night_load", "per_day": 0.15, "strength": 2.0, "duration": "4h"},  # 2 kW
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """The files of a demo.

    Attributes:
        agents: Gateway id to its configuration file.
        newest_ms: Meter with a past to how old its newest reading is, at most, once it has caught up.
        fault_log: Labels of the faults that the simulated meters inject.
        p1_port: Where the P1 meter's pseudo-terminal is linked.
    """

    folder: Path
    agents: Mapping[str, Path]
    newest_ms: Mapping[str, int]
    cloud: Path
    store: Path
    dead_letters: Path
    fault_log: Path
    p1_port: Path


def write_scenario(folder: Path, broker_url: str, homes: Sequence[Path], history: str) -> Scenario:
    """Write every configuration file of the demo.

    Args:
        folder: An empty folder; all state goes below it.
        broker_url: Where the broker will be.
        homes: Files of half-hourly consumption to replay.
        history: How much of the past waits in the outboxes when the broker comes back, such as "14d".
    """
    fault_log, p1_port = folder / "faults.jsonl", folder / "p1-port"
    meters = {
        "gw-p1": [_p1_meter(p1_port)],
        "gw-homes": [_home(path, history) for path in homes],
        "gw-simulated": _simulated(fault_log, history),
    }
    agents = {}
    for gateway, of_gateway in meters.items():
        agents[gateway] = folder / f"{gateway}.toml"
        agents[gateway].write_text(_agent_toml(folder, gateway, broker_url, of_gateway), "utf-8")
    (folder / "alerts.toml").write_text(_ALERTS, "utf-8")
    cloud = folder / "cloud.toml"
    cloud.write_text(_cloud_toml(folder, broker_url), "utf-8")
    store, letters = folder / "wattline.db", folder / "dead-letters.db"
    newest_ms = dict.fromkeys(SIMULATED_METERS, _SLACK_MS)
    newest_ms |= {_meter_of(path): 2 * _HALF_HOUR_MS + _SLACK_MS for path in homes}
    return Scenario(folder, agents, newest_ms, cloud, store, letters, fault_log, p1_port)


def find_homes(corpus: Path) -> list[Path]:
    """The London homes of the corpus that the demo replays; empty where there is none."""
    folder = corpus / "forecast" / "london_lcl" / "homes"
    return [file for name in HOMES[:3] if (file := folder / f"{name}.csv.gz").is_file()]


def _p1_meter(port: Path) -> dict[str, Any]:
    options = {"port": str(port), "profile": "v5", "gas_meter": "p1-gas"}
    return {"id": "p1-electricity", "kind": "electricity", "sensor": "dsmr", "options": options}


def _home(file: Path, history: str) -> dict[str, Any]:
    options = {"file": str(file), "shift_to_now": True, "history": history}
    return {"id": _meter_of(file), "kind": "electricity", "sensor": "replay", "options": options}


def _meter_of(file: Path) -> str:
    return file.name.partition(".")[0]


def _simulated(fault_log: Path, history: str) -> list[dict[str, Any]]:
    common = {"history": history, "history_interval": "1m", "fault_log": str(fault_log), "faults": list(_DEMO_FAULTS)}
    return [
        {"id": meter, "kind": "electricity", "sensor": "simulated", "options": {"seed": seed, **common}}
        for seed, meter in enumerate(SIMULATED_METERS, 11)
    ]


def _agent_toml(folder: Path, gateway: str, broker_url: str, meters: Sequence[Mapping[str, Any]]) -> str:
    head = f"""[gateway]
id = "{gateway}"
site = "site-{gateway.removeprefix("gw-")}"
state_dir = {_value(str(folder / gateway))}
[broker]
url = "{broker_url}"
[publish]
flush_interval = "1s"
status_interval = "2s"
[detector]
interval = "{DETECTOR_INTERVAL}"
"""
    return head + "".join(f"[[meter]]\n{_lines(meter)}" for meter in meters)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {_value(value)}\n" for key, value in table.items())


def _value(value: Any) -> str:  # noqa: ANN401 (whatever TOML can hold)
    """A value as TOML; JSON's text, numbers and booleans are TOML's too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _cloud_toml(folder: Path, broker_url: str) -> str:
    return f"""[broker]
url = "{broker_url}"
[registry]
path = {_value(str(folder / "registry.db"))}
[journal]
dir = {_value(str(folder / "journal"))}
[flow]
recovery_dir = {_value(str(folder / "recovery"))}
[store]
kind = "sqlite"
path = {_value(str(folder / "wattline.db"))}
spool_dir = {_value(str(folder / "spool"))}
[dead_letters]
path = {_value(str(folder / "dead-letters.db"))}
[alerts]
rules = {_value(str(folder / "alerts.toml"))}
"""


_ALERTS: Final = """[[rule]]
name = "high-power"
quantity = "power_w"
statistic = "mean"
window = "30m"
level = "meter"
above = 2500.0
clear = 2000.0
severity = "warning"

[[rule]]
name = "evening-peak"
quantity = "energy_kwh"
statistic = "last"
window = "30m"
level = "fleet"
above = 2.5
severity = "info"
"""
