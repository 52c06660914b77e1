"""Orders as the intents make them."""

from typing import Any, Final

from cloud_stream.dispatch.orders import order_row
from cloud_stream.keyed_queue import QueueRow
from cloud_stream.records import Order

NOW_MS: Final = 1_790_000_000_000


def order(name: str = "o1", **changes: object) -> Order:
    """An order for the boiler of gw-1, good for ten minutes."""
    fields: dict[str, Any] = {
        "id": name,
        "gateway": "gw-1",
        "site": "house",
        "load": "boiler",
        "action": "off",
        "decided_ms": NOW_MS,
        "expires_ms": NOW_MS + 600_000,
        "reason": "evening peak",
        **changes,
    }
    return Order(**fields)


def row(seq: int, one: Order) -> QueueRow:
    """It in the queue."""
    key, payload = order_row(one)
    return QueueRow(seq, key, payload, NOW_MS)
