"""What gateways may send and what may happen meanwhile, by chance.

Everything is chosen by a `random.Random`: Hypothesis gives one whose choices
it can shrink, a loop over seeds is faster and reaches farther.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from tests.cloud_stream.windows.bench import Rig, Saved
from tests.cloud_stream.windows.plain import Value
from wattline.wire import Batch, Frame, MeterInfo, Status

SITES: Final = ("house", "site-31", "site-1")
"""The first two share a shard."""
QUANTITIES: Final = ("power_w", "energy_import_kwh", "temperature_c", "gas_m3", "voltage_v")
REGISTERS: Final = frozenset({"energy_import_kwh", "gas_m3"})
STEPS_MS: Final = (1000, 10_000, 60_000, 299_000, 900_000, 4_000_000)
VERY_LONG_MS: Final = 100_000_000
HOUR_MS: Final = 3_600_000
LAST_MS: Final = 23 * HOUR_MS
"""Nothing is sent from farther ahead than this."""


class Meter(NamedTuple):
    """One meter of a delivery; `interval_ms` is 0 where it sends no amounts."""

    site: str
    name: str
    role: str
    interval_ms: int
    quantities: tuple[str, ...]


class Delivery(NamedTuple):
    """What is sent, and what arrives."""

    meters: list[Meter]
    values: list[Value]
    arriving: list[Batch | Status]

    @property
    def subs(self) -> set[tuple[str, str]]:
        """The meters that do not count towards their site."""
        return {(meter.site, meter.name) for meter in self.meters if meter.role != "main"}


def delivery(rng: random.Random, now_ms: int) -> Delivery:
    """Births, then batches: shuffled and repeated, some under another number or by the other gateway."""
    some = [_meter(rng, number) for number in range(rng.randint(1, 6))]
    values = [value for meter in some for value in _readings(rng, meter, now_ms)]
    sent = list(_batches(rng, some, values))
    again = [rng.choice(sent) for _ in range(rng.randint(0, 6))]
    restored = [
        Batch(v=1, gateway=f"{b.site}-{rng.randint(0, 1)}", site=b.site, log="old", seq=b.seq, frames=b.frames)
        for b in (rng.choice(sent) for _ in range(rng.randint(0, 3)))
    ]
    births = [_birth(site, some) for site in SITES]
    return Delivery(some, values, [*births, *_arriving(rng, [*sent, *again, *restored]), births[0]])


def _arriving(rng: random.Random, sent: list[Batch]) -> list[Batch]:
    """Shuffled, or by time with a few that are late, or site by site."""
    order = rng.choice(["shuffled", "by time", "by time", "by site"])
    if order == "shuffled":
        rng.shuffle(sent)
    elif order == "by time":
        sent.sort(key=lambda batch: min(t_ms for frame in batch.frames for t_ms in frame.t))
        for _ in range(rng.randint(0, 3)):
            sent.append(sent.pop(rng.randint(0, len(sent) - 1)))
    return sent


def _meter(rng: random.Random, number: int) -> Meter:
    site, role = rng.choice(SITES), rng.choice(["main", "main", "sub", "production"])
    if rng.randint(0, 3) == 0:
        return Meter(site, f"m{number}", role, _interval_ms(rng), ("energy_kwh",))
    count = rng.randint(1, len(QUANTITIES))
    return Meter(site, f"m{number}", role, 0, tuple(sorted(rng.sample(QUANTITIES, count))))


def _interval_ms(rng: random.Random) -> int:
    return rng.choice([240_000, 1_800_000]) if rng.randint(0, 12) else VERY_LONG_MS


def _readings(rng: random.Random, meter: Meter, now_ms: int) -> list[Value]:
    """Those of one meter, with gaps, resets, roll-overs, holes and times on borders."""
    values: list[Value] = []
    t_ms = now_ms - rng.choice([2, 12, 12, 100]) * HOUR_MS + rng.randint(0, 600_000)
    register = rng.choice([0.0, 99.5, 12_345.678, 99_999.875])
    for _ in range(rng.randint(1, 25)):
        if meter.interval_ms:
            t_ms += meter.interval_ms * rng.choice([1, 1, 2, 9]) // rng.choice([1, 1, 4])
        else:
            t_ms += rng.choice(STEPS_MS) if rng.randint(0, 40) else VERY_LONG_MS
            t_ms += rng.choice([0, 0, 0, -t_ms % 300_000, -t_ms % 1_800_000 + 1])
        if t_ms > now_ms + LAST_MS:
            if values:
                break
            t_ms = now_ms
        register = rng.choice([register, register + 0.25, register + 7.0, 0.0, 0.375, register + 1e7])
        for name in meter.quantities:
            value = register if name in REGISTERS else rng.choice([0.0, -3.5, 230.0, 512.25])
            if len(meter.quantities) == 1 or not values or rng.randint(0, 4):
                values.append(Value(meter.site, meter.name, name, t_ms, value, meter.interval_ms))
    return values


def _batches(rng: random.Random, of: Sequence[Meter], values: list[Value]) -> Iterator[Batch]:
    """The readings of each site in batches, cut and put together as it comes, by one of two gateways."""
    for site in sorted({meter.site for meter in of}):
        times = sorted({(value.t_ms, value.meter) for value in values if value.site == site})
        if rng.randint(0, 1):
            rng.shuffle(times)
        seq = 0
        while times:
            count = rng.randint(1, 12)
            chosen, times = times[:count], times[count:]
            seq += 1
            frames = [
                _frame(meter, values, [t_ms for t_ms, name in chosen if name == meter.name])
                for meter in of
                if meter.site == site and any(name == meter.name for _, name in chosen)
            ]
            yield Batch(v=1, gateway=f"{site}-{rng.randint(0, 1)}", site=site, log="log", seq=seq, frames=frames)


def _frame(meter: Meter, values: list[Value], times: list[int]) -> Frame:
    known = {(value.quantity, value.t_ms): value.value for value in values if value.meter == meter.name}
    columns = {name: [known.get((name, t_ms)) for t_ms in times] for name in meter.quantities}
    return Frame(meter.name, times, columns, meter.interval_ms)


def _birth(site: str, of: Sequence[Meter]) -> Status:
    mine = [MeterInfo(id=meter.name, kind="electricity", role=meter.role) for meter in of if meter.site == site]
    return Status(v=1, gateway=f"{site}-0", site=site, state="online", session=1, meters=mine)


class Turner:
    """Delivers messages, and lets happen between them what may happen."""

    def __init__(self, rig: Rig, rng: random.Random) -> None:
        self._rig = rig
        self._rng = rng
        self._saved: Saved = rig.snapshot()
        self._since: list[Batch | Status] = []

    def deliver(self, arriving: Sequence[Batch | Status]) -> None:
        """Let all messages arrive, and anything happen after each."""
        happenings = (
            self._nothing,
            self._nothing,
            self._tick,
            self._tick,
            self._idle,
            self._rig.write,
            self._write_some,
            self._store_away,
            self._snapshot,
            self._crash,
        )
        for message in arriving:
            self._rig.send([message])
            self._since.append(message)
            self._rng.choice(happenings)()

    def _nothing(self) -> None:
        pass

    def _tick(self) -> None:
        self._rig.tick()

    def _idle(self) -> None:
        self._rig.tick(self._rng.choice([11.0, 11.0, 15.0, 60.0, 4000.0]))

    def _write_some(self) -> None:
        if self._rig.ways:
            self._rig.write(self._rng.choice(sorted(self._rig.ways)), self._rng.randint(1, 3))

    def _store_away(self) -> None:
        self._rig.store.answers = self._rng.choice([0, 1, 2, 3, 5, None])

    def _snapshot(self) -> None:
        self._saved, self._since = self._rig.snapshot(), []

    def _crash(self) -> None:
        self._rig.crash(self._saved, beyond=self._rng.choice([0, 1, 3, 1000]))
        together = self._rng.randint(0, 1)
        for repeated in [self._since] if together else [[one] for one in self._since]:
            self._rig.send(repeated)
