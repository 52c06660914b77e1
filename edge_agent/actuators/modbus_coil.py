"""A relay behind a Modbus coil: over TCP, or RTU on a serial port.

```toml
[load.options]
host = "192.168.1.30"
unit = 1
coil = 0
```

Source: MODBUS Application Protocol 1.1b3: function codes 1 (read coils) and 5 (write single coil).
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from edge_agent.config import AgentConfig
from edge_agent.errors import ActuatorError
from wattline.config import DurationMs
from wattline.errors import MissingExtraError

if TYPE_CHECKING:
    from pymodbus.client import ModbusSerialClient, ModbusTcpClient
    from pymodbus.pdu import ModbusPDU

_MIN_TIMEOUT_MS: Final = 100
_MAX_TIMEOUT_MS: Final = 30_000


class ModbusCoilOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[load.options]` of a `modbus` relay.

    Attributes:
        host: Of the server; or `serial_port`, for RTU.
        unit: The device's address.
        coil: The coil's number, from 0 as on the wire.
        inverted: The coil is set when the load is off, as with a contact that is normally closed.
        timeout: Of each answer.
    """

    host: str = ""
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 502
    serial_port: str = ""
    baud_rate: Annotated[int, msgspec.Meta(ge=300, le=1_000_000)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    coil: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    inverted: bool = False
    timeout: DurationMs = DurationMs(3_000)

    def __post_init__(self) -> None:
        """Refuse options that name no device, or two.

        Raises:
            ValueError: The text says what.
        """
        if bool(self.host) == bool(self.serial_port):
            raise ValueError("expected host, or serial_port")
        if not _MIN_TIMEOUT_MS <= self.timeout <= _MAX_TIMEOUT_MS:
            raise ValueError('timeout: expected "100ms" to "30s"')


class ModbusCoil:
    """Connects at the first call, and again at the next one after a failure."""

    def __init__(self, owner: AgentConfig, load: str, options: ModbusCoilOptions) -> None:  # noqa: ARG002 (as every actuator)
        """Prepare; nothing is sent yet.

        Raises:
            MissingExtraError: pymodbus is not installed.
        """
        if find_spec("pymodbus") is None:
            raise MissingExtraError("edge", "pymodbus")
        self._options = options
        self._client: ModbusTcpClient | ModbusSerialClient | None = None

    def set(self, on: bool) -> None:  # noqa: FBT001 (the port's)
        """Write the coil, and read it back."""
        from pymodbus import ModbusException

        options = self._options
        client = self._connected()
        try:
            answer = client.write_coil(options.coil, on != options.inverted, device_id=options.unit)
        except (ModbusException, OSError) as error:
            raise self._broken(str(error)) from error
        self._check(answer)
        if self.state() is not on:
            raise ActuatorError(f"{self._where}: the coil stays {'off' if on else 'on'}")

    def state(self) -> bool:
        """Read the coil."""
        from pymodbus import ModbusException

        options = self._options
        client = self._connected()
        try:
            answer = client.read_coils(options.coil, count=1, device_id=options.unit)
        except (ModbusException, OSError) as error:
            raise self._broken(str(error)) from error
        self._check(answer)
        if not answer.bits:
            raise self._broken("an answer without bits")
        return bool(answer.bits[0]) != options.inverted

    def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()  # type: ignore[no-untyped-call]

    @property
    def _where(self) -> str:
        options = self._options
        place = f"{options.host}:{options.port}" if options.host else options.serial_port
        return f"{place} unit {options.unit} coil {options.coil}"

    def _connected(self) -> "ModbusTcpClient | ModbusSerialClient":
        if self._client is not None:
            return self._client
        client = self._new_client()
        try:
            connected = client.connect()
        except OSError as error:  # a serial port that is not there
            raise ActuatorError(f"{self._where}: {error}") from error
        if not connected:
            client.close()  # type: ignore[no-untyped-call]
            raise ActuatorError(f"{self._where}: no connection")
        self._client = client
        return client

    def _new_client(self) -> "ModbusTcpClient | ModbusSerialClient":
        options, timeout_s = self._options, self._options.timeout.seconds
        if options.host:
            from pymodbus.client import ModbusTcpClient

            return ModbusTcpClient(options.host, port=options.port, timeout=timeout_s, retries=0)
        from pymodbus.client import ModbusSerialClient

        return ModbusSerialClient(
            options.serial_port,
            baudrate=options.baud_rate,
            parity=options.parity,
            stopbits=options.stop_bits,
            timeout=timeout_s,
            retries=0,
        )

    def _check(self, answer: "ModbusPDU") -> None:
        if answer.isError():
            raise self._broken(f"refused: {answer}")

    def _broken(self, problem: str) -> ActuatorError:
        """Also of a server that is silent: the client would go on as connected, out of step."""
        self.close()
        return ActuatorError(f"{self._where}: {problem}")


OPTIONS: Final = ModbusCoilOptions
ACTUATOR: Final = ModbusCoil
