"""The sensors by name, each in a module that is loaded when it is first used.

A sensor's module has two constants: `OPTIONS`, a msgspec Struct type that the
`[meter.options]` table must fit, and `SENSOR`, a class of the `Sensor` port
made by `SENSOR(meter_id, options)`. A sensor that delivers readings of further
meters has a function as well: `further_meters(options)` names them by the option
in which their id stands, for the check of the file and for the birth.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, NamedTuple

import msgspec

from edge_agent.config import MeterConfig
from edge_agent.ports import Sensor
from wattline.config import convert
from wattline.errors import ConfigError, MissingExtraError
from wattline.wire import MeterInfo

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
    further_meters: Callable[[Any], Mapping[str, MeterInfo]] = lambda _: {}


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
    kind = SensorKind(module.OPTIONS, module.SENSOR)
    return kind._replace(further_meters=module.further_meters) if hasattr(module, "further_meters") else kind


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
