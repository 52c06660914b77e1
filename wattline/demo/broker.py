"""The demo's broker: mosquitto where it is installed, else amqtt, which is plain Python."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from wattline.errors import MissingExtraError
from wattline.local_servers import LOOPBACK, LocalServer, MosquittoServer, ProgramMissingError, find_program


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


def choose_broker(folder: Path) -> LocalServer:
    """A broker that this machine can run; not started yet.

    Raises:
        MissingExtraError: There is neither mosquitto nor amqtt.
    """
    try:
        find_program(MosquittoServer.program, MosquittoServer.package)
    except ProgramMissingError:
        if find_spec("amqtt") is None:
            raise MissingExtraError("demo", "amqtt") from None
        return AmqttServer(folder)
    return MosquittoServer(folder)
