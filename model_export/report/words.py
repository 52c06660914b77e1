"""Times as a person reads them."""

from datetime import UTC, datetime
from typing import Final

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


def moment(t_ms: int) -> str:
    """A time to the minute, such as 2016-11-19 23:00."""
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def span(length_ms: int) -> str:
    """A length of time in the unit that suits it."""
    if length_ms >= 3 * _DAY_MS:
        return f"{length_ms / _DAY_MS:.0f} days"
    return f"{length_ms / _HOUR_MS:g} h" if length_ms >= _HOUR_MS else f"{length_ms / 60_000:g} min"
