"""One small forecaster of each level for all tests of the folder."""

from pathlib import Path

import pytest

from model_export.forecast.simulated import Size, simulated_table
from model_export.forecast.table import SeriesTable, Span
from model_export.forecast.training import Made, Wish, train_forecaster
from tests.model_export.forecast.tables import HOUR_MS
from wattline.forecasting.onnx_forecaster import LEVELS


@pytest.fixture(scope="session")
def homes() -> SeriesTable:
    return simulated_table(Size(6, 60), HOUR_MS, 5, lambda: None)


@pytest.fixture(scope="session")
def made(homes: SeriesTable) -> dict[str, Made]:
    span = Span(0, homes.length)
    wishes = [Wish(level, 3, {"dataset": "x"}, most_rows=12_000) for level in LEVELS]
    return {wish.level: train_forecaster(homes, span, wish, lambda: None) for wish in wishes}


@pytest.fixture(scope="session")
def files(made: dict[str, Made], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("forecasters")
    for level, one in made.items():
        (folder / f"{level}.onnx").write_bytes(one.model)
    return {level: folder / f"{level}.onnx" for level in made}
