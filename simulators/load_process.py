"""A prepared load as a process of its own: ``python -m simulators.load_process PLAN RESULT``.

The plan is JSON: the fields of `LoadPlan` under ``plan``, and ``host``, ``port``, ``connections``, ``window`` and
``messages_per_s``. It says "ready" on a line of its own once all messages are made, starts at the first line on its
standard input, and writes the result as JSON.
"""

import sys
from pathlib import Path

import msgspec

from simulators.load import LoadPlan, prepare, publish


class LoadOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to publish, where, and how fast; see `publish`."""

    plan: LoadPlan
    host: str
    port: int
    connections: int = 2
    window: int = 200
    messages_per_s: float = 0.0


def main(plan: Path, result: Path) -> None:
    """Prepare, wait for the word, publish, report."""
    order = msgspec.json.decode(plan.read_bytes(), type=LoadOrder)
    messages = prepare(order.plan)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    published = publish(
        order.host,
        order.port,
        messages,
        connections=order.connections,
        window=order.window,
        messages_per_s=order.messages_per_s,
    )
    result.write_bytes(msgspec.json.encode(published))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
