"""The OBIS table: which registers become which quantities, in which units."""

from math import isnan, nan

import pytest

from wattline.obis import MBUS_QUANTITIES, REGISTERS, convert, quantities
from wattline.quantities import Kind, quantity

Measured = list[tuple[str, float, str]]


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        pytest.param([("1-0:1.8.0", 25.653, "kWh")], {"energy_import_kwh": 25.653}, id="total import"),
        pytest.param([("1-0:2.8.0", 58.0, "Wh")], {"energy_export_kwh": 0.058}, id="watt-hours"),
        pytest.param(
            [("1-0:1.8.1", 4.426, "kWh"), ("1-0:1.8.2", 2.399, "kWh")],
            {"energy_import_kwh": 6.825},
            id="tariffs add up when there is no total",
        ),
        pytest.param(
            [("1-0:1.8.1", 1.0, "kWh"), ("1-0:1.8.0", 3.0, "kWh"), ("1-0:1.8.2", 1.0, "kWh")],
            {"energy_import_kwh": 3.0},
            id="a total wins over its tariffs",
        ),
        pytest.param([("1-0:1.7.0", 1.001, "kW")], {"power_w": 1001.0}, id="no crumbs of binary scaling"),
        pytest.param(
            [("1-0:1.7.0", 0.0, "kW"), ("1-0:2.7.0", 1.869, "kW")], {"power_w": -1869.0}, id="export is negative"
        ),
        pytest.param(
            [("1-0:21.7.0", 0.0, "kW"), ("1-0:22.7.0", 0.068, "kW")], {"power_l1_w": -68.0}, id="export of a phase"
        ),
        pytest.param(
            [("1-0:16.7.0", -105.5, "W"), ("1-0:1.7.0", 9.0, "W")], {"power_w": -105.5}, id="signed power wins"
        ),
        pytest.param([("1-0:36.7.0", -5.0, "W")], {"power_l1_w": -5.0}, id="signed power of phase 1"),
        pytest.param(
            [("1-0:32.7.0", 230.1, "V"), ("1-0:52.7.0", 230.2, "V"), ("1-0:72.7.0", 230.3, "V")],
            {"voltage_l1_v": 230.1, "voltage_l2_v": 230.2, "voltage_l3_v": 230.3},
            id="voltages",
        ),
        pytest.param(
            [("1-0:31.7.0", 1.0, "A"), ("1-0:51.7.0", 2.0, "A"), ("1-0:71.7.0", 3.0, "A")],
            {"current_l1_a": 1.0, "current_l2_a": 2.0, "current_l3_a": 3.0},
            id="currents",
        ),
        pytest.param([("1-0:32.7.0", 230.0, "")], {"voltage_l1_v": 230.0}, id="the only usual unit may be missing"),
        pytest.param([("1-0:1.7.0", 1.0, "")], {}, id="power without unit means nothing"),
        pytest.param([("1-0:1.8.0", 7.0, "kvarh")], {}, id="a unit that does not fit"),
        pytest.param(
            [("1-0:1.8.1", 7.0, "kWh"), ("1-0:1.8.2", nan, "kWh")], {}, id="half a sum would look like a step back"
        ),
        pytest.param(
            [("1-0:1.8.0", nan, "kWh"), ("1-0:32.7.0", 230.0, "V")], {"voltage_l1_v": 230.0}, id="an unreadable value"
        ),
        pytest.param([("1-0:99.97.0", 1.0, "")], {}, id="a code that is not in the table"),
        pytest.param([], {}, id="nothing"),
    ],
)
def test_registers_become_quantities(measured: Measured, expected: dict[str, float]) -> None:
    assert quantities(measured) == expected


@pytest.mark.parametrize(
    ("value", "unit", "into", "expected"),
    [
        (1.0, "GJ", "kWh", 277.777777778),
        (3.6, "MJ", "kWh", 1.0),
        (1.0, "MWh", "kWh", 1000.0),
        (1.0, "KWH", "kWh", 1.0),
        (250.0, "dm3", "m3", 0.25),
        (250.0, "l", "m3", 0.25),
        (12.5, "m3", "m3", 12.5),
        (6545766.0, "Wh", "kWh", 6545.766),
    ],
)
def test_units_are_scaled_whatever_their_case(value: float, unit: str, into: str, expected: float) -> None:
    assert convert(value, unit, into) == expected


@pytest.mark.parametrize("unit", ["kvarh", "m3", "V", ""])
def test_a_unit_that_does_not_fit_gives_no_value(unit: str) -> None:
    assert isnan(convert(1.0, unit, "kWh"))


def test_every_quantity_of_the_table_is_one_of_ours() -> None:
    for name in {register.quantity for register in REGISTERS.values()}:
        assert quantity(name).name == name


def test_energy_volume_and_heat_registers_are_counters() -> None:
    energy = {register.quantity for register in REGISTERS.values() if register.unit == "kWh"}
    for name in energy | {name for name, _ in MBUS_QUANTITIES.values()}:
        assert quantity(name).kind is Kind.COUNTER
