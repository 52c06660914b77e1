"""Which places' weather is wanted, and for which sites."""

from collections.abc import Mapping

from cloud_stream.sites import Sites
from cloud_stream.weather_files import DECIMALS

Place = tuple[float, float]
"""Degrees north and east, rounded as the files' names are: neighbours share a place."""
UNLISTED: str = ""
"""Stands for every site that the file does not list: such sites are where the defaults are."""


def places_of(sites: Sites) -> Mapping[Place, list[str]]:
    """The distinct places with coordinates, each with its sites, in the order of the file."""
    found: dict[Place, list[str]] = {}
    for site in (*sites.listed, sites.of(UNLISTED)):
        if site.latitude is not None and site.longitude is not None:
            # Adding zero makes -0.0 a plain zero: both are the same place.
            place = (round(site.latitude, DECIMALS) + 0.0, round(site.longitude, DECIMALS) + 0.0)
            found.setdefault(place, []).append(site.id)
    return found


def sites_without_place(sites: Sites) -> list[str]:
    """The sites whose weather comes from `[weather].file`."""
    everyone = (*sites.listed, sites.of(UNLISTED))
    return [site.id for site in everyone if site.latitude is None or site.longitude is None]
