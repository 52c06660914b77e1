"""An attempt is written down before and after, is not repeated for a full disk, and waits longer and longer."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud_stream.notify.courier import FIRST_RETRY_S, LONGEST_RETRY_S, REFUSED_RETRY_S, Courier, wait_s
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.ledger_rows import ATTEMPTING, SENT, WAITING, Letter, Message
from cloud_stream.notify.silences import FOR_EVER_MS
from tests.cloud_stream.notify.desk_rig import Letterbox
from tests.cloud_stream.notify.notices import NOW_MS
from tests.cloud_stream.waiting import wait_until
from wattline.errors import LogBrokenError, LogFullError

LETTER = Letter(subject="s", text="t", html="h", severity="info")
MESSAGE = Message("wattline-1", "json:1", NOW_MS, WAITING, 0, "", 1, LETTER)
DAY_MS = 86_400_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path)
    opened.post(MESSAGE, {})
    yield opened
    opened.close()


def courier(box: Letterbox, ledger: Ledger, now_ms: int = NOW_MS) -> Courier:
    return Courier(box, ledger, 3 * DAY_MS, lambda: now_ms)


def state(ledger: Ledger) -> str:
    message = ledger.next_message("json:1", NOW_MS * 2, FOR_EVER_MS)
    return message.state if message else "finished"


@pytest.mark.parametrize(
    ("attempts", "permanent", "least_s", "most_s"),
    [
        (1, False, FIRST_RETRY_S / 2, FIRST_RETRY_S),
        (2, False, FIRST_RETRY_S, 2 * FIRST_RETRY_S),
        (50, False, LONGEST_RETRY_S / 2, LONGEST_RETRY_S),
        (1, True, REFUSED_RETRY_S, REFUSED_RETRY_S),
    ],
)
def test_waits_grow_and_are_bounded(attempts: int, *, permanent: bool, least_s: float, most_s: float) -> None:
    waits = [wait_s(attempts, permanent=permanent) for _ in range(100)]
    assert least_s <= min(waits)
    assert max(waits) <= most_s


def test_an_attempt_is_written_down_before_and_after(ledger: Ledger) -> None:
    box = Letterbox()
    seen: list[str] = []
    take = box.send

    def look(message: Message) -> None:
        seen.append(state(ledger))
        take(message)

    box.send = look  # type: ignore[method-assign]
    assert courier(box, ledger).turn()
    assert (seen, state(ledger)) == ([ATTEMPTING], "finished")
    assert not courier(box, ledger).turn()


def test_what_cannot_be_written_down_does_not_begin(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Letterbox()

    def full(_message: Message) -> Message:
        raise LogFullError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "begin", full)
        with pytest.raises(LogFullError):
            courier(box, ledger).turn()
    assert box.taken == []


def test_what_has_arrived_is_not_sent_again_for_a_full_disk(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Letterbox()
    one = courier(box, ledger)

    def full(_message: Message, _next_ms: int) -> None:
        raise LogBrokenError("the disk failed")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "finish", full)
        for _ in range(3):
            with pytest.raises(LogBrokenError):
                one.turn()
    assert not one.turn()
    assert len(box.taken) == 1
    assert ledger.counts()[SENT] == 1


def test_what_may_have_arrived_before_a_kill_is_sent_again(ledger: Ledger) -> None:
    ledger.begin(MESSAGE)
    box = Letterbox()
    courier(box, ledger).turn()
    assert [(message.id, message.attempts) for message in box.taken] == [("wattline-1", 2)]


def test_a_clock_that_was_set_back_does_not_stop_it(ledger: Ledger) -> None:
    box = Letterbox()
    box.problem = "away"
    courier(box, ledger).turn()
    box.problem = ""
    assert courier(box, ledger, NOW_MS - 30 * DAY_MS).turn()
    assert len(box.taken) == 1


def test_a_channel_that_fails_as_nobody_thought_goes_on(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Letterbox()

    def fail(_message: Message) -> None:
        raise LookupError("s3cret")

    monkeypatch.setattr(box, "send", fail)
    courier(box, ledger).turn()
    message = ledger.next_message("json:1", NOW_MS * 2, FOR_EVER_MS)
    assert message is not None
    assert (message.state, message.error) == (WAITING, "sending failed with LookupError")


def test_it_runs_in_a_thread_of_its_own(ledger: Ledger) -> None:
    box = Letterbox()
    running = courier(box, ledger)
    running.start()
    wait_until(lambda: state(ledger) == "finished", "sent")
    ledger.post(MESSAGE._replace(id="wattline-2", made_ms=NOW_MS + 1), {})
    running.wake()
    wait_until(lambda: len(box.taken) == 2, "the next one sent")
    running.stop()
    running.join(10)
