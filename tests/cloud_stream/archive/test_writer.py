"""Each reading once, whatever came when and however often; and one file of each closed day."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_stream.archive.local_target import LocalTarget
from cloud_stream.archive.rows import rows_of
from cloud_stream.archive.target import ArchiveTarget
from cloud_stream.archive.writer import ArchiveWriter
from cloud_stream.records import Columns
from tests.cloud_stream.archive.reading import Reading, copied, files, rows
from tests.cloud_stream.archive.samples import DAY_MS, HOUR_MS, MIDNIGHT_MS, NAN, power, readings

NOON_MS = MIDNIGHT_MS + 12 * HOUR_MS
LATER_MS = MIDNIGHT_MS + 3 * DAY_MS


def add(target: ArchiveTarget, *batches: Columns, now_ms: int = NOON_MS) -> None:
    ArchiveWriter(target).add(rows_of(batches), now_ms)


def at(t_ms: int, value: float, meter: str = "m1", quantity: str = "power_w") -> Reading:
    return Reading("house-1", meter, quantity, t_ms, value)


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        pytest.param([power(NOON_MS)], [at(NOON_MS, 1.0)], id="one"),
        pytest.param([power(NOON_MS, 1.0), power(NOON_MS, 1.0)], [at(NOON_MS, 1.0)], id="the same again"),
        pytest.param([power(NOON_MS, 1.0), power(NOON_MS, 2.0)], [at(NOON_MS, 2.0)], id="the later value of a gateway"),
        pytest.param(
            [power(NOON_MS, 1.0, gateway="gw-a"), power(NOON_MS, 2.0, gateway="gw-b")],
            [at(NOON_MS, 1.0)],
            id="the first gateway by name, though the other came later",
        ),
        pytest.param(
            [power(NOON_MS, 2.0, gateway="gw-b"), power(NOON_MS, 1.0, gateway="gw-a")],
            [at(NOON_MS, 1.0)],
            id="the first gateway by name, though the other came before",
        ),
        pytest.param(
            [readings({"power_w": [NAN, 2.0], "gas_m3": [3.0, NAN]}, [NOON_MS, NOON_MS + 1])],
            [at(NOON_MS, 3.0, quantity="gas_m3"), at(NOON_MS + 1, 2.0)],
            id="missing values are no rows",
        ),
        pytest.param([readings({"power_w": [NAN]}, [NOON_MS])], [], id="nothing but missing values"),
        pytest.param(
            [power(NOON_MS, 2.0, meter="m2"), power(NOON_MS, 1.0)],
            [at(NOON_MS, 1.0), at(NOON_MS, 2.0, "m2")],
            id="meters are kept apart",
        ),
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["at once", "one by one"])
def test_each_reading_once(
    target: ArchiveTarget, tmp_path: Path, batches: Sequence[Columns], expected: list[Reading], *, cut: bool
) -> None:
    for part in [[batch] for batch in batches] if cut else [batches]:
        add(target, *part)
    add(target, *batches)
    assert rows(copied(target, tmp_path / "copy")) == expected


def test_an_open_day_has_a_file_an_hour_and_a_closed_one_a_single_file(target: ArchiveTarget, tmp_path: Path) -> None:
    t_ms = [MIDNIGHT_MS - 9 * DAY_MS, MIDNIGHT_MS - 1, MIDNIGHT_MS, MIDNIGHT_MS + HOUR_MS - 1, NOON_MS]
    add(target, *map(power, t_ms))
    root = copied(target, tmp_path / "copy")
    assert files(root) == [
        "date=2026-10-24/day.parquet",
        "date=2026-11-01/hour-23.parquet",
        "date=2026-11-02/hour-00.parquet",
        "date=2026-11-02/hour-12.parquet",
    ]
    assert rows(root) == [at(t, 1.0) for t in t_ms]


def test_a_closed_day_becomes_one_file_and_takes_late_readings(target: ArchiveTarget, tmp_path: Path) -> None:
    t_ms = [MIDNIGHT_MS + hour * HOUR_MS for hour in range(24)]
    add(target, *map(power, t_ms))
    writer = ArchiveWriter(target)
    writer.compact(MIDNIGHT_MS + 2 * DAY_MS - 1)
    assert writer.counts["compactions"] == 0
    writer.compact(MIDNIGHT_MS + 2 * DAY_MS)
    add(target, power(t_ms[3] + 5), power(t_ms[3], 7.0), now_ms=LATER_MS)
    writer.compact(LATER_MS)
    assert writer.counts["compactions"] == 1
    root = copied(target, tmp_path / "copy")
    assert files(root) == ["date=2026-11-02/day.parquet"]
    values = dict.fromkeys(t_ms, 1.0) | {t_ms[3] + 5: 1.0, t_ms[3]: 7.0}
    assert rows(root) == [at(t, value) for t, value in sorted(values.items())]


def test_a_dense_hour_has_a_file_a_minute_until_an_hour_after_its_end(
    target: ArchiveTarget, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud_stream.archive.writer.DENSE_ROWS", 100)
    t_ms = [NOON_MS + i * 60_000 for i in range(3)]
    add(target, *(power(t, meter=meter) for t in t_ms for meter in ("m1", "m2")))
    add(target, power(t_ms[1], 5.0))
    assert target.names("2026-11-02") == {f"hour-12-{minute:02d}.parquet" for minute in range(3)}
    writer = ArchiveWriter(target)
    writer.compact(NOON_MS + 2 * HOUR_MS - 1)
    assert writer.counts["compactions"] == 0
    writer.compact(NOON_MS + 2 * HOUR_MS)
    assert target.names("2026-11-02") == {"hour-12.parquet"}
    add(target, *(power(t + 1, meter=meter) for t in t_ms for meter in ("m1", "m2")))
    assert target.names("2026-11-02") == {"hour-12.parquet"}
    found = rows(copied(target, tmp_path / "copy"))
    expected = {(meter, t + late): 1.0 for meter in ("m1", "m2") for t in t_ms for late in (0, 1)}
    expected["m1", t_ms[1]] = 5.0
    assert found == [at(t, value, meter) for (meter, t), value in sorted(expected.items())]


def test_a_late_reading_of_a_day_that_is_closed_but_not_compacted(target: ArchiveTarget, tmp_path: Path) -> None:
    add(target, power(NOON_MS))
    add(target, power(NOON_MS, 2.0), power(NOON_MS + HOUR_MS), now_ms=LATER_MS)
    ArchiveWriter(target).compact(LATER_MS)
    root = copied(target, tmp_path / "copy")
    assert files(root) == ["date=2026-11-02/day.parquet"]
    assert rows(root) == [at(NOON_MS, 2.0), at(NOON_MS + HOUR_MS, 1.0)]


def test_a_clock_that_was_ahead_leaves_days_with_both_kinds_of_files(target: ArchiveTarget, tmp_path: Path) -> None:
    add(target, power(NOON_MS), now_ms=LATER_MS)
    add(target, power(NOON_MS, 2.0), power(NOON_MS + HOUR_MS), now_ms=NOON_MS)
    root = copied(target, tmp_path / "copy")
    assert files(root) == ["date=2026-11-02/day.parquet"]
    assert rows(root) == [at(NOON_MS, 2.0), at(NOON_MS + HOUR_MS, 1.0)]


AMOUNT = readings({"energy_kwh": [0.5], "power_w": [1.0]}, [NOON_MS], interval_ms=1_800_000)


def test_amounts_have_their_interval_and_rows_their_gateway(tmp_path: Path) -> None:
    import polars as pl

    target = LocalTarget(tmp_path)
    add(target, AMOUNT)
    found = pl.read_parquet(tmp_path / files(tmp_path)[0], hive_partitioning=False)
    assert found.select("quantity", "gateway", "interval_ms").rows() == [
        ("energy_kwh", "gw-1", 1_800_000),
        ("power_w", "gw-1", 0),
    ]


KEYS = st.tuples(
    st.sampled_from(["house-1", "house-2"]),
    st.sampled_from(["gw-a", "gw-b"]),
    st.integers(-60, 60).map(lambda hour: NOON_MS + hour * HOUR_MS),
)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    delivered=st.lists(st.tuples(KEYS, st.integers(0, 5).map(float)), min_size=1, max_size=16),
    cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.sampled_from([1, 5_000_000])), max_size=4),
)
def test_how_rows_are_cut_and_repeated_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    delivered: list[tuple[tuple[str, str, int], float]],
    cuts: list[tuple[int, int, int]],
) -> None:
    """What was taken in before a crash is taken in again, from some row on, in other pieces."""
    root = tmp_path_factory.mktemp("archive")
    target = LocalTarget(root)
    batches = [power(t, value, site=site, gateway=gateway) for (site, gateway, t), value in delivered]
    for end, days, dense_rows in cuts:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("cloud_stream.archive.writer.DENSE_ROWS", dense_rows)
            add(target, *batches[:end], now_ms=NOON_MS + days * DAY_MS)
            ArchiveWriter(target).compact(NOON_MS + days * DAY_MS)
    add(target, *batches)
    believed: dict[tuple[str, int], tuple[str, float]] = {}
    for (site, gateway, t), value in delivered:
        known = believed.get((site, t))
        if known is None or gateway <= known[0]:
            believed[site, t] = (gateway, value)
    assert rows(root) == [
        Reading(site, "m1", "power_w", t, value) for (site, t), (_, value) in sorted(believed.items())
    ]


def test_more_meters_than_are_merged_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud_stream.archive.files.CHUNK_ROWS", 50)
    target = LocalTarget(tmp_path)
    batches = [
        readings({"power_w": [float(i) for i in range(60)]}, range(NOON_MS + shift, NOON_MS + shift + 60), site=site)
        for site in ("a", "b", "c", "d")
        for shift in (0, 30)
    ]
    random.Random(1).shuffle(batches)
    for batch in batches:
        add(target, batch)
    ArchiveWriter(target).compact(LATER_MS)
    found = rows(tmp_path)
    assert files(tmp_path) == ["date=2026-11-02/day.parquet"]
    assert [(row.site, row.t) for row in found] == [(s, NOON_MS + i) for s in "abcd" for i in range(90)]


def test_a_damaged_file_is_set_aside_and_new_readings_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = LocalTarget(tmp_path)
    add(target, *(power(NOON_MS + i) for i in range(1000)))
    file = tmp_path / files(tmp_path)[0]
    content = bytearray(file.read_bytes())
    content[40:80] = bytes(40)
    file.write_bytes(content)
    writer = ArchiveWriter(target)
    writer.add(rows_of([power(NOON_MS, 5.0)]), NOON_MS)
    assert rows(tmp_path) == [at(NOON_MS, 5.0)]
    assert writer.counts["damaged_files"] == 1
    assert "archive_file_damaged day=2026-11-02 file=hour-12.parquet" in caplog.text
    assert file.with_name("hour-12.parquet.damaged").read_bytes() == content
