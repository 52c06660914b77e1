"""A silence is about what it names, while it is in force, and outlives a restart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud_stream.notify.alert_names import name_of
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.silences import KEPT_AFTER_END_MS, Silence, silence_of
from tests.cloud_stream.notify.notices import NOW_MS, POWER, power, silent


def made(**changes: Any) -> Silence:  # noqa: ANN401 (fields of every type)
    plain = Silence(id="", from_ms=NOW_MS - 1000, until_ms=NOW_MS + 1000)
    return msgspec.structs.replace(plain, **changes)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("changes", "matches"),
    [
        ({}, True),
        ({"rule": "connection limit"}, True),
        ({"rule": "connection"}, False),
        ({"rule": "connection*"}, True),
        ({"site": "house-?"}, True),
        ({"site": "house-2"}, False),
        ({"severity": "warning"}, False),
        ({"meter": "MAC*"}, False),
        ({"site": "house-1", "severity": "crit*", "meter": ""}, True),
        ({"site": "House-1"}, False),
        ({"alert": name_of(POWER).id}, True),
        ({"alert": name_of(silent(1)).id}, False),
    ],
)
def test_a_silence_matches_what_it_names(changes: dict[str, str], *, matches: bool) -> None:
    assert made(**changes).matches(POWER) is matches


@pytest.mark.parametrize(
    ("now_ms", "silenced"),
    [(NOW_MS - 1001, False), (NOW_MS - 1000, True), (NOW_MS + 999, True), (NOW_MS + 1000, False)],
)
def test_a_silence_has_a_time(now_ms: int, *, silenced: bool) -> None:
    assert (silence_of(POWER, [made()], now_ms) is not None) is silenced


def test_an_alert_is_the_same_in_all_its_notices() -> None:
    assert name_of(power("other", state="resolved", severity="info", value=1.0)) == name_of(POWER)


def test_no_two_alerts_have_one_id() -> None:
    assert len({name_of(silent(number)).id for number in range(100_000)}) == 100_000


def test_silences_are_kept(ledger: Ledger, tmp_path: Path) -> None:
    first = ledger.silences.add(made(comment="a"), NOW_MS)
    second = ledger.silences.add(made(from_ms=NOW_MS - 2000, comment="b"), NOW_MS)
    assert ledger.silences.add(made(comment="a"), NOW_MS) == first
    assert Ledger(tmp_path).silences.all() == [second, first]
    assert len({first.id, second.id, ""}) == 3


def test_a_silence_can_be_ended(ledger: Ledger) -> None:
    kept = ledger.silences.add(made(), NOW_MS)
    assert ledger.silences.end([kept.id, "unknown"], NOW_MS) == [kept.id]
    assert not ledger.silences.all()[0].is_active(NOW_MS)
    assert ledger.silences.end([kept.id], NOW_MS) == []


def test_old_silences_are_forgotten(ledger: Ledger) -> None:
    old = ledger.silences.add(made(comment="old"), NOW_MS)
    new = ledger.silences.add(made(comment="new"), old.until_ms + KEPT_AFTER_END_MS + 1)
    assert ledger.silences.all() == [new]
