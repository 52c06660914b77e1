"""The sensors by name, each in a module that is loaded when it is first used.

A sensor's module has two constants: `OPTIONS`, a msgspec Struct type that the
`[meter.options]` table must fit, and `SENSOR`, a class of the `Sensor` port
made by `SENSOR(meter_id, options)`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple

import msgspec

from edge_agent.config import MeterConfig
from edge_agent.ports import Sensor
from wattline.config import convert
from wattline.errors import ConfigError, MissingExtraError

SENSORS: Final = {
    "dsmr": "edge_agent.sensors.dsmr",
    "pattern": "edge_agent.sensors.pattern",
    "replay": "edge_agent.sensors.replay",
    "simulated": "simulators.sensor",
}
"""By string, so that a Pi loads (and needs) only what its meters use."""


class SensorKind(NamedTuple):
    """What a sensor's module offers."""

    options: type[msgspec.Struct]
    make: Callable[[str, Any], Sensor]


def sensor_kind(name: str) -> SensorKind:
    """Load the module of a sensor.

    Raises:
        KeyError: There is no sensor of this name.
        MissingExtraError: A package it needs is not installed.
    """
    path = SENSORS[name]
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        raise MissingExtraError("edge", error.name or path) from error
    return SensorKind(module.OPTIONS, module.SENSOR)


def meter_options(meter: MeterConfig, where: str) -> msgspec.Struct:
    """Check a meter's options against its sensor's own.

    Args:
        meter: The meter's table.
        where: Its path inside the file, such as `meter[2]`.

    Raises:
        ConfigError: There is no such sensor, or an option is unknown, missing
            or does not fit.
        MissingExtraError: A package the sensor needs is not installed.
    """
    if meter.sensor not in SENSORS:
        known = ", ".join(sorted(SENSORS))
        raise ConfigError(f"{where}.sensor", f"unknown sensor {meter.sensor!r}; there are {known}")
    return convert(meter.options, sensor_kind(meter.sensor).options, f"{where}.options")
