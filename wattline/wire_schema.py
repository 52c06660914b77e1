"""The JSON Schema of every message, generated from the types that decode them.

``python -m wattline.wire_schema docs/wire-schema.json`` writes the committed file; a test keeps it up to date. What a
schema cannot say - columns as long as their times, believable times, whose topic it is - is in ``docs/wire.md``.
"""

import inspect
import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from wattline.topics import Down, Up, down, up
from wattline.wire import VERSION, Ack, Batch, Command, Events, Status

_MESSAGES: Final = {
    up("{gateway}", Up.READINGS): Batch,
    up("{gateway}", Up.EVENTS): Events,
    up("{gateway}", Up.STATUS): Status,
    down("{gateway}", Down.ACK): Ack,
    down("{gateway}", Down.COMMAND): Command,
}


def wire_schema() -> dict[str, Any]:
    """One schema with a definition for each message; ``topics`` says which message a topic carries."""
    _, components = msgspec.json.schema_components(
        tuple(_MESSAGES.values()), schema_hook=None, ref_template="#/$defs/{name}"
    )
    for one in components.values():
        one["description"] = inspect.cleandoc(one["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Wattline messages, version {VERSION}",
        "topics": {topic: {"$ref": f"#/$defs/{message.__name__}"} for topic, message in _MESSAGES.items()},
        "$defs": components,
    }


def schema_text() -> str:
    """The schema as the committed file holds it."""
    return json.dumps(wire_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), "utf-8")
