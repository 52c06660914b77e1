"""The desk between the broker, the board and the relays: durable first, bounded, and calm with full disks."""

import os
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
from edge_agent.actuators.manual_file import HandWish, Wishes, leave_wish, wish_file
from edge_agent.actuators.relay import ATTEMPTS, Relay, Report
from edge_agent.actuators.state_file import StateFile, peek
from edge_agent.actuators.trusted_clock import clock_check, kernel_is_synchronised
from edge_agent.errors import ActuatorError
from edge_agent.ports import Actuator
from tests.edge_agent.actuators.bench import HOUR_MS, NOW_MS, RULES
from tests.edge_agent.cloud_stand_in import wait_until
from wattline.errors import ConfigError, MissingExtraError
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


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"manual": "maybe"}',
        b'{"manual": "on", "until_ms": 1e30}',
        b'{"manual": "off", "x": 1}',
        b"\xff" * 5000,
    ],
)
def test_a_wish_that_is_none_is_taken_away(tmp_path: Path, text: bytes) -> None:
    file = wish_file(tmp_path, "the/boiler")
    file.parent.mkdir()
    file.write_bytes(text)
    wishes = Wishes(tmp_path, ["the/boiler", "other"])
    assert list(wishes.waiting()) == []
    assert not file.exists()
    wishes.forget("the/boiler")


def test_a_pipe_in_the_place_of_a_wish_holds_up_nobody(tmp_path: Path) -> None:
    file = wish_file(tmp_path, "boiler")
    file.parent.mkdir()
    os.mkfifo(file)
    assert list(Wishes(tmp_path, ["boiler"]).waiting()) == []
    assert not file.exists()


def test_what_root_leaves_belongs_to_the_agent(tmp_path: Path) -> None:
    uid = 4242 if os.geteuid() == 0 else os.geteuid()
    os.chown(tmp_path, uid, -1)
    leave_wish(tmp_path, "boiler", HandWish(manual="auto"))
    file = wish_file(tmp_path, "boiler")
    assert {file.stat().st_uid, file.parent.stat().st_uid} == {uid}


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
    assert not clock_check(f"/{'x' * 5000}")()  # a place that cannot be looked at


def test_a_wish_that_can_not_be_taken_away_is_heard_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that root has left in a folder that the agent may not change."""
    monkeypatch.setattr(Path, "unlink", _denied)
    leave_wish(place.folder, "boiler", HandWish(manual="off"))
    place.until(lambda: not place.relais.on, "off by hand")
    for _ in range(5):
        place.turn()
    assert place.turn() == ["overridden"]
    leave_wish(place.folder, "boiler", HandWish(manual="auto"))
    place.until(lambda: place.relais.on, "a new one is heard")


def _denied(path: Path, missing_ok: bool = False) -> None:  # noqa: ARG001, FBT001, FBT002 (Path's)
    raise PermissionError(13, "Permission denied", str(path))


def test_a_command_that_comes_while_the_gateway_stops_is_refused(place: Place) -> None:
    place.desk.stop(place.now_ms, 5)
    place.send("c1")
    assert place.turn() == ["refused"]
    assert "stops" in place.told[0].reason
    assert peek(place.folder / "loads.json")["boiler"].hold is None


class Staring(Relais):
    """Hangs when it is looked at."""

    def state(self) -> bool:
        return self.hanging.wait(20)


def test_relays_that_hang_together_do_not_add_up_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    join = Relay.join

    def noted(relay: Relay, timeout_s: float) -> bool:
        asked.append(timeout_s)
        return join(relay, timeout_s)

    monkeypatch.setattr(Relay, "join", noted)
    places = [Place(tmp_path, msgspec.structs.replace(QUICK, release_at_start=False)) for _ in range(4)]
    for place in places:
        place.relais = Staring()
        place.relais.hanging.clear()
        place.desk.start()
    places[0].desk._relays |= {str(n): place.relay for n, place in enumerate(places[1:])}
    places[0].desk.stop(NOW_MS, 0.5)
    assert len(asked) == 4
    assert sum(asked) < 2 * 0.5
    for place in places:
        place.relais.hanging.set()


def test_a_relay_that_can_not_be_made_refuses_what_it_is_told(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.relay._make = _no_package
    place.desk.start()
    place.send("c1")
    place.until(lambda: "refused" in place.turn(), "an answer")
    assert "pymodbus" in place.told[-1].reason
    place.relay.request_stop()
    assert place.relay.join(5)


def _no_package() -> Actuator:
    raise MissingExtraError("edge", "pymodbus")


def test_a_bug_in_the_loads_costs_no_readings(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place.desk._board, "tick", _bug)
    assert place.desk.events(place.now_ms) == []
    monkeypatch.setattr(place.desk._board, "take", _bug)
    place.send("c1")
    assert place.desk.figures()["commands_bugs"] == 2


def _bug(*_: object, **__: object) -> None:
    raise ZeroDivisionError


def test_a_disk_that_stays_full_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = StateFile(tmp_path / "loads.json")
    full(tmp_path)
    for n in range(5):
        assert not file.save(BoardState(loads={"boiler": LoadState(changed_ms=n)}))
    assert caplog.text.count("loads_not_saved") == 1
