"""Tables of days to learn from."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from model_export.batch.reading import Floats
from model_export.batch.rules import PARTS
from tests.model_export.batch.surveys import FIRST_DAY


def days_table(homes: Mapping[str, Floats], missing: Sequence[tuple[str, int]] = ()) -> pl.DataFrame:
    """Days with these uses in kWh, from `FIRST_DAY` on.

    Args:
        homes: The uses of each.
        missing: Days (from 0) of homes that lack half hours.
    """
    frames = [
        pl.DataFrame(
            {
                "home": pl.Series([home] * len(kwh), dtype=pl.String),
                "day": pl.Series(FIRST_DAY + np.arange(len(kwh)), dtype=pl.Int32).cast(pl.Date),
                "n": pl.Series([40 if (home, day) in missing else 48 for day in range(len(kwh))], dtype=pl.Int32),
                "kwh": kwh,
                "max_kwh": kwh / 24 * np.random.default_rng(3).uniform(0.9, 1.1, len(kwh)),
                "min_kwh": kwh / 96,
                "mean_kwh": kwh / 48,
                **{name: kwh * share for name, share in zip(PARTS, (0.1, 0.2, 0.3, 0.4), strict=True)},
            }
        )
        for home, kwh in homes.items()
    ]
    return pl.concat(frames).sort("home", "day")
