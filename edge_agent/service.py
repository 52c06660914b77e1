"""What a service manager is told: ready, alive, stopping (the systemd notify protocol)."""

import os
import socket


class ServiceNotifier:
    """Sends states to the socket of NOTIFY_SOCKET; does nothing where there is none.

    Source: sd_notify(3).
    """

    def __init__(self, address: str | None = None) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if self._address else None

    def ready(self) -> None:
        """The agent works from now on."""
        self._send("READY=1")

    def alive(self) -> None:
        """The agent's main loop has come round; without it WatchdogSec ends the process."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The agent has been asked to end."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if self._socket is None:
            return
        # "@" stands for the zero byte of a name outside the file system.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            self._socket.sendto(state.encode(), address)
        except OSError:
            self.close()

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
