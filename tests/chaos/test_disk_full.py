"""No room under the journal: nothing is acknowledged that is not in it, and nothing is lost."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.cloud import CloudFiles
from tests.chaos.full_disks import Room, SmallDisk, SmallFiles, may_mount
from tests.chaos.programs import Program
from tests.chaos.senders import FleetProgram
from tests.chaos.truth import StoredInSqlite, differences, truth_of
from tests.chaos.waiting import wait_for
from wattline.local_servers import MosquittoServer

FLEET: dict[str, str | int] = {"gateways": 8, "meters": 20, "interval": "1s", "flush": "1s", "duration": "0s"}
OUTAGE_S = 6.0
"""Long enough for the fleet to send again what nobody acknowledges."""
# Where no disk can be mounted, the limit on files alone stands for it.
ROOMS: list[Callable[[Path], Room]] = [SmallFiles, SmallDisk] if may_mount() else [SmallFiles]


@pytest.mark.chaos
@pytest.mark.timeout(240)
@pytest.mark.parametrize("make_room", ROOMS)
def test_without_room_nothing_is_acknowledged_and_then_all_goes_on(
    tmp_path: Path, mosquitto: MosquittoServer, make_room: Callable[[Path], Room]
) -> None:
    files = CloudFiles(tmp_path / "cloud", mosquitto.url, journal_dir=tmp_path / "journal")
    ingest = Program(tmp_path / "ingest.log", ["cloud", "ingest", "-c", str(files.config)])
    flow = Program(tmp_path / "flow.log", ["cloud", "flow", "-c", str(files.config)])
    fleet = FleetProgram(tmp_path / "fleet", mosquitto.url, FLEET)
    with make_room(tmp_path / "journal") as room, ExitStack() as stack:
        for program in (ingest, flow, fleet):
            stack.callback(program.end)
            program.start()
        files.wait_until_flowing()
        room.take_away(ingest.pid)
        wait_for(lambda: "ingest_waits" in ingest.log_text(), "ingest says that it cannot keep anything")
        time.sleep(OUTAGE_S)
        room.give_back(ingest.pid)
        wait_for(lambda: "ingest_goes_on" in ingest.log_text(), "ingest goes on by itself")
        files.wait_until_flowing()
        assert fleet.stop() == 0
        assert fleet.totals()["resends"] > 0
        wait_for(files.is_drained, "the flow has everything")
        assert [ingest.stop(), flow.stop()] == [0, 0]
        assert differences(StoredInSqlite(files.store_file), truth_of(list(fleet.sent()))) == []
        assert files.dead_letters() == {}
