"""Orders in the queue, and commands on the wire."""

from pathlib import Path
from typing import Final

import msgspec

from cloud_stream.config_sections import CommandsConfig
from cloud_stream.keyed_queue import KeyedQueue
from cloud_stream.records import Order
from wattline.errors import DecodeError
from wattline.topics import is_gateway_id
from wattline.wire import MAX_TEXT_LENGTH, VERSION, Command, decode_command, encode

QUEUE_FILE: Final = "orders.db"
QUEUE_BYTES: Final = 16 << 20
"""Some ten thousand orders; the oldest are dropped, counted, when more wait."""

_DECODER: Final = msgspec.msgpack.Decoder(Order)
_ENCODER: Final = msgspec.msgpack.Encoder()


def orders_path(config: CommandsConfig) -> Path:
    """The queue's file."""
    return config.dir / QUEUE_FILE


def open_orders(config: CommandsConfig) -> KeyedQueue:
    """The queue, as flow and dispatcher open it."""
    return KeyedQueue(orders_path(config), QUEUE_BYTES)


def order_row(order: Order) -> tuple[str, bytes]:
    """An order as a row of the queue: its key and its bytes."""
    return order.id, _ENCODER.encode(order)


def read_order(payload: bytes) -> Order:
    """The order of a row.

    Raises:
        DecodeError: `bad_order`.
    """
    try:
        return _DECODER.decode(payload)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError("bad_order", str(error)) from None


def command_payload(order: Order) -> bytes:
    """The command that a gateway gets.

    Raises:
        DecodeError: As `decode_command`, and `foreign_gateway`: no gateway would take it.
    """
    if not is_gateway_id(order.gateway):
        raise DecodeError("foreign_gateway", order.gateway)
    command = Command(
        v=VERSION,
        gateway=order.gateway,
        id=order.id,
        load=order.load,
        action=order.action,
        t=order.decided_ms,
        expires_at=order.expires_ms,
        reason=order.reason[:MAX_TEXT_LENGTH],
    )
    payload = encode(command)
    decode_command(payload, order.gateway)
    return payload
