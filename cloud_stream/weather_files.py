"""Where the newest weather of a place is kept: what the fetching job and the flow agree upon."""

from typing import Final

DECIMALS: Final = 2
"""About a kilometre, finer than any weather model's grid: neighbours share a file."""


def place_file_name(latitude: float, longitude: float) -> str:
    """The file of a place in `[weather].dir`, which holds one answer in Open-Meteo's JSON.

    Args:
        latitude: Degrees north, -90 to 90.
        longitude: Degrees east, -180 to 180.
    """
    # Adding zero makes -0.0 a plain zero: both are the same place.
    north, east = (round(degrees, DECIMALS) + 0.0 for degrees in (latitude, longitude))
    return f"{north:.{DECIMALS}f}_{east:.{DECIMALS}f}.json"
