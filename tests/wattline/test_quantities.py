"""The table of quantities: what must hold for every row, and what an open table takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline import quantities
from wattline.errors import DecodeError
from wattline.quantities import MAX_NAME_LENGTH, UNIT_SUFFIXES, USAGE_PRECEDENCE, Kind, Quantity, RollUp, quantity

KNOWN = tuple(quantities._KNOWN.values())
UNITLESS = {"occupancy", "power_factor"}
"""A number of people and a ratio have no unit."""


def _names(kind: Kind) -> list[Quantity]:
    return [known for known in KNOWN if known.kind is kind]


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: str(known.name))
def test_every_name_ends_in_its_unit(known: Quantity) -> None:
    assert known.name.endswith(UNIT_SUFFIXES) or known.name in UNITLESS
    assert quantity(known.name) is known


@pytest.mark.parametrize("known", _names(Kind.COUNTER), ids=lambda known: str(known.name))
def test_a_counter_counts_towards_an_amount_and_has_a_largest_step(known: Quantity) -> None:
    usage = quantity(known.usage)
    assert usage.kind is Kind.AMOUNT
    assert known.usage != known.name
    assert known.usage.rpartition("_")[2] == known.name.rpartition("_")[2], "both have the same unit"
    assert known.max_per_hour > 0
    assert known.roll_up is usage.roll_up is RollUp.SUM


@pytest.mark.parametrize("known", _names(Kind.AMOUNT), ids=lambda known: str(known.name))
def test_an_amount_is_its_own_usage(known: Quantity) -> None:
    assert known.usage == known.name
    assert known.roll_up is RollUp.SUM
    assert (known.max_per_hour, known.integral_per_hour) == (0, 0)


@pytest.mark.parametrize("known", _names(Kind.GAUGE), ids=lambda known: str(known.name))
def test_only_a_gauge_that_integrates_has_a_usage(known: Quantity) -> None:
    assert bool(known.usage) == bool(known.integral_per_hour)
    assert not known.usage or quantity(known.usage).kind is Kind.AMOUNT
    assert known.max_per_hour == 0


def test_no_two_counters_share_a_usage() -> None:
    usages = [known.usage for known in _names(Kind.COUNTER)]
    assert len(usages) == len(set(usages))


def test_a_kilowatt_for_an_hour_is_a_kilowatt_hour() -> None:
    power = quantity("power_w")
    assert (power.usage, 1000 * power.integral_per_hour) == ("energy_kwh", 1.0)


@pytest.mark.parametrize("name", ["voltage_v", "voltage_l1_v", "voltage_l3_v", "current_a", "current_l2_a"])
def test_voltages_and_currents_do_not_add_up(name: str) -> None:
    assert quantity(name).roll_up is RollUp.NONE


def test_the_register_speaks_first() -> None:
    assert USAGE_PRECEDENCE == (Kind.COUNTER, Kind.AMOUNT, Kind.GAUGE)
    assert set(USAGE_PRECEDENCE) == set(Kind)


@pytest.mark.parametrize(
    "name", ["pressure_bar", "light_lx", "co2_ppm", "flow_l_h", "energy_reactive_kvarh", "a_w", "x9_pct"]
)
def test_an_unknown_name_with_a_known_unit_is_a_gauge_that_does_not_add_up(name: str) -> None:
    assert quantity(name) == Quantity(name, Kind.GAUGE, RollUp.NONE)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("", id="nothing"),
        pytest.param("colour", id="no unit"),
        pytest.param("power_furlongs", id="an unknown unit"),
        pytest.param("_w", id="nothing but a unit"),
        pytest.param("__w", id="an underscore and a unit"),
        pytest.param("1_w", id="a digit first: no column's name"),
        pytest.param("Power_w", id="a capital"),
        pytest.param("power_W", id="a capital unit"),
        pytest.param("pow er_w", id="a blank"),
        pytest.param('pow"er_w', id="a quotation mark"),
        pytest.param("power-w", id="a hyphen"),
        pytest.param("leistung_ä_w", id="beyond ASCII"),
        pytest.param("power_w\n", id="a line feed"),
        pytest.param("a" * (MAX_NAME_LENGTH - 1) + "_w", id="too long"),
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(DecodeError) as raised:
        quantity(name)
    assert raised.value.reason == "unknown_quantity"
    assert raised.value.detail == name[:MAX_NAME_LENGTH]


@given(st.text(max_size=80) | st.from_regex(r"[a-z_0-9]{0,70}_w", fullmatch=True))
def test_whatever_is_taken_is_a_plain_column_name(name: str) -> None:
    try:
        found = quantity(name)
    except DecodeError:
        return
    assert found.name == name
    assert name.isascii()
    assert name.isidentifier()
    assert len(name) <= MAX_NAME_LENGTH
