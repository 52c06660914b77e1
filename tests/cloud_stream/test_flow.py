"""The whole flow as processes: killed, resumed, spread over two, it ends in the windows of what was journaled."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cloud_stream.dead_letters import SqliteDeadLetters
from cloud_stream.journal import Journal, encode_row
from cloud_stream.records import Envelope
from cloud_stream.stores.sqlite import SqliteStore
from cloud_stream.windows.series import MAX_SITE_QUANTITIES
from tests.cloud_stream.waiting import wait_until
from tests.cloud_stream.windows.plain import Key, Value, usage
from wattline.local_servers import LOOPBACK, free_port
from wattline.wire import Batch, Frame, encode

CHECKOUT: Final = Path(__file__).parents[2]
SITES: Final = tuple(f"site-{number}" for number in range(6))
METERS: Final = ("main", "second")
PER_BATCH: Final = 60
STEP_MS: Final = 2000
CONFIG: Final = """
[journal]
dir = "{folder}/journal"
partitions = 2
[flow]
recovery_dir = "{folder}/recovery"
epoch_interval = "200ms"
[store]
kind = "sqlite"
path = "{folder}/store.db"
retention = "30d"
[dead_letters]
path = "{folder}/letters.db"
[metrics]
flow_port = 0
"""


class Cloud:
    """A journal that the test fills, and the flow's processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.values: list[Value] = []
        self.config = folder / "cloud.toml"
        self.config.write_text(CONFIG.format(folder=folder))
        self.journal = Journal(folder / "journal", partitions=2, max_bytes=1 << 30)
        self._logs = [self.journal.open_partition(number) for number in range(2)]
        self._store = SqliteStore(folder / "store.db", 30 * 86_400_000)
        self._store.prepare()
        self._running: list[subprocess.Popen[bytes]] = []
        self._begin_ms = time.time_ns() // 1_000_000 - 2 * 3_600_000

    def journal_message(self, gateway: str, payload: bytes) -> None:
        now_ms = time.time_ns() // 1_000_000
        row = encode_row([Envelope(now_ms, f"wattline/v1/{gateway}/up/readings", "", payload)])
        self._logs[self.journal.partition_of(gateway)].append_many([row], now_ms)

    def send(self, number: int) -> None:
        """Journal the batch of that number of every site."""
        for site in SITES:
            first = number * PER_BATCH
            times = [self._begin_ms + n * STEP_MS for n in range(first, first + PER_BATCH)]
            frames = []
            for meter in METERS:
                power = [float(n % 17 * 100) for n in range(first, first + PER_BATCH)]
                register = [n * n / 1e4 for n in range(first, first + PER_BATCH)]
                self.values += [Value(site, meter, "power_w", t, v) for t, v in zip(times, power, strict=True)]
                self.values += [Value(site, meter, "gas_m3", t, v) for t, v in zip(times, register, strict=True)]
                frames.append(Frame(meter, times, {"power_w": list(power), "gas_m3": list(register)}))
            batch = Batch(v=1, gateway=site, site=site, log="log", seq=number + 1, frames=frames)
            self.journal_message(site, encode(batch))

    def start(self, processes: int = 1) -> None:
        ports: set[int] = set()
        while len(ports) < processes:
            ports.add(free_port())
        addresses = ",".join(f"{LOOPBACK}:{port}" for port in sorted(ports)) if processes > 1 else ""
        for number in range(processes):
            arguments = ["-c", str(self.config), "--process-id", str(number), "--addresses", addresses]
            with (self.folder / f"flow-{number}.log").open("ab") as log:
                command = [sys.executable, "-m", "wattline", "cloud", "flow", *arguments]
                self._running.append(subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log))

    def end(self, number: int) -> list[int]:
        """Send a signal to all processes; their exit statuses."""
        for process in self._running:
            process.send_signal(number)
        statuses = [process.wait(timeout=30) for process in self._running]
        self._running = []
        return statuses

    def stored_rows(self) -> int:
        """How many readings the store has of all meters."""
        found = 0
        for site in SITES:
            for meter in METERS:
                series = self._store.readings(site, meter, 0, 1 << 52)
                found += sum(len(one.t_ms) for one in series.values())
        return found

    def usage(self, window: str) -> dict[Key, dict[str, float]]:
        points = self._store.points("usage", {"window": window}, 0, 1 << 52)
        return {
            (p.tags["level"], p.tags["site"], p.tags["meter"], p.t_ms): {k: float(v) for k, v in p.fields.items()}
            for p in points
        }

    def is_right(self) -> bool:
        """Whether the store has all windows of all that was journaled."""
        return all(
            self.usage(label) == {key: pytest.approx(row) for key, row in usage(self.values, width_ms).items()}
            for label, width_ms in (("5m", 300_000), ("30m", 1_800_000))
        )

    def journaled_rows(self) -> int:
        return sum(len(log) for log in self._logs)

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        for log in self._logs:
            log.close()
        self._store.close()


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = Cloud(tmp_path)
    yield made
    made.close()


def test_a_flow_that_is_killed_resumed_and_spread_over_two_processes(cloud: Cloud) -> None:
    cloud.start()
    for number in (0, 1, 2, 4):
        cloud.send(number)
    wait_until(lambda: cloud.stored_rows() > 0, "the first rows in the store")
    cloud.end(signal.SIGKILL)
    cloud.send(5)
    cloud.send(3)  # late
    cloud.start()
    wait_until(lambda: cloud.stored_rows() == len(cloud.values), "the rows of all batches so far")
    cloud.end(signal.SIGKILL)
    cloud.send(7)
    cloud.start(processes=2)
    cloud.send(6)  # late
    wait_until(cloud.is_right, "right windows by two processes")
    wait_until(lambda: cloud.journaled_rows() == 0, "an empty journal")
    assert cloud.end(signal.SIGTERM) == [0, 0]
    cloud.start()
    cloud.send(8)
    wait_until(cloud.is_right, "right windows by one process again")
    assert cloud.end(signal.SIGTERM) == [0]


def test_what_cannot_be_read_is_kept_apart_and_disturbs_nothing(cloud: Cloud) -> None:
    cloud.journal_message(SITES[0], b"{")
    cloud.send(0)
    cloud.journal_message(SITES[1], b"\xff" * 2_000_000)
    names: dict[str, list[float | None]] = {f"q{number}_w": [1.0] for number in range(MAX_SITE_QUANTITIES + 1)}
    frame = Frame("m", [time.time_ns() // 1_000_000], names)
    cloud.journal_message(SITES[2], encode(Batch(v=1, gateway=SITES[2], site=SITES[2], log="x", seq=1, frames=[frame])))
    cloud.start()
    wait_until(cloud.is_right, "right windows")
    expected = {"bad_json": 1, "too_large": 1, "too_many_series": 1}
    letters = SqliteDeadLetters(cloud.folder / "letters.db", 1 << 30)
    wait_until(lambda: dict(letters.count()) == expected, "three dead letters")
    assert cloud.end(signal.SIGTERM) == [0]
