"""The actuators by name, each in a module that is loaded when it is first used; and what decides about them.

An actuator's module has two constants: `OPTIONS`, a msgspec Struct type that the `[load.options]` table must fit, and
`ACTUATOR`, which makes one of the `Actuator` port: `ACTUATOR(owner, load_id, options)`.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Final, NamedTuple

import msgspec

from edge_agent.config import AgentConfig
from edge_agent.load_config import LoadConfig
from edge_agent.ports import Actuator
from wattline.config import convert
from wattline.errors import ConfigError, MissingExtraError

ACTUATORS: Final = {
    "modbus": "edge_agent.actuators.modbus_coil",
    "mqtt": "edge_agent.actuators.mqtt_relay",
    "simulated": "simulators.relay",
}
"""By string, so that a Pi loads (and needs) only what its loads use."""


class ActuatorKind(NamedTuple):
    """What an actuator's module offers."""

    options: type[msgspec.Struct]
    make: Callable[[AgentConfig, str, Any], Actuator]


def actuator_kind(name: str) -> ActuatorKind:
    """Load the module of an actuator.

    Raises:
        KeyError: There is no actuator of this name.
        MissingExtraError: A package it needs is not installed.
    """
    path = ACTUATORS[name]
    try:
        module = import_module(path)
    except ModuleNotFoundError as error:
        raise MissingExtraError("edge", error.name or path) from error
    return ActuatorKind(module.OPTIONS, module.ACTUATOR)


def load_options(load: LoadConfig, where: str) -> msgspec.Struct:
    """Check a load's options against its actuator's own.

    Args:
        load: The load's table.
        where: Its path inside the file, such as `load[0]`.

    Raises:
        ConfigError: There is no such actuator, or an option is unknown, missing or does not fit.
        MissingExtraError: A package the actuator needs is not installed.
    """
    if load.actuator not in ACTUATORS:
        known = ", ".join(sorted(ACTUATORS))
        raise ConfigError(f"{where}.actuator", f"unknown actuator {load.actuator!r}; there are {known}")
    return convert(load.options, actuator_kind(load.actuator).options, f"{where}.options")
