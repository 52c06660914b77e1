"""Notices as the flow would make them."""

from typing import Any, Final

import msgspec

from cloud_stream.records import Notice

NOW_MS: Final = 1_763_733_600_000
"""Fri 21 Nov 2025, 14:00 UTC."""

POWER: Final = Notice(
    key="power-1",
    group="connection limit",
    state="firing",
    severity="critical",
    happened_ms=NOW_MS,
    decided_ms=NOW_MS,
    since_ms=NOW_MS - 600_000,
    level="site",
    site="house-1",
    meter="",
    title="power above 9000 W",
    text="The mean of 5 minutes was 9420 W; the limit is 9000 W.",
    quantity="power_w",
    value=9420.0,
    limit=9000.0,
    window="5m",
)


def power(key: str, **changes: Any) -> Notice:  # noqa: ANN401 (fields of every type)
    """The site's power alert, with another key and whatever else differs."""
    return msgspec.structs.replace(POWER, key=key, **changes)


def silent(number: int, state: str = "firing", **changes: Any) -> Notice:  # noqa: ANN401 (as above)
    """One of many meters that say nothing any more."""
    silence = msgspec.structs.replace(
        POWER, key=f"silent-{number}-{state}", group="meter silent", state=state, severity="warning", level="meter",
        site=f"house-{number % 300}", meter=f"MAC{number:06}", title="silent for 15 minutes",
        text="No reading has come since.", quantity="", value=None, limit=None, window="",
    )  # fmt: skip
    return msgspec.structs.replace(silence, **changes)
