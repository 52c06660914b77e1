"""Real relays for tests: one behind an MQTT topic, one behind a Modbus coil; both can be moved by hand and die."""

import asyncio
import json
import threading
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from wattline.local_servers import LOOPBACK, free_port


class TopicRelay:
    """Behaves like a plug on the home's broker: obeys `set`, says where it is on `state`, answers `ask`.

    Args:
        port: The broker's.
        as_json: Says it as `{"output": true}`.
        talks: False never says where it is.
    """

    def __init__(self, port: int, *, as_json: bool = False, talks: bool = True) -> None:
        self.on = True
        self.dead = False
        self.orders: list[str] = []
        self._as_json = as_json
        self._talks = talks
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="plug", clean_session=False)
        self._client.on_message = self._take
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.connect(LOOPBACK, port)
        self._client.subscribe([("plug/set", 1), ("plug/ask", 1)])
        self._client.loop_start()
        assert self._ready.wait(20)

    def move(self, on: bool) -> None:  # noqa: FBT001 (where to)
        """Somebody presses its button."""
        self.on = on
        self._say()

    def close(self) -> None:
        """Unplug it."""
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if self.dead:
            return
        if message.topic == "plug/set":
            word = bytes(message.payload).decode()
            self.orders.append(word)
            self.on = word == "ON"
        self._say()

    def _say(self) -> None:
        if self._talks:
            text = json.dumps({"id": 0, "output": self.on}) if self._as_json else ("ON" if self.on else "OFF")
            self._client.publish("plug/state", text, qos=1)


class CoilServer:
    """A Modbus TCP server with eight coils, in a thread of its own; as a context manager it runs."""

    def __init__(self) -> None:
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        self._server: ModbusTcpServer | None = None
        self._thread = threading.Thread(target=self._run)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """End it; its port is free again."""
        if self._thread.is_alive() and self._server is not None:
            end = self._server.shutdown()  # type: ignore[no-untyped-call]
            asyncio.run_coroutine_threadsafe(end, self._loop).result(20)
            self._thread.join(20)
            self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        coils = [SimData(0, values=[True] * 16, datatype=DataType.BITS)]
        words = [SimData(0, values=0, datatype=DataType.REGISTERS)]
        device = SimDevice(1, simdata=(coils, coils, words, words))
        self._server = ModbusTcpServer(device, address=(LOOPBACK, self.port))
        await self._server.serve_forever(background=True)
        self._ready.set()
        await self._server.serving
