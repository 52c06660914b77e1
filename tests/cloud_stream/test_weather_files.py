"""Names of the files that hold a place's weather."""

import pytest

from cloud_stream.weather_files import place_file_name


@pytest.mark.parametrize(
    ("latitude", "longitude", "name"),
    [
        (51.5, -0.1, "51.50_-0.10.json"),
        (-33.8688, 151.2093, "-33.87_151.21.json"),
        (0.0, -0.001, "0.00_0.00.json"),
        (51.501, -0.1, "51.50_-0.10.json"),
    ],
)
def test_a_place_has_one_name_that_its_neighbours_share(latitude: float, longitude: float, name: str) -> None:
    assert place_file_name(latitude, longitude) == name
