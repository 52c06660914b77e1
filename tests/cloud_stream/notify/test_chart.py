"""The picture shows the day of what a message is about, with the limit."""

import io
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from matplotlib.image import imread

from cloud_stream.notify.chart import Curve, curve_of, draw
from cloud_stream.records import Notice, Point
from tests.cloud_stream.notify.notices import NOW_MS, POWER, power

LONDON = ZoneInfo("Europe/London")


def points(*names: str, n: int = 288) -> list[Point]:
    fields = [dict.fromkeys(names, 1000.0 + 30 * i) for i in range(n)]
    return [Point("usage", {"level": "site"}, NOW_MS + 300_000 * i, values) for i, values in enumerate(fields)]


@pytest.mark.parametrize(
    ("quantity", "names", "shown", "has_peaks"),
    [
        ("power_w", ("power_w_mean", "power_w_max"), True, True),
        ("power_w", ("power_w_mean",), True, False),
        ("power_w_max", ("power_w_max", "power_w_mean"), True, False),
        ("energy_kwh", ("energy_kwh", "power_w_mean"), True, False),
        ("power_w", ("gas_m3",), False, False),
        ("power_w", (), False, False),
    ],
)
def test_the_quantity_is_found_in_usage(quantity: str, names: tuple[str, ...], *, shown: bool, has_peaks: bool) -> None:
    curve = curve_of(power("x", quantity=quantity), points(*names))
    assert (curve is not None) is shown
    assert bool(curve and curve.peaks) is has_peaks


@pytest.mark.parametrize("n", [0, 1])
def test_one_point_is_no_curve(n: int) -> None:
    assert curve_of(POWER, points("power_w_mean", n=n)) is None


def picture(notice: Notice) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    curve = curve_of(notice, points("power_w_mean"))
    assert curve is not None
    pixels: np.ndarray[tuple[int, int, int], np.dtype[np.float32]] = imread(io.BytesIO(draw(curve, LONDON)))
    return pixels


@pytest.mark.parametrize(("limit", "drawn"), [(9000.0, True), (None, False)])
def test_the_limit_is_a_red_line(limit: float | None, *, drawn: bool) -> None:
    pixels = picture(power("x", limit=limit))
    red = pixels[:, :, 0] > pixels[:, :, 1:3].max(axis=2) + 0.2
    assert pixels.shape[:2] == (260, 640)
    assert bool(red.sum(axis=1).max() > 200) is drawn


def test_a_picture_is_small() -> None:
    curve = curve_of(POWER, points("power_w_mean", "power_w_max"))
    assert curve is not None
    assert len(draw(curve, LONDON)) < 64 << 10


def test_a_name_is_not_mathematics() -> None:
    assert draw(Curve("$\\frac{", "W", (NOW_MS, NOW_MS + 1), (1.0, 2.0), (), None), LONDON)
