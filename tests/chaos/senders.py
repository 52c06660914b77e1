"""Who sends: fleets of simulated gateways, and real agents that replay files."""

import json
import random
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tests.chaos.programs import Program
from tests.chaos.truth import sent_by_fleet
from tests.cloud_stream.windows.plain import Value

HOUR_MS = 3_600_000
_DRAIN = "180s"


class Sender(Protocol):
    """Somebody who knows what he has sent."""

    def sent(self) -> Iterator[Value]:
        """Every value, once he has ended."""


class FleetProgram(Program):
    """`wattline simulate fleet` in a folder of its own.

    Args:
        options: Of the command line.
    """

    def __init__(self, folder: Path, broker_url: str, options: Mapping[str, str | int]) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        arguments = ["simulate", "fleet", "--broker", broker_url, "--drain-timeout", _DRAIN, "--resend-after", "3s"]
        for name, value in options.items():
            arguments += [f"--{name}", str(value)]
        files = ["--report", str(folder / "report.json"), "--readings-file", str(folder / "readings.csv")]
        super().__init__(folder / "log", [*arguments, *files])

    def sent(self) -> Iterator[Value]:
        """Every value that it has sent, once it has ended."""
        return sent_by_fleet(self._folder / "readings.csv")

    def totals(self) -> dict[str, Any]:
        """The counts of its report."""
        totals: dict[str, Any] = json.loads((self._folder / "report.json").read_bytes())["totals"]
        return totals


class Table(NamedTuple):
    """The readings of one replayed meter.

    Attributes:
        columns: Quantity to its values, as long as `t_ms`.
        interval_ms: Of amounts; 0 without.
    """

    meter: str
    kind: str
    t_ms: Sequence[int]
    columns: Mapping[str, Sequence[float]]
    interval_ms: int = 0

    def values(self, site: str) -> Iterator[Value]:
        """Every value in it."""
        for quantity, column in self.columns.items():
            for t_ms, value in zip(self.t_ms, column, strict=True):
                yield Value(site, self.meter, quantity, t_ms, value, self.interval_ms)


class AgentProgram(Program):
    """`wattline edge run` of one gateway that replays tables.

    Args:
        speed: How many times faster than real.
    """

    def __init__(self, folder: Path, broker_url: str, gateway: str, tables: Sequence[Table], speed: float) -> None:
        folder.mkdir(parents=True)
        self.site = f"house-{gateway}"
        self._tables = tables
        self._state = folder / "state"
        self._old_state = folder / "state-copied"
        self._connections = 0
        self._config = folder / "agent.toml"
        self._config.write_text(f"""\
[gateway]
id = "{gateway}"
site = "{self.site}"
state_dir = "{self._state}"
[broker]
url = "{broker_url}"
[publish]
flush_interval = "500ms"
resend_after = "2s"
{"".join(_meter_lines(folder, table, speed) for table in tables)}""")
        super().__init__(folder / "log", ["edge", "run", "-c", str(self._config)])

    def start(self, *more: str) -> None:
        """See `Program`."""
        self._connections = self._count_connections()
        super().start(*more)

    def hurry(self) -> None:
        """From the next start on, replay as fast as possible."""
        self._config.write_text(re.sub(r"^speed = .*$", 'speed = "max"', self._config.read_text(), flags=re.MULTILINE))

    @property
    def is_connected(self) -> bool:
        """Whether this life of it has reached the broker yet."""
        return self._count_connections() > self._connections

    def _count_connections(self) -> int:
        return self.log_text().count(" connected url=")

    def sent(self) -> Iterator[Value]:
        """Every value in its files."""
        for table in self._tables:
            yield from table.values(self.site)

    def copy_state(self) -> None:
        """Put a copy of the state aside, as somebody copies an SD card; the agent must not run."""
        shutil.copytree(self._state, self._old_state)

    def restore_state(self) -> None:
        """Go back to the copy; the agent must not run."""
        shutil.rmtree(self._state)
        shutil.copytree(self._old_state, self._state)


def _meter_lines(folder: Path, table: Table, speed: float) -> str:
    file = folder / f"{table.meter}.csv"
    rows = zip(table.t_ms, *table.columns.values(), strict=True)
    lines = [",".join(["t_ms", *table.columns]), *(",".join(map(repr, row)) for row in rows)]
    file.write_text("\n".join(lines) + "\n")
    columns = ", ".join(f'{name} = "{name}"' for name in table.columns)
    interval = f'interval = "{table.interval_ms // 1000}s"' if table.interval_ms else ""
    return f"""\
[[meter]]
id = "{table.meter}"
kind = "{table.kind}"
sensor = "replay"
[meter.options]
file = "{file}"
time_column = "t_ms"
time_format = "epoch_ms"
columns = {{ {columns} }}
speed = {speed}
{interval}
"""


def electricity(meter: str, times: range, seed: int) -> Table:
    """A meter with a power and a register, which is swapped for a new one half-way."""
    draw = random.Random(f"{seed} {meter}")
    power = [round(draw.uniform(80, 3000), 1) for _ in times]
    register, total = [], 4321.0
    for place, watts in enumerate(power):
        total += watts * times.step / HOUR_MS / 1000
        if place == len(power) // 2:
            total = 0.0
        register.append(round(total, 3))
    return Table(meter, "electricity", times, {"power_w": power, "energy_import_kwh": register})


def gas(meter: str, times: range, seed: int) -> Table:
    """A register that rolls over."""
    draw = random.Random(f"{seed} {meter}")
    total, register = 9_999.0, []
    for _ in times:
        total = (total + draw.uniform(0, 0.1)) % 10_000
        register.append(round(total, 3))
    return Table(meter, "gas", times, {"gas_m3": register})


def half_hours(meter: str, times: range, seed: int) -> Table:
    """Amounts of half an hour."""
    draw = random.Random(f"{seed} {meter}")
    return Table(meter, "electricity", times, {"energy_kwh": [round(draw.uniform(0, 2), 3) for _ in times]}, times.step)


def room(meter: str, times: range, seed: int) -> Table:
    """What a room's sensor says."""
    draw = random.Random(f"{seed} {meter}")
    columns = {
        "temperature_c": [round(draw.gauss(20, 1), 2) for _ in times],
        "humidity_pct": [round(draw.uniform(30, 60), 1) for _ in times],
    }
    return Table(meter, "building", times, columns)
