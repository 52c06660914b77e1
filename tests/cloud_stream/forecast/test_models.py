"""Which model forecasts which level, and what a wrong file says."""

from pathlib import Path

import msgspec
import pytest

from cloud_stream.config_sections import ForecastConfig
from cloud_stream.forecast.models import FACTORY, forecasters_for
from wattline.errors import ConfigError
from wattline.forecasting.naive import SeasonalNaive

HALF_HOUR_MS = 1_800_000


def test_without_a_model_of_that_length_all_is_seasonal_naive(tmp_path: Path) -> None:
    found = forecasters_for(ForecastConfig(), HALF_HOUR_MS, factory=tmp_path)
    assert set(found) == {"meter", "site", "fleet"}
    assert all(isinstance(one, SeasonalNaive) for one in found.values())


def test_odd_lengths_have_no_model_that_comes_with_the_program() -> None:
    found = forecasters_for(ForecastConfig(), 900_000)
    assert all(isinstance(one, SeasonalNaive) for one in found.values())


@pytest.mark.parametrize("level", ["meter", "site", "fleet"])
def test_a_wrong_file_is_named_with_its_place_in_the_configuration(tmp_path: Path, level: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    config = msgspec.structs.replace(ForecastConfig(), **{f"{level}_model": path})
    with pytest.raises(ConfigError, match=rf"^forecast\.{level}_model: .*model\.onnx: "):
        forecasters_for(config, HALF_HOUR_MS, factory=tmp_path)


def test_a_missing_file_is_an_error_and_not_the_model_that_comes_with_the_program(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^forecast\.meter_model: .*absent\.onnx"):
        forecasters_for(ForecastConfig(meter_model=tmp_path / "absent.onnx"), HALF_HOUR_MS)


@pytest.mark.parametrize(("interval_ms", "label"), [(HALF_HOUR_MS, "30m"), (2 * HALF_HOUR_MS, "1h")])
@pytest.mark.parametrize(("level", "kind"), [("meter", "meter"), ("site", "aggregate"), ("fleet", "aggregate")])
def test_a_level_is_forecast_by_the_model_of_its_kind_that_comes_with_the_program(
    interval_ms: int, label: str, level: str, kind: str
) -> None:
    comes_with_the_program = (FACTORY / f"{kind}-{label}.onnx").is_file()
    name = forecasters_for(ForecastConfig(), interval_ms)[level].name
    assert name.startswith(kind if comes_with_the_program else "seasonal-naive")
