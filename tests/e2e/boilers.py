"""Homes with boilers that the cloud may switch: real agents, each with a simulated meter, tank and relay."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.chaos.waiting import wait_for
from tests.edge_agent.boiler_house import BoilerHouse

ELEMENT_W = 2000


@contextmanager
def boiler_houses(
    folder: Path, broker_url: str, count: int, *, load: str = "", boiler: str = ""
) -> Iterator[list[BoilerHouse]]:
    """Run agents `gw-1`, `gw-2`, .. on the sites `house-1`, `house-2`, ..

    Every boiler is cold and nobody draws: it takes `ELEMENT_W` for hours, unless its relay is open.

    Args:
        folder: Each house gets one of its own in it.
        broker_url: The broker.
        count: How many.
        load: More lines of each `[[load]]`; it allows commands and has no least times.
        boiler: More options of each boiler, such as `tank_l = 300`.

    Yields:
        The houses; `relay` is where each relay is.
    """
    more = f"element_w = {ELEMENT_W}" + (f", {boiler}" if boiler else "")
    with ExitStack() as stack:
        houses = [
            stack.enter_context(
                BoilerHouse(
                    folder / f"house-{number}",
                    broker_url,
                    gateway=f"gw-{number}",
                    site=f"house-{number}",
                    options=f"seed = {number}",
                    load=load,
                    boiler=more,
                )
            )
            for number in range(1, count + 1)
        ]
        for house in houses:
            wait_for(lambda house=house: " connected url=" in house.log_text(), f"{house.gateway} connects")  # type: ignore[misc]
        yield houses
