"""What every store does, on real databases: the `Store` port as a specification."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_stream.measurements import MAX_TAG_LENGTH, MAX_TEXT_LENGTH, MAX_TIME_MS
from cloud_stream.ports import Series, Store
from cloud_stream.records import Point, PointColumns
from cloud_stream.stores import ReadableStore
from tests.cloud_stream.stores.columns import NAN, NOW_MS, forecasts, frames, readings

MINUTE_MS = 60_000
T = [NOW_MS + i * MINUTE_MS for i in range(-10, 0)]
DAY_MS = 86_400_000


def listed(series: Series) -> list[tuple[int, float]]:
    return list(zip(series.t_ms.tolist(), series.values.tolist(), strict=True))


def usage(start_ms: int, fields: dict[str, float], **tags: str) -> Point:
    given_tags = {"level": "meter", "site": "house-1", "meter": "m1", "window": "5m"} | tags
    return Point("usage", given_tags, start_ms, fields)


def test_preparing_again_changes_nothing(store: Store) -> None:
    store.write([readings({"power_w": [1.0]}, T[:1])], [])
    store.prepare()
    assert listed(store.readings("house-1", "m1", T[0], T[1])["power_w"]) == [(T[0], 1.0)]


def test_an_empty_store_answers_with_nothing(store: Store) -> None:
    assert store.readings("house-1", "m1", T[0], T[9]) == {}
    assert list(store.points("usage", {"level": "meter"}, T[0], T[9])) == []
    assert store.mark("shard-00") == ("", 0)


def test_writing_nothing_is_fine(store: Store) -> None:
    assert store.write([], []) == []
    assert store.write([readings({"power_w": []}, [])], []) == []
    assert store.write([readings({"power_w": [NAN]}, T[:1])], []) == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        pytest.param(3, 5, [2, 3, 4, 5], id="one beyond each border"),
        pytest.param(0, 10, list(range(10)), id="all there is"),
        pytest.param(4, 4, [3, 4], id="an empty range still has borders"),
    ],
)
def test_readings_come_with_their_neighbours(store: Store, start: int, end: int, expected: list[int]) -> None:
    store.write([readings({"power_w": [float(i) for i in range(10)]}, T)], [])
    end_ms = T[end] if end < len(T) else T[-1] + 1
    found = store.readings("house-1", "m1", T[start], end_ms)
    assert listed(found["power_w"]) == [(T[i], float(i)) for i in expected]


def test_neighbours_are_found_however_far_away_each_for_its_quantity(store: Store) -> None:
    far_ms = T[0] - 300 * DAY_MS
    store.write(
        [
            readings({"gas_m3": [7.0]}, [far_ms], gateway="gw-old"),
            readings({"power_w": [1.0, 2.0, 3.0]}, T[4:7]),
            readings({"gas_m3": [9.0], "power_w": [NAN]}, T[9:10]),
        ],
        [],
    )
    found = store.readings("house-1", "m1", T[5], T[6])
    assert {name: listed(series) for name, series in found.items()} == {
        "power_w": [(T[4], 1.0), (T[5], 2.0), (T[6], 3.0)],
        "gas_m3": [(far_ms, 7.0), (T[9], 9.0)],
    }


def test_missing_values_are_left_out(store: Store) -> None:
    store.write([readings({"power_w": [1.0, NAN, 3.0], "energy_import_kwh": [NAN, NAN, 5.0]}, T[:3])], [])
    found = store.readings("house-1", "m1", T[0], T[9])
    assert listed(found["power_w"]) == [(T[0], 1.0), (T[2], 3.0)]
    assert listed(found["energy_import_kwh"]) == [(T[2], 5.0)]


def test_a_repeated_row_replaces_the_quantities_that_it_has(store: Store) -> None:
    store.write([readings({"power_w": [1.0], "gas_m3": [2.0]}, T[:1])], [])
    store.write([readings({"power_w": [5.0], "gas_m3": [NAN]}, T[:1])], [])
    found = store.readings("house-1", "m1", T[0], T[1])
    assert {name: listed(series) for name, series in found.items()} == {
        "power_w": [(T[0], 5.0)],
        "gas_m3": [(T[0], 2.0)],
    }


def test_of_equal_rows_in_one_write_the_later_stays(store: Store) -> None:
    store.write([readings({"power_w": [1.0, 2.0]}, [T[0], T[0]]), readings({"power_w": [3.0]}, T[:1])], [])
    assert listed(store.readings("house-1", "m1", T[0], T[1])["power_w"]) == [(T[0], 3.0)]


def test_gateways_of_a_meter_are_merged_and_the_first_by_name_is_believed(store: Store) -> None:
    store.write(
        [
            readings({"power_w": [10.0, 20.0, 30.0]}, T[1:4], gateway="gw-b"),
            readings({"power_w": [1.0, 2.0, 3.0]}, [T[0], T[2], T[3]], gateway="gw-a"),
        ],
        [],
    )
    found = store.readings("house-1", "m1", T[1], T[3])
    assert listed(found["power_w"]) == [(T[0], 1.0), (T[1], 10.0), (T[2], 2.0), (T[3], 3.0)]


def test_meters_and_sites_are_kept_apart(store: Store) -> None:
    heads = [("house-1", "gw-1", "m1", 1), ("house-1", "gw-1", "m2", 2), ("house-2", "gw-1", "m1", 1)]
    heads.append(("house-1", "gw-1", "m1", 1))
    store.write([frames({"power_w": [1, 2, 3, 4, 5]}, [T[0], T[0], T[1], T[0], T[1]], heads)], [])
    assert listed(store.readings("house-1", "m1", T[0], T[2])["power_w"]) == [(T[0], 1.0), (T[1], 5.0)]
    assert listed(store.readings("house-1", "m2", T[0], T[2])["power_w"]) == [(T[0], 2.0), (T[1], 3.0)]
    assert listed(store.readings("house-2", "m1", T[0], T[2])["power_w"]) == [(T[0], 4.0)]


@pytest.mark.parametrize("start", [0, 1], ids=["in the range", "beyond its border"])
def test_amounts_keep_their_interval(store: Store, start: int) -> None:
    store.write(
        [
            readings({"energy_kwh": [0.5]}, T[:1], interval_ms=1_800_000),
            readings({"power_w": [500.0]}, T[:1]),
        ],
        [],
    )
    found = store.readings("house-1", "m1", T[start], T[9])
    assert (found["energy_kwh"].interval_ms, found["power_w"].interval_ms) == (1_800_000, 0)


def test_the_newest_interval_is_told(store: Store) -> None:
    store.write([readings({"energy_kwh": [0.5]}, T[:1], interval_ms=1_800_000)], [])
    store.write([readings({"energy_kwh": [0.5]}, T[1:2], interval_ms=900_000)], [])
    assert store.readings("house-1", "m1", T[0], T[9])["energy_kwh"].interval_ms == 900_000


def test_more_rows_than_one_request_holds(store: Store) -> None:
    count = 50_001
    t_ms = [T[0] - i * 1000 for i in range(count)]
    assert store.write([readings({"power_w": [float(i) for i in range(count)]}, t_ms)], []) == []
    found = store.readings("house-1", "m1", t_ms[-1], T[1])["power_w"]
    assert listed(found) == [(t, float(i)) for i, t in reversed(list(enumerate(t_ms)))]


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\")
TAGS = st.text(PRINTABLE, min_size=1, max_size=40)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
REAL_SERVER = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@REAL_SERVER
@given(values=st.lists(FLOATS, min_size=1, max_size=20), meter=TAGS)
def test_numbers_and_names_come_back_as_they_went(store: Store, values: list[float], meter: str) -> None:
    t_ms = [T[0] + i for i in range(len(values))]
    assert store.write([readings({"power_w": values}, t_ms, meter=meter, site=f"of {meter}")], []) == []
    found = store.readings(f"of {meter}", meter, T[0], T[0] + len(values))["power_w"]
    assert listed(found)[: len(values)] == list(zip(t_ms, values, strict=True))


@REAL_SERVER
@given(meter=TAGS, number=FLOATS, text=TEXTS, flag=st.booleans())
def test_points_come_back_as_they_went(store: Store, meter: str, number: float, text: str, flag: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
    point = Point(
        "usage",
        {"level": "meter", "site": "s", "meter": meter, "window": "5m"},
        T[0],
        {"energy_kwh": number, "note": text, "complete": flag},
    )
    assert store.write([], [point]) == []
    assert list(store.points("usage", {"meter": meter, "level": "meter"}, T[0], T[1])) == [point]


def test_points_by_the_column_are_stored_as_the_points_that_they_are(store: Store) -> None:
    columns = forecasts([[1.0, NAN, 3.0], [4.0, 5.5, 1e-9]], T[:3])
    assert store.write([columns], []) == []
    found = store.points("forecast", {"level": "meter"}, T[0], T[9])
    assert sorted(found, key=_place) == sorted(columns, key=_place)
    assert len(found) == len(columns) == 5


def _place(point: Point) -> tuple[str, int]:
    return point.tags["meter"], point.t_ms


def test_points_by_the_column_replace_each_other_and_come_before_the_points_of_the_same_write(store: Store) -> None:
    store.write([forecasts([[1.0], [2.0]], T[:1], model="old")], [])
    newer = forecasts([[5.0], [6.0]], T[:1], model="new")
    last = Point("forecast", newer[0].tags, T[0], {"energy_kwh": 9.0})
    store.write([newer], [last])
    first, second = sorted(store.points("forecast", {"level": "meter"}, T[0], T[1]), key=_place)
    assert (first.fields, second.fields) == ({**newer[0].fields, "energy_kwh": 9.0}, newer[1].fields)


@pytest.mark.parametrize(
    ("columns", "refused"),
    [
        (forecasts([[1.0], [2.0]], T[:1], meters=("m\\1", "m2")), 1),
        (forecasts([[1.0, 2.0], [3.0, 4.0]], [T[0], T[0] - 500 * DAY_MS]), 2),
        (forecasts([[1.0], [2.0]], T[:1], model="a\0b"), 2),
        (forecasts([[1.0], [2.0]], T[:1], Model="b"), 2),
    ],
    ids=["a tag", "a time", "a text", "a name"],
)
def test_of_points_by_the_column_only_those_that_no_store_can_keep_are_refused(
    store: Store, columns: PointColumns, refused: int
) -> None:
    assert len(store.write([columns], [])) == refused
    assert len(store.points("forecast", {"level": "meter"}, T[0] - 1000 * DAY_MS, T[9])) == len(columns) - refused


def test_no_points_by_the_column_are_no_trouble(store: Store) -> None:
    nothing = forecasts([[NAN], [NAN]], T[:1])
    nobody = forecasts([], T[:1], meters=())
    never = forecasts([[], []], [])
    assert store.write([nothing, nobody, never], []) == []


def test_many_points_by_the_column(store: Store) -> None:
    count = 25_001
    columns = forecasts([[0.25] * count, [1.0] * count], [T[0] - i * 1000 for i in range(count)])
    assert store.write([columns], []) == []
    assert len(store.points("forecast", {"meter": "m2"}, 0, T[9])) == count


def test_whole_numbers_are_floats_whichever_came_first(store: Store) -> None:
    assert store.write([], [usage(T[0], {"power_w_n": 3}), usage(T[1], {"power_w_n": 3.5})]) == []
    assert [point.fields for point in store.points("usage", {"meter": "m1"}, T[0], T[2])] == [
        {"power_w_n": 3.0},
        {"power_w_n": 3.5},
    ]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({"level": "meter", "site": "house-1", "meter": "m1", "window": "5m"}, ["m1@0", "m1@1"], id="all"),
        pytest.param({"level": "meter", "site": "house-1"}, ["m1@0", "m2@0", "m1@1"], id="a site's meters, by time"),
        pytest.param({"level": "site", "meter": ""}, ["@0"], id="an absent tag is the empty one"),
        pytest.param({"level": "meter", "window": "5m"}, ["m1@0", "m2@0", "m1@0", "m1@1"], id="all sites of a level"),
        pytest.param({"level": "fleet"}, [], id="nobody"),
        pytest.param({"level": "fleet", "window": "5m"}, [], id="nobody of all sites"),
        pytest.param({}, ["@0", "m1@0", "m2@0", "m1@0", "m1@1"], id="everything"),
    ],
)
def test_usage_by_tags(store: Store, tags: dict[str, str], expected: Sequence[str]) -> None:
    store.write(
        [],
        [
            usage(T[1], {"energy_kwh": 2.0}),
            usage(T[0], {"energy_kwh": 1.0}),
            usage(T[0], {"energy_kwh": 3.0}, meter="m2"),
            usage(T[0], {"energy_kwh": 4.0}, level="site", meter=""),
            usage(T[0], {"energy_kwh": 5.0}, site="house-2"),
            usage(T[2], {"energy_kwh": 9.0}),
        ],
    )
    found = store.points("usage", tags, T[0], T[2])
    assert [point.t_ms for point in found] == sorted(point.t_ms for point in found)
    names = [f"{point.tags['meter']}@{T.index(point.t_ms)}" for point in found]
    assert sorted(names) == sorted(expected)


def test_a_repeated_point_replaces_the_fields_that_it_has(store: Store) -> None:
    store.write([], [usage(T[0], {"energy_kwh": 1.0, "power_w_mean": 5.0})])
    store.write([], [usage(T[0], {"energy_kwh": 2.0})])
    assert [point.fields for point in store.points("usage", {"meter": "m1"}, T[0], T[1])] == [
        {"energy_kwh": 2.0, "power_w_mean": 5.0}
    ]


def mark(shard: str, number: int, t_ms: int) -> Point:
    return Point("flow_mark", {"shard": shard}, t_ms, {"incarnation": f"run {number}", "number": number})


def test_the_newest_mark_of_a_shard(store: Store) -> None:
    large = 2**60 + 1
    store.write([], [mark("shard-01", 7, T[0]), mark("shard-01", large, T[2]), mark("shard-02", 9, T[3])])
    store.write([], [mark("shard-01", 8, T[1])])
    assert store.mark("shard-01") == (f"run {large}", large)
    assert store.mark("shard-02") == ("run 9", 9)


BEFORE_RETENTION_MS = NOW_MS - 401 * DAY_MS
FINE = usage(T[5], {"energy_kwh": 1.0})


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (usage(BEFORE_RETENTION_MS, {"energy_kwh": 1.0}), "outside_retention"),
        (Point("unheard_of", {}, T[0], {"x": 1.0}), "unknown_measurement"),
        (usage(T[0], {}), "bad_field"),
        (usage(T[0], {"Upper": 1.0}), "bad_field"),
        (usage(T[0], {"a b": 1.0}), "bad_field"),
        (usage(T[0], {"time": 1.0}), "bad_field"),
        (usage(T[0], {"site": 1.0}), "bad_field"),
        (usage(T[0], {"energy_kwh": math.inf}), "bad_value"),
        (usage(T[0], {"energy_kwh": NAN}), "bad_value"),
        (usage(T[0], {"energy_kwh": 10**400}), "bad_value"),
        (usage(MAX_TIME_MS + 1, {"energy_kwh": 1.0}), "bad_time"),
        (usage(2**70, {"energy_kwh": 1.0}), "bad_time"),
        (Point("usage", {"level": "m"}, T[0], {"note": "x" * (MAX_TEXT_LENGTH + 1)}), "bad_value"),
        (Point("usage", {"level": "m"}, T[0], {"note": "\ud800"}), "bad_value"),
        (usage(T[0], {"energy_kwh": 1.0}, meter="back\\"), "bad_tag"),
        (usage(T[0], {"energy_kwh": 1.0}, meter="line\nfeed"), "bad_tag"),
        (usage(T[0], {"energy_kwh": 1.0}, meter="\ud800"), "bad_tag"),
        (usage(T[0], {"energy_kwh": 1.0}, meter="m" * (MAX_TAG_LENGTH + 1)), "bad_tag"),
        (usage(T[0], {"energy_kwh": 1.0}, colour="red"), "bad_tag"),
    ],
)
def test_a_point_that_no_store_can_keep_is_handed_back_and_the_others_stay(
    store: Store, point: Point, reason: str
) -> None:
    (rejected,) = store.write([], [point, FINE])
    assert (rejected.reason, point.measurement.encode() in rejected.row) == (reason, True)
    assert list(store.points("usage", {}, T[0], T[9])) == [FINE]


def test_readings_outside_the_retention_are_handed_back_row_by_row(store: Store) -> None:
    old = [BEFORE_RETENTION_MS, BEFORE_RETENTION_MS + 1000]
    rejected = store.write([readings({"power_w": [1.0, 2.0, 3.0]}, [old[0], T[0], old[1]])], [])
    assert [found.reason for found in rejected] == ["outside_retention"] * 2
    assert rejected[1].row == f"reading,site=house-1,gateway=gw-1,meter=m1 power_w=3.0 {old[1]}".encode()
    assert listed(store.readings("house-1", "m1", T[0], T[1])["power_w"]) == [(T[0], 2.0)]


@pytest.mark.parametrize("t_ms", [MAX_TIME_MS + 1, 2**53, 2**62])
def test_readings_at_an_impossible_time_are_handed_back(store: Store, t_ms: int) -> None:
    (rejected,) = store.write([readings({"power_w": [1.0, 2.0]}, [t_ms, T[0]])], [])
    assert rejected.reason == "bad_time"
    assert listed(store.readings("house-1", "m1", T[0], T[1])["power_w"]) == [(T[0], 2.0)]


def test_the_last_possible_time(store: Store) -> None:
    assert store.write([readings({"power_w": [1.0]}, [MAX_TIME_MS])], [usage(MAX_TIME_MS, {"energy_kwh": 1.0})]) == []
    assert listed(store.readings("house-1", "m1", T[0], T[1])["power_w"]) == [(MAX_TIME_MS, 1.0)]


def test_readings_of_an_impossible_name_are_handed_back(store: Store) -> None:
    heads = [("s", "g", "line\nfeed", 1), ("s", "g", "fine", 1)]
    (rejected,) = store.write([frames({"power_w": [1.0, 2.0]}, T[:2], heads)], [])
    assert rejected.reason == "bad_tag"
    assert listed(store.readings("s", "fine", T[0], T[9])["power_w"]) == [(T[1], 2.0)]


# -- the measurements as they are: the `Tables` port

ALARM_TAGS = {"site": "house-1", "gateway": "gw-1", "meter": "m1", "detector": ""}


def rows_of(
    store: ReadableStore, measurement: str, tags: dict[str, str], fields: Sequence[str], start: int = 0, end: int = 9
) -> list[dict[str, object]]:
    pieces = list(store.table(measurement, tags, fields, T[start], T[end]))
    return [dict(zip(piece.columns, row, strict=True)) for piece in pieces for row in piece.rows]


def filled(store: ReadableStore) -> None:
    store.write(
        [
            readings({"power_w": [1.0, 2.0], "gas_m3": [NAN, 5.0]}, T[:2]),
            readings({"power_w": [3.0]}, T[:1], gateway="gw-2"),
            readings({"power_w": [4.0]}, T[2:3], meter="m2"),
            readings({"energy_kwh": [0.5]}, T[3:4], site="house-2", interval_ms=1_800_000),
        ],
        [
            usage(T[1], {"energy_kwh": 2.0, "power_w_mean": 5.0}),
            usage(T[4], {"energy_kwh": 3.0}, level="fleet", site="", meter=""),
            usage(T[0], {"energy_kwh": 4.0}, window="30m"),
            Point("anomaly", ALARM_TAGS, T[2], {"score": 1.0, "reason": '-x, "y"', "open": True}),
        ],
    )


def test_fields_of_a_measurement(store: ReadableStore) -> None:
    assert list(store.field_names("reading")) == []
    store.write([readings({"power_w": [1.0]}, T[:1])], [])
    assert list(store.field_names("reading")) == ["power_w"]
    filled(store)
    assert store.field_names("reading") == ["energy_kwh", "gas_m3", "interval_ms", "power_w"]
    assert store.field_names("usage") == ["energy_kwh", "power_w_mean"]
    assert list(store.field_names("forecast")) == []


@pytest.mark.parametrize(
    ("measurement", "tag", "expected"),
    [
        ("reading", "site", ["house-1", "house-2"]),
        ("reading", "meter", ["m1", "m2"]),
        ("reading", "gateway", ["gw-1", "gw-2"]),
        ("usage", "window", ["30m", "5m"]),
        ("usage", "meter", ["m1"]),
        ("anomaly", "detector", []),
        ("forecast", "site", []),
    ],
)
def test_values_of_a_tag(store: ReadableStore, measurement: str, tag: str, expected: list[str]) -> None:
    filled(store)
    assert store.tag_values(measurement, tag) == expected


@pytest.mark.parametrize(
    ("measurement", "tags", "expected"),
    [
        ("reading", {}, (0, 3)),
        ("reading", {"site": "house-1"}, (0, 2)),
        ("reading", {"gateway": "gw-2"}, (0, 0)),
        ("reading", {"meter": "m2", "gateway": "gw-1"}, (2, 2)),
        ("reading", {"site": "house-3"}, None),
        ("usage", {}, (0, 4)),
        ("usage", {"site": ""}, (4, 4)),
        ("usage", {"window": "5m", "meter": "m1"}, (1, 1)),
        ("usage", {"level": "fleet", "window": "5m"}, (4, 4)),
        ("usage", {"level": "fleet", "window": "30m"}, None),
        ("anomaly", {"detector": ""}, (2, 2)),
        ("forecast", {}, None),
    ],
)
def test_the_first_and_the_last_time(
    store: ReadableStore, measurement: str, tags: dict[str, str], expected: tuple[int, int] | None
) -> None:
    filled(store)
    found = store.time_range(measurement, tags)
    assert found == (None if expected is None else (T[expected[0]], T[expected[1]]))


def test_rows_come_as_they_are_stored(store: ReadableStore) -> None:
    filled(store)
    m1 = {"site": "house-1", "meter": "m1"}
    found = rows_of(store, "reading", m1, ["gas_m3", "power_w"])
    assert sorted(found, key=lambda row: (row["t_ms"], row["gateway"])) == [
        {**m1, "gateway": "gw-1", "t_ms": T[0], "gas_m3": None, "power_w": 1.0},
        {**m1, "gateway": "gw-2", "t_ms": T[0], "gas_m3": None, "power_w": 3.0},
        {**m1, "gateway": "gw-1", "t_ms": T[1], "gas_m3": 5.0, "power_w": 2.0},
    ]
    assert rows_of(store, "anomaly", {}, ["open", "reason", "score"]) == [
        {**ALARM_TAGS, "t_ms": T[2], "open": True, "reason": '-x, "y"', "score": 1.0}
    ]


@pytest.mark.parametrize(
    ("tags", "start", "end", "expected"),
    [
        ({}, 0, 9, [0, 1, 4]),
        ({}, 1, 4, [1]),
        ({"window": "5m"}, 0, 9, [1, 4]),
        ({"level": "meter", "window": "5m", "site": "house-1", "meter": "m1"}, 0, 9, [1]),
        ({"meter": ""}, 0, 9, [4]),
        ({"site": "house-9"}, 0, 9, []),
    ],
)
def test_rows_of_some_tags_and_times(
    store: ReadableStore, tags: dict[str, str], start: int, end: int, expected: list[int]
) -> None:
    filled(store)
    found = rows_of(store, "usage", tags, ["energy_kwh"], start, end)
    assert sorted(T.index(row["t_ms"]) for row in found) == expected  # type: ignore[arg-type]  # times are integers


def test_whole_numbers_of_a_table_have_the_type_of_their_field(store: ReadableStore) -> None:
    filled(store)
    (row,) = rows_of(store, "reading", {"site": "house-2"}, ["energy_kwh", "interval_ms", "power_w"])
    assert (row["energy_kwh"], row["interval_ms"], row["power_w"]) == (0.5, 1_800_000, None)
    assert type(row["interval_ms"]) is int
    (row,) = rows_of(store, "usage", {"level": "fleet"}, ["energy_kwh"])
    assert type(row["energy_kwh"]) is float


def test_many_rows_come_in_pieces_and_each_series_in_the_order_of_time(store: ReadableStore) -> None:
    count = 45_000
    t_ms = [T[0] + i for i in range(count)]
    store.write([readings({"power_w": [float(i) for i in range(count)]}, t_ms, meter=meter) for meter in "ab"], [])
    pieces = list(store.table("reading", {}, ["power_w"], T[0], T[0] + count))
    assert len(pieces) > 2
    for meter in "ab":
        found = [row for piece in pieces for row in piece.rows if row[2] == meter]
        assert [row[3] for row in found] == t_ms
        assert [row[4] for row in found] == [float(i) for i in range(count)]
