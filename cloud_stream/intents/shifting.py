"""When a load that is moved out of the dear hours may be on: the cheapest hours that give it what it must get."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cloud_stream.records import Floats, Int64s


@dataclass(frozen=True, slots=True)
class Slots:
    """The time until a load's deadline, in equal pieces.

    Attributes:
        start_ms: int64[K], ascending; the first may have begun.
        ends_ms: int64[K].
        price: float64[K]: of a kWh; all equal where there is no tariff.
        is_peak: bool[K]: to be left where possible.
        is_full: bool[K]: there the load would break a power limit of the site.
        site_kwh: float64[K]: forecast of the site without regard to the load; NaN is unknown.
    """

    start_ms: Int64s
    ends_ms: Int64s
    price: Floats
    is_peak: npt.NDArray[np.bool_]
    is_full: npt.NDArray[np.bool_]
    site_kwh: Floats


@dataclass(frozen=True, slots=True)
class Plan:
    """When to be on.

    Attributes:
        chosen: bool[K]: the slots that give what is needed. missing_ms: what does not fit before the deadline.
        in_peak_ms: how much of it lies in the peak.
    """

    chosen: npt.NDArray[np.bool_]
    missing_ms: int
    in_peak_ms: int


def plan(slots: Slots, need_ms: int) -> Plan:
    """Choose slots: with room and outside the peak first, then by price, by the site's use, and the earliest."""
    chosen = np.zeros(len(slots.start_ms), np.bool_)
    left_ms, in_peak_ms = need_ms, 0
    site_kwh = np.nan_to_num(slots.site_kwh, nan=0.0)
    for slot in np.lexsort((slots.start_ms, site_kwh, slots.price, slots.is_peak, slots.is_full)).tolist():
        if left_ms <= 0:
            break
        length_ms = int(slots.ends_ms[slot] - slots.start_ms[slot])
        chosen[slot] = True
        left_ms -= length_ms
        in_peak_ms += length_ms if slots.is_peak[slot] else 0
    return Plan(chosen, max(0, left_ms), in_peak_ms)


def slot_starts(now_ms: int, deadline_ms: int, slot_ms: int) -> tuple[Int64s, Int64s]:
    """Starts and ends of the slots of a grid from now to a deadline; the first and the last may be cut."""
    grid = np.arange(now_ms // slot_ms * slot_ms, deadline_ms, slot_ms, dtype=np.int64)
    return np.maximum(grid, now_ms), np.minimum(grid + slot_ms, deadline_ms)
