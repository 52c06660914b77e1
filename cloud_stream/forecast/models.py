"""Which model forecasts which level: a configured file, the one that comes with the program, or none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cloud_stream.config_sections import ForecastConfig
from wattline.errors import ConfigError
from wattline.forecasting.naive import SeasonalNaive
from wattline.forecasting.onnx_forecaster import load_forecaster
from wattline.forecasting.port import Forecaster

FACTORY: Final = Path(__file__).parents[1] / "forecasters"
_KINDS: Final = {"meter": "meter", "site": "aggregate", "fleet": "aggregate"}
"""A site adds meters up, and so does the fleet."""
_LABELS: Final = {1_800_000: "30m", 3_600_000: "1h"}


def forecasters_for(config: ForecastConfig, interval_ms: int, factory: Path = FACTORY) -> Mapping[str, Forecaster]:
    """The forecasters by level: `meter`, `site`, `fleet`.

    Args:
        config: May name a file for each level.
        interval_ms: Length of the utility intervals.
        factory: Where the models lie that come with the program; a length that none was made for is forecast by
            `SeasonalNaive`.

    Raises:
        ConfigError: A configured file, or one that comes with the program, is no model for these intervals.
    """
    loaded: dict[Path, Forecaster] = {}
    found: dict[str, Forecaster] = {}
    for level, kind in _KINDS.items():
        named: Path | None = getattr(config, f"{level}_model")
        path = named or factory / f"{kind}-{_LABELS.get(interval_ms, '')}.onnx"
        if named is None and not path.is_file():
            found[level] = SeasonalNaive()
        else:
            found[level] = loaded[path] = loaded.get(path) or _load(path, interval_ms, f"forecast.{level}_model")
    return found


def _load(path: Path, interval_ms: int, where: str) -> Forecaster:
    try:
        forecaster = load_forecaster(path)
    except ConfigError as error:
        raise ConfigError(where, str(error)) from None
    made_for = getattr(forecaster, "interval_ms", interval_ms)
    if made_for != interval_ms:
        raise ConfigError(where, f"{path}: is for intervals of {made_for} ms, not {interval_ms}")
    return forecaster
