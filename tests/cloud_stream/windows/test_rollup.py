"""How rows of meters become those of sites, shards and the fleet."""

import numpy as np
import pytest

from cloud_stream.windows.fold import WINDOW_BITS, Cells
from cloud_stream.windows.rollup import meter_rows, roll_up, roll_up_site
from wattline.quantities import quantity


@pytest.mark.parametrize(
    ("below", "above"),
    [
        pytest.param([], {}, id="nothing"),
        pytest.param([{"energy_kwh": 1.0}, {"energy_kwh": 2.0}], {"energy_kwh": 3.0}, id="amounts add up"),
        pytest.param([{"energy_kwh": 1.0}, {"gas_used_m3": 2.0}], {"energy_kwh": 1.0, "gas_used_m3": 2.0}, id="each"),
        pytest.param(
            [
                {"power_w_mean": 10.0, "power_w_min": 1.0, "power_w_max": 20.0, "power_w_last": 5.0, "power_w_n": 2.0},
                {"power_w_mean": 30.0, "power_w_min": 2.0, "power_w_max": 40.0, "power_w_last": 6.0, "power_w_n": 8.0},
            ],
            {"power_w_mean": 40.0, "power_w_min": 3.0, "power_w_max": 60.0, "power_w_last": 11.0, "power_w_n": 10.0},
            id="a gauge that adds up: the extremes are bounds",
        ),
        pytest.param(
            [
                {
                    "humidity_pct_mean": 10.0,
                    "humidity_pct_min": 1.0,
                    "humidity_pct_max": 20.0,
                    "humidity_pct_last": 5.0,
                    "humidity_pct_n": 1.0,
                },
                {
                    "humidity_pct_mean": 30.0,
                    "humidity_pct_min": 2.0,
                    "humidity_pct_max": 40.0,
                    "humidity_pct_last": 6.0,
                    "humidity_pct_n": 3.0,
                },
            ],
            {"humidity_pct_mean": 25.0, "humidity_pct_min": 1.0, "humidity_pct_max": 40.0, "humidity_pct_n": 4.0},
            id="a gauge that averages: by the number of readings, without a last",
        ),
        pytest.param([{"voltage_v_mean": 230.0, "voltage_v_n": 1.0}], {}, id="a voltage goes no higher"),
        pytest.param([{"colour_mean": 1.0, "colour_n": 1.0}], {}, id="nor does what nobody knows"),
    ],
)
def test_rolling_up(below: list[dict[str, float]], above: dict[str, float]) -> None:
    assert roll_up(below) == pytest.approx(above)


def test_only_main_meters_count_towards_their_site() -> None:
    rows = {("main", 1): {"energy_kwh": 1.0}, ("sub", 1): {"energy_kwh": 5.0}, ("sub", 2): {"energy_kwh": 7.0}}
    assert roll_up_site("s", rows, lambda site, meter: (site, meter) == ("s", "main")) == {1: {"energy_kwh": 1.0}}


def test_a_site_whose_meters_have_nothing_that_rolls_up_has_no_row() -> None:
    assert roll_up_site("s", {("m", 1): {"voltage_v_mean": 230.0}}, lambda *_: True) == {}


NAMES = ("power_w", "energy_kwh", "energy_import_kwh", "voltage_v")


@pytest.mark.parametrize(
    ("parts", "fields"),
    [
        pytest.param(
            {"voltage_v": (2, 460.0, 0)},
            {
                "voltage_v_mean": 230.0,
                "voltage_v_min": 1.0,
                "voltage_v_max": 9.0,
                "voltage_v_last": 5.0,
                "voltage_v_n": 2,
            },
            id="a gauge",
        ),
        pytest.param({"energy_import_kwh": (3, 0.25, 60_000)}, {"energy_kwh": 0.25}, id="a register"),
        pytest.param({"energy_import_kwh": (3, 0.25, 0)}, {}, id="nothing covered is nothing known"),
        pytest.param({"energy_kwh": (1, 0.5, 60_000)}, {"energy_kwh": 0.5}, id="an amount"),
        pytest.param(
            {"energy_kwh": (1, 0.5, 60_000), "energy_import_kwh": (1, 0.25, 60_000)},
            {"energy_kwh": 0.25},
            id="the register is believed before the amount",
        ),
        pytest.param(
            {"power_w": (0, 0.75, 60_000), "energy_kwh": (1, 0.5, 60_000)},
            {"energy_kwh": 0.5},
            id="the amount before the power",
        ),
        pytest.param({"power_w": (0, 0.75, 60_000)}, {"energy_kwh": 0.75}, id="a power alone, from before the window"),
    ],
)
def test_fields_of_a_meter(parts: dict[str, tuple[int, float, int]], fields: dict[str, float]) -> None:
    places = [NAMES.index(name) for name in parts]
    order = np.argsort(places)
    n, amount, covered = (np.array([part[i] for part in parts.values()])[order] for i in range(3))
    ones = np.ones(len(parts))
    code = (np.sort(np.array(places, np.int64)) << WINDOW_BITS) | 7
    gauges = Cells(code, n, amount, ones, 9 * ones, 5 * ones, amount, covered)
    found = meter_rows(gauges, [quantity(name) for name in NAMES], ["m"] * len(NAMES))
    assert found == ({("m", 7): pytest.approx(fields)} if fields else {})
