"""The demo's broker: mosquitto where it is installed, else amqtt, which is plain Python."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path

from wattline.errors import MissingExtraError
from wattline.local_servers import LOOPBACK, LocalServer, MosquittoServer, ProgramMissingError, find_program


class BrokerChoice(StrEnum):
    """Which broker the demo runs; `auto` is mosquitto where it is installed."""

    AUTO = "auto"
    MOSQUITTO = "mosquitto"
    AMQTT = "amqtt"


class AmqttServer(LocalServer):
    """An MQTT 3.1.1 broker in Python; keeps nothing over a restart."""

    program = sys.executable
    package = "python3"

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"mqtt://{LOOPBACK}:{self.port}"

    def _arguments(self) -> Sequence[str]:
        file = self.directory / "amqtt.yaml"
        file.write_text(
            f"listeners:\n  default:\n    type: tcp\n    bind: {LOOPBACK}:{self.port}\n"
            "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n",
            "utf-8",
        )
        return ["-m", "amqtt.scripts.broker_script", "-c", str(file)]


def choose_broker(folder: Path, choice: BrokerChoice = BrokerChoice.AUTO) -> LocalServer:
    """A broker that this machine can run; not started yet.

    Raises:
        MissingExtraError: There is neither mosquitto nor amqtt.
        ProgramMissingError: Mosquitto was asked for and is not installed.
    """
    if choice is not BrokerChoice.AMQTT:
        try:
            find_program(MosquittoServer.program, MosquittoServer.package)
        except ProgramMissingError:
            if choice is BrokerChoice.MOSQUITTO:
                raise
        else:
            return MosquittoServer(folder)
    if find_spec("amqtt") is None:
        raise MissingExtraError("demo", "amqtt")
    return AmqttServer(folder)
