"""What is remembered of a subject's consumption."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.intents.ledger import KEPT_MS, Ledger, ShortWindow, usual_day_kwh
from cloud_stream.intents.ports import Past

STEP_MS = 1_800_000
SLOTS = KEPT_MS // STEP_MS
DAY_MS = 86_400_000


@given(rows=st.lists(st.tuples(st.integers(0, 3 * SLOTS), st.floats(0, 100)), max_size=60))
def test_the_newest_word_of_every_interval_within_reach_is_kept(rows: list[tuple[int, float]]) -> None:
    ledger, truth, newest = Ledger(STEP_MS), dict[int, float](), 0
    for number, value in rows:
        newest = max(newest, number)
        taken = ledger.put(number * STEP_MS, value)
        assert taken == (number > newest - SLOTS)
        if taken:
            truth[number] = value
        truth = {one: kwh for one, kwh in truth.items() if one > newest - SLOTS}
    used = ledger.used_kwh(0, 3 * SLOTS * STEP_MS + STEP_MS)
    assert {int(place): used[place] for place in np.flatnonzero(~np.isnan(used))} == truth


def test_the_store_fills_gaps_and_replaces_nothing() -> None:
    ledger = Ledger(STEP_MS)
    ledger.put(2 * STEP_MS, 7.0)
    ledger.fill(Past(np.array([1, 2, 3]) * STEP_MS, np.array([1.0, 2.0, 3.0]), np.full(3, np.nan)))
    assert ledger.used_kwh(0, 4 * STEP_MS).tolist() == pytest.approx([np.nan, 1.0, 7.0, 3.0], nan_ok=True)
    ledger.fill(Past(np.array([], np.int64), np.array([]), np.array([])))


@pytest.mark.parametrize("whole", [True, False])
def test_a_snapshot_holds_what_the_store_may_lack(whole: bool) -> None:  # noqa: FBT001 (a table's column)
    ledger = Ledger(STEP_MS)
    for number in range(1000):
        ledger.put(number * STEP_MS, float(number))
    ledger.put_short(0, ShortWindow(1.0, 2.0))
    ledger.put_forecast(1000 * STEP_MS, 5.0, 999 * STEP_MS)
    ledger.is_whole = True
    again = Ledger(STEP_MS)
    again.restore(pickle.loads(pickle.dumps(ledger.snapshot(whole=whole))))  # noqa: S301 (our own bytes)
    known = 1000 if whole else 96
    assert again.used_kwh(0, 1000 * STEP_MS)[-known:].tolist() == list(range(1000 - known, 1000))
    assert np.isnan(again.used_kwh(0, (1000 - known) * STEP_MS)).all()
    assert (again.short, again.forecast_kwh, again.is_whole) == (ledger.short, ledger.forecast_kwh, whole)


def test_the_usual_day_is_the_mean_of_the_days_that_are_known() -> None:
    ledger = Ledger(STEP_MS)
    for day in range(7):
        for slot in range(48):
            if (day, slot) != (3, 5) and slot != 9:
                ledger.put(day * DAY_MS + slot * STEP_MS, day + slot / 100)
    usual = usual_day_kwh(ledger, 7 * DAY_MS, STEP_MS)
    assert usual[0] == pytest.approx(3.0)
    assert usual[5] == pytest.approx(3.05)
    assert usual[9] == pytest.approx(np.mean(np.delete(usual, 9)), rel=0.01)
    assert np.isnan(usual_day_kwh(Ledger(STEP_MS), 7 * DAY_MS, STEP_MS)).all()


def test_forecasts_that_are_over_or_too_far_are_not_kept() -> None:
    ledger = Ledger(STEP_MS)
    for start_ms in (0, 3 * DAY_MS, 9 * DAY_MS):
        ledger.put_forecast(start_ms, 1.0, 3 * DAY_MS)
    assert list(ledger.forecast_kwh) == [3 * DAY_MS]
    ledger.drop_forecasts(3 * DAY_MS + 1)
    assert ledger.forecast_kwh == {}


def test_very_short_intervals_are_kept_by_number() -> None:
    ledger = Ledger(1000)
    assert ledger.put(100_000_000, 1.0)
    assert ledger.put(100_000_000 - 19_999_000, 1.0)
    assert not ledger.put(100_000_000 - 20_000_000, 1.0)
