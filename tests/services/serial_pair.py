"""A pseudo-terminal: what the meter's end writes, the device file delivers as a serial port would."""

import os
import select
import tty
from typing import Self

_WRITE_TIMEOUT_S = 10.0


class SerialPair:
    """The two ends of a serial line.

    Attributes:
        device: Path of the device file, to be opened as a serial port.
    """

    def __init__(self) -> None:
        self._meter_fd, device_fd = os.openpty()
        tty.setraw(device_fd)
        os.set_blocking(self._meter_fd, False)
        self.device = os.ttyname(device_fd)
        # Held open, so that the line stays up while the reader closes and opens its port.
        self._device_fd = device_fd
        self._plugged = True

    def write(self, data: bytes) -> None:
        """Send bytes as the meter; waits while the line's buffer is full.

        Raises:
            TimeoutError: Nobody reads at the other end.
        """
        rest = memoryview(data)
        while rest:
            _, writable, _ = select.select([], [self._meter_fd], [], _WRITE_TIMEOUT_S)
            if not writable:
                raise TimeoutError(f"{len(rest)} bytes were not read from {self.device}")
            rest = rest[os.write(self._meter_fd, rest) :]

    def unplug(self) -> None:
        """Take the line away, as when a USB adapter is pulled out: reads fail from now on. Idempotent."""
        if self._plugged:
            os.close(self._meter_fd)
            os.close(self._device_fd)
            self._plugged = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
