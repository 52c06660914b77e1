"""What is too long and too much for a meter, by what it measures."""

import math

import pytest

from wattline.rule_settings import MeterLimits, RuleSettings, largest_rate

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("power_w", 1e7),
        ("energy_import_kwh", 1e4),
        ("energy_kwh", 1e4),
        ("gas_m3", 650.0),
        ("water_used_m3", 650.0),
        ("gas_kwh", 1e4),
        ("voltage_v", math.inf),
        ("nonsense", math.inf),
    ],
)
def test_what_no_connection_can_carry_is_known(name: str, most: float) -> None:
    assert largest_rate(name) == most


@pytest.mark.parametrize(
    ("name", "stuck_h", "zero_h", "least"),
    [
        ("power_w", 3, 3, -1e7),
        ("energy_import_kwh", 3, 3, -1e4),
        ("gas_m3", 12, 504, 0.0),
        ("water_used_m3", 12, 504, 0.0),
        ("heat_kwh", 12, 504, 0.0),
    ],
)
def test_gas_water_and_heat_may_pause_for_weeks(name: str, stuck_h: int, zero_h: int, least: float) -> None:
    limits = MeterLimits.of(name, RuleSettings())
    assert (limits.stuck_ms, limits.zero_ms, limits.least) == (stuck_h * HOUR, zero_h * HOUR, least)
