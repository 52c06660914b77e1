"""The desk between the broker, the board and the relays: durable first, bounded, and calm with full disks."""

import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge_agent.actuators.board import BoardState, LoadBoard
from edge_agent.actuators.desk import BURST, LoadDesk, RateLimit
from edge_agent.actuators.load_state import Hold, LoadRules, LoadState
from edge_agent.actuators.manual_file import HandWish, forget_wish, leave_wish, read_wishes, wish_file
from edge_agent.actuators.relay import ATTEMPTS, Relay, Report
from edge_agent.actuators.state_file import StateFile, peek
from edge_agent.actuators.trusted_clock import clock_check, kernel_is_synchronised
from edge_agent.errors import ActuatorError
from tests.edge_agent.actuators.bench import HOUR_MS, NOW_MS, RULES
from tests.edge_agent.cloud_stand_in import wait_until
from wattline.errors import ConfigError
from wattline.wire import Command, Event, encode

QUICK = msgspec.structs.replace(RULES, min_on_ms=0, min_off_ms=0)


class Relais:
    """An actuator in memory that can die, hang, or have a bug."""

    def __init__(self) -> None:
        self.on = True
        self.error: Exception | None = None
        self.hanging = threading.Event()
        self.hanging.set()

    def set(self, on: bool) -> None:  # noqa: FBT001 (the port's)
        self.hanging.wait(20)
        if self.error is not None:
            raise self.error
        self.on = on

    def state(self) -> bool:
        if self.error is not None:
            raise self.error
        return self.on

    def close(self) -> None:
        self.hanging.set()


class Place:
    """A desk with one boiler; its clock stands still, its main loop is `turn`."""

    def __init__(self, folder: Path, rules: LoadRules = QUICK) -> None:
        self.folder = folder
        self.now_ms = NOW_MS
        self.steady_ms = 1
        self.relais = Relais()
        self.changes = 0
        self.told: list[Event] = []
        reports: queue.Queue[Report] = queue.Queue(100)
        self.relay = Relay("boiler", lambda: self.relais, reports, lambda: None, poll_s=0.01)
        file = StateFile(folder / "loads.json")
        self.desk = LoadDesk(
            gateway="gw-1",
            state_dir=folder,
            board=LoadBoard([rules], file.load(), NOW_MS),
            file=file,
            relays=[self.relay],
            reports=reports,
            clocks=(lambda: self.now_ms, lambda: self.steady_ms),
            synchronised=lambda: True,
            connected=lambda: True,
            on_news=lambda: None,
            on_change=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    def send(self, name: str, action: str = "off", **changes: object) -> None:
        fields: dict[str, Any] = {"load": "boiler", "t": self.now_ms, "expires_at": self.now_ms + HOUR_MS, **changes}
        self.desk.take_command(encode(Command(v=1, gateway="gw-1", id=name, action=action, **fields)))

    def turn(self) -> list[str]:
        """One turn of the main loop; the states that were told so far."""
        self.told += self.desk.events(self.now_ms)
        return [event.command.state for event in self.told if event.command]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(lambda: (self.turn(), condition())[1], what)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    made.desk.start()
    made.until(lambda: made.desk.infos[0].state == "on", "the relay is seen")
    yield made
    made.relay.request_stop()
    made.relay.join(5)


def test_what_is_decided_is_on_disk_before_the_relay_moves(place: Place) -> None:
    place.relais.hanging.clear()
    place.send("c1")
    kept = peek(place.folder / "loads.json")["boiler"]
    assert kept.hold == Hold("c1", "off", NOW_MS + HOUR_MS)
    assert place.relais.on
    place.relais.hanging.set()
    place.until(lambda: not place.relais.on, "it moves")
    assert place.changes >= 1


def full(folder: Path) -> None:
    """Nothing can be written beside this folder's file any more: its fresh name is taken by a folder."""
    (folder / "loads.json.new").mkdir()


def test_what_can_not_be_kept_is_not_held(place: Place) -> None:
    full(place.folder)
    place.send("c1")
    assert place.turn() == ["refused"]
    assert "disk is full" in place.told[0].reason
    assert place.relais.on
    assert place.desk.figures()["commands_not_kept"] == 1


def test_a_full_disk_keeps_nothing_from_being_let_go(place: Place) -> None:
    place.send("c1")
    place.until(lambda: not place.relais.on, "held")
    full(place.folder)
    place.now_ms += HOUR_MS
    place.until(lambda: place.relais.on, "let go")
    assert place.turn()[-1] == "expired"


def test_a_release_is_obeyed_with_a_full_disk(place: Place) -> None:
    place.send("c1")
    place.until(lambda: not place.relais.on, "held")
    full(place.folder)
    place.send("c2", "release")
    place.until(lambda: place.relais.on, "let go")


def test_a_flood_is_cut_and_time_heals_it(place: Place) -> None:
    for number in range(BURST + 30):
        place.send(f"c{number}", "on")
    assert place.desk.figures()["commands_flood"] == 30
    place.steady_ms += 2000
    place.send("later", "on")
    place.turn()
    assert "later" in {event.command.id for event in place.told if event.command}


def test_answers_of_before_a_kill_are_told_again(tmp_path: Path) -> None:
    first = Place(tmp_path)
    first.send("c1")  # and then it is killed before it told anybody
    second = Place(tmp_path)
    assert second.turn() == ["accepted"]
    assert second.told[0].command is not None
    assert second.told[0].command.id == "c1"


@pytest.mark.parametrize("error", [ActuatorError("no answer"), RuntimeError("a bug")])
def test_a_relay_that_fails_is_refused_after_some_attempts_and_brought_back(place: Place, error: Exception) -> None:
    place.relais.error = error
    place.send("c1")
    place.until(lambda: place.turn()[-1:] == ["refused"], "refused")
    assert str(error) in place.told[-1].reason
    assert place.relay.counts["failures"] >= ATTEMPTS
    place.relais.on, place.relais.error = False, None
    place.until(lambda: place.relais.on, "back")


def test_a_relay_that_hangs_holds_up_nobody(place: Place) -> None:
    place.relais.hanging.clear()
    place.send("c1")
    place.turn()
    place.send("c2", "on")
    assert place.turn()[-1] == "accepted"
    assert place.desk.stop(place.now_ms, 0.1)


def test_a_wish_of_a_person_is_heard_once_and_taken_away(place: Place) -> None:
    leave_wish(place.folder, "boiler", HandWish(manual="off", until_ms=NOW_MS + HOUR_MS))
    place.until(lambda: not place.relais.on, "it is off")
    assert not wish_file(place.folder, "boiler").exists()
    assert place.desk.infos[0].mode == "manual"


@pytest.mark.parametrize("text", [b"", b"{", b'{"manual": "maybe"}', b'{"manual": "off", "x": 1}', b"\xff" * 5000])
def test_a_wish_that_is_none_is_taken_away(tmp_path: Path, text: bytes) -> None:
    file = wish_file(tmp_path, "the/boiler")
    file.parent.mkdir()
    file.write_bytes(text)
    assert list(read_wishes(tmp_path, ["the/boiler", "other"])) == []
    assert not file.exists()
    forget_wish(tmp_path, "the/boiler")


def test_a_wish_that_can_not_be_left_is_a_readable_error(tmp_path: Path) -> None:
    (tmp_path / "loads").touch()
    with pytest.raises(ConfigError, match=r"gateway\.state_dir"):
        leave_wish(tmp_path, "boiler", HandWish(manual="auto"))


@pytest.mark.parametrize("text", [b"", b"{", b'{"loads": {"boiler": 5}}', b"\x00" * 4096, b"[" * 100_000])
def test_a_damaged_state_is_set_aside_and_the_load_let_go(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "loads.json").write_bytes(text)
    place = Place(tmp_path)
    assert (tmp_path / "loads.json.corrupt").read_bytes() == text
    place.relais.on = False
    place.desk.start()
    place.until(lambda: place.relais.on, "let go")
    place.relay.request_stop()
    place.relay.join(5)


def test_the_state_of_a_later_version_can_be_read(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "loads.json")
    assert file.save(BoardState(loads={"boiler": LoadState(on=False)}))
    content = msgspec.json.decode((tmp_path / "loads.json").read_bytes())
    content["loads"]["boiler"]["colour"] = "red"
    (tmp_path / "loads.json").write_bytes(msgspec.json.encode(content))
    state = StateFile(tmp_path / "loads.json").load()
    assert state is not None
    assert state.loads["boiler"].on is False


def test_nothing_is_written_when_nothing_has_changed(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "loads.json")
    state = BoardState(loads={"boiler": LoadState()})
    assert file.save(state)
    (tmp_path / "loads.json").unlink()
    assert file.save(state)
    assert not (tmp_path / "loads.json").exists()


def test_the_limit_fills_up_again_and_not_beyond() -> None:
    limit = RateLimit(3, 1.0)
    assert [limit.take(1000) for _ in range(4)] == [True, True, True, False]
    assert limit.take(2000)
    assert not limit.take(2500)
    assert [limit.take(1_000_000) for _ in range(4)] == [True, True, True, False]


def test_the_clock_is_believed_as_the_file_says(tmp_path: Path) -> None:
    assert clock_check("trusted")()
    assert clock_check("kernel")() is kernel_is_synchronised()
    synchronised = clock_check(str(tmp_path / "synchronized"))
    assert not synchronised()
    (tmp_path / "synchronized").touch()
    assert synchronised()
