"""A real broker that speaks only MQTT 3.1.1; run as `python old_broker.py PORT`, prints `ready`."""

import asyncio
import sys

from amqtt.broker import Broker

CONFIG = {
    "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{sys.argv[-1]}"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}


async def serve() -> None:
    """Serve until killed."""
    await Broker(CONFIG).start()
    print("ready", flush=True)  # noqa: T201 - the sign that the test waits for
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
