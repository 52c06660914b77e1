"""Which interval of the past is the same local time some days before."""

from typing import Final

import numpy as np

from wattline.forecasting.port import Calendar, Int64s

_DAY_MS: Final = 86_400_000
_DAY_MINUTES: Final = 1440


def lag_columns(calendar: Calendar, columns: Int64s, days: int, interval_ms: int) -> Int64s:
    """Columns of the same local time `days` local days before some columns of a calendar.

    A day with a clock change has 23 or 25 hours: what was at seven in the morning is then at another distance.

    Args:
        calendar: Of M intervals.
        columns: C columns of it.
        days: How many days before.
        interval_ms: Length of the intervals.

    Returns:
        int64[C]; -1 where the calendar does not reach back so far.
    """
    minute = calendar.minute_of_day
    plain = columns - days * (_DAY_MS // interval_ms)
    reached = plain >= 0
    apart = minute[columns] - minute[np.maximum(plain, 0)]
    apart = (apart + _DAY_MINUTES // 2) % _DAY_MINUTES - _DAY_MINUTES // 2
    # A change of less than an interval leaves the nearest interval before.
    shifted = plain + apart * 60_000 // interval_ms
    return np.where(reached & (shifted >= 0), shifted, -1)
