"""The documents of the wire say what the code does: the schema, the examples, the tables, the client."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulators.cloud_stand_in import cloud_stand_in
from wattline import quantities
from wattline.local_servers import MosquittoServer
from wattline.quantities import UNIT_SUFFIXES, Kind
from wattline.topics import Down, Up, down, up
from wattline.wire import decode_ack, decode_batch, decode_command, decode_events, decode_status
from wattline.wire_schema import schema_text, wire_schema

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "wire.md").read_text()
DECODERS: dict[str, Callable[[bytes], object]] = {
    "readings": lambda payload: decode_batch(payload, "gw-0001"),
    "events": lambda payload: decode_events(payload, "gw-0001"),
    "status": lambda payload: decode_status(payload, "gw-0001"),
    "ack": decode_ack,
    "command": lambda payload: decode_command(payload, "gw-0001"),
    "answers": lambda payload: decode_events(payload, "gw-0001"),
}


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_committed_schema_is_up_to_date() -> None:
    committed = (DOCS / "wire-schema.json").read_text()
    assert committed == schema_text(), "python -m wattline.wire_schema docs/wire-schema.json"


def test_every_topic_leads_to_a_definition() -> None:
    schema = wire_schema()
    assert set(schema["topics"]) == {
        *(up("{gateway}", channel) for channel in (Up.READINGS, Up.EVENTS, Up.STATUS)),
        down("{gateway}", Down.ACK),
        down("{gateway}", Down.COMMAND),
    }
    for target in schema["topics"].values():
        assert target["$ref"].removeprefix("#/$defs/") in schema["$defs"]


@pytest.mark.parametrize(("text", "matches"), [("a b", True), ("a\n", False), ("a\\", False), (" a", False)])
def test_the_schema_knows_what_an_id_is(text: str, *, matches: bool) -> None:
    pattern = wire_schema()["$defs"]["Batch"]["properties"]["site"]["pattern"]
    assert bool(re.search(pattern, text)) is matches


@pytest.mark.parametrize("name", DECODERS)
def test_the_examples_are_valid(name: str) -> None:
    (example,) = _blocks(f"json {name}")
    assert DECODERS[name](example.encode())


@pytest.mark.parametrize("kind", Kind)
def test_the_table_names_every_quantity_of_its_kind(kind: Kind) -> None:
    (row,) = re.findall(rf"^\| {kind.value}: .*\|$", PAGE, re.MULTILINE)
    named = set(re.findall(r"`([a-z0-9_]+)`", row)) - {"t"}
    known = {one.name for one in quantities._KNOWN.values() if one.kind is kind}
    assert {name for name in known if not re.search(r"_l[23]_", name)} <= named
    assert all(quantities.quantity(name).kind is kind for name in named)


def test_the_units_are_all_named() -> None:
    (listed,) = re.findall(r"ends in one of `([^`]*)`", PAGE)
    assert set(listed.split()) == set(UNIT_SUFFIXES)


def test_the_client_of_the_page_works(mosquitto: MosquittoServer, tmp_path: Path) -> None:
    (source,) = _blocks("python")
    (tmp_path / "client.py").write_text(source)
    with cloud_stand_in(mosquitto.port) as cloud:
        done = subprocess.run(
            [sys.executable, str(tmp_path / "client.py"), str(mosquitto.port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "safe\n", "")
        assert [batch.gateway for batch in cloud.batches()] == ["my-client"]
