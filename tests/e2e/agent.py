"""An agent as its user runs it, and the files it reads."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.chaos.programs import Program

GATEWAY = "gw-1"
SITE = "house"


class Agent(Program):
    """`wattline edge run` in a folder of its own.

    Args:
        folder: Configuration and log go there.
        broker_url: The broker.
        meters: Id to the rest of its table.
        broker: More lines of `[broker]`.
        publish: More lines of `[publish]`.
        gateway: Its id.
        state: Its state folder, when not in `folder`.
    """

    def __init__(
        self,
        folder: Path,
        broker_url: str,
        meters: Mapping[str, str],
        *,
        broker: str = "",
        publish: str = "",
        gateway: str = GATEWAY,
        state: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.state = state or folder / "state"
        self.config = folder / "agent.toml"
        tables = "".join(f'[[meter]]\nid = "{name}"\n{table}\n' for name, table in meters.items())
        self.config.write_text(f"""\
[gateway]
id = "{gateway}"
site = "{SITE}"
state_dir = "{self.state}"
[broker]
url = "{broker_url}"
{broker}
[publish]
flush_interval = "100ms"
resend_after = "1s"
{publish}
[detector]
enabled = false
{tables}""")
        super().__init__(folder / "agent.log", ["edge", "run", "-c", str(self.config)])

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def peak_rss_bytes(self) -> int:
        """The most memory that this life of it ever had."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        (kib,) = re.findall(r"VmHWM:\s+(\d+) kB", text)
        return int(kib) * 1024


def replayed(folder: Path, meter: str, t_ms: Sequence[int], speed: str = '"max"') -> str:
    """Write a file of watts, the n-th value being n, and return the table of a meter that replays it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{meter}.csv"
    file.write_text("t,power_w\n" + "".join(f"{t},{n}\n" for n, t in enumerate(t_ms)))
    return f"""\
sensor = "replay"
[meter.options]
file = "{file}"
speed = {speed}
time_column = "t"
time_format = "epoch_ms"
"""


def replayed_rows(meter: str, t_ms: Sequence[int], site: str = SITE) -> set[tuple[str, str, int, float]]:
    """What the store must hold of such a file."""
    return {(site, meter, t, float(n)) for n, t in enumerate(t_ms)}
