"""The value that every sensor yields and every stage of the edge passes on."""

from collections.abc import Mapping

import msgspec


class Reading(msgspec.Struct, frozen=True):
    """One meter at one instant.

    Attributes:
        meter: The meter's id, unique on its site.
        t_ms: When it was sampled, by the meter's or the gateway's clock, in
            integer milliseconds since 1970 UTC. For amounts the start of
            their interval.
        values: Quantity name to value, in the unit that ends the name.
        interval_ms: The length of the interval of an amount; 0 without one.
    """

    meter: str
    t_ms: int
    values: Mapping[str, float]
    interval_ms: int = 0
