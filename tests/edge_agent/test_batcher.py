"""Readings become frames that the wire accepts, in payloads of a bounded size."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.batcher import MAX_WAITING_VALUES, Batcher, FlushTimer, encode_events
from wattline.reading import Reading
from wattline.wire import MAX_PAYLOAD_BYTES, Batch, Event, Frame, decode_batch, encode

T0 = 1_700_000_000_000


def decoded(payloads: list[bytes]) -> list[Frame]:
    """Through the wire's own checks, as ingest sees it."""
    frames: list[Frame] = []
    for payload in payloads:
        whole = b'{"v":1,"gateway":"gw","site":"s","log":"l","seq":1,"frames":' + payload + b"}"
        assert len(whole) < MAX_PAYLOAD_BYTES
        frames += decode_batch(whole, "gw").frames
    return frames


def flushed(*readings: Reading, target_bytes: int = 64_000) -> list[Frame]:
    batcher = Batcher(target_bytes)
    batcher.add(readings)
    return decoded(batcher.flush())


def test_readings_of_one_meter_become_columns() -> None:
    frames = flushed(
        Reading("m", T0, {"power_w": 1.0, "voltage_v": 230.0}),
        Reading("m", T0 + 1, {"power_w": 2.0, "voltage_v": 231.0}),
    )
    assert frames == [Frame("m", [T0, T0 + 1], {"power_w": [1.0, 2.0], "voltage_v": [230.0, 231.0]})]


def test_meters_quantity_sets_and_intervals_each_get_their_frame() -> None:
    frames = flushed(
        Reading("m", T0, {"power_w": 1.0}),
        Reading("n", T0, {"power_w": 1.0}),
        Reading("m", T0, {"gas_m3": 1.0}),
        Reading("m", T0, {"energy_kwh": 1.0}, 1_800_000),
    )
    assert [(frame.meter, list(frame.q), frame.interval_ms) for frame in frames] == [
        ("m", ["power_w"], 0),
        ("n", ["power_w"], 0),
        ("m", ["gas_m3"], 0),
        ("m", ["energy_kwh"], 1_800_000),
    ]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_missing(value: float) -> None:
    assert flushed(Reading("m", T0, {"power_w": value}))[0].q == {"power_w": [None]}


def test_a_quantity_without_a_unit_is_left_out_and_counted() -> None:
    batcher = Batcher()
    batcher.add([Reading("m", T0 + n, {"power_w": 1.0, "mystery": 2.0}) for n in range(3)])
    batcher.add([Reading("n", T0, {"mystery": 2.0})])
    assert [list(frame.q) for frame in decoded(batcher.flush())] == [["power_w"]]
    assert batcher.refused == 4


def test_nothing_gives_no_payload() -> None:
    batcher = Batcher()
    assert batcher.flush() == []
    batcher.add([Reading("m", T0, {"power_w": 1.0})])
    assert batcher.values == 1
    assert len(batcher.flush()) == 1
    assert (batcher.flush(), batcher.values) == ([], 0)


def test_a_long_history_is_split_near_the_target() -> None:
    batcher = Batcher()
    batcher.add(Reading("m", T0 + n * 1000, {"power_w": n / 7}) for n in range(50_000))
    payloads = batcher.flush()
    assert all(30_000 < len(payload) <= 64_002 for payload in payloads[:-1])
    assert sum(len(frame.t) for frame in decoded(payloads)) == 50_000


def test_a_reading_of_thousands_of_quantities_is_split_by_quantity() -> None:
    values = {f"channel_{n}_w": n / 7 for n in range(5_000)}
    frames = flushed(Reading("m", T0, values))
    assert {name: column[0] for frame in frames for name, column in frame.q.items()} == values


@given(
    st.lists(
        st.builds(
            Reading,
            st.sampled_from(["a", "b"]),
            st.integers(T0, T0 + 10**9),
            st.dictionaries(st.sampled_from(["power_w", "gas_m3", "voltage_v"]), st.floats(allow_nan=False)),
            st.sampled_from([0, 60_000]),
        ),
        max_size=60,
    ),
    st.integers(50, 2_000),
)
def test_every_value_comes_out_once(readings: list[Reading], target_bytes: int) -> None:
    def points(meter: str, t: int, interval_ms: int, values: dict[str, float | None]) -> list[tuple[object, ...]]:
        return [(meter, t, interval_ms, name, value) for name, value in values.items()]

    given_points = [
        point
        for r in readings
        for point in points(
            r.meter, r.t_ms, r.interval_ms, {k: v if math.isfinite(v) else None for k, v in r.values.items()}
        )
    ]
    out = [
        point
        for frame in flushed(*readings, target_bytes=target_bytes)
        for i, t in enumerate(frame.t)
        for point in points(frame.meter, t, frame.interval_ms, {k: v[i] for k, v in frame.q.items()})
    ]
    assert sorted(out, key=repr) == sorted(given_points, key=repr)


def test_frames_read_as_the_wire_writes_them() -> None:
    batcher = Batcher()
    batcher.add([Reading("m", T0, {"power_w": 512.0})])
    (payload,) = batcher.flush()
    batch = Batch(v=1, gateway="g", site="s", log="l", seq=1, frames=[Frame("m", [T0], {"power_w": [512.0]})])
    assert payload in encode(batch)


def test_a_flood_of_events_stays_below_the_wires_limit() -> None:
    events = [Event(kind="anomaly", meter="m" * 128, t=T0, reason="r" * 200) for _ in range(1_000)]
    payloads = encode_events(events)
    assert all(len(payload) < MAX_PAYLOAD_BYTES - 1_000 for payload in payloads)
    assert [event for payload in payloads for event in msgspec.json.decode(payload, type=list[Event])] == events
    assert encode_events([]) == []


def test_the_first_flush_comes_soon_and_the_next_after_the_interval() -> None:
    timer = FlushTimer(5_000)
    assert not timer.due(T0, 0)
    assert not timer.due(T0, 1)
    assert timer.due(T0 + 100, 1)
    timer.flushed(T0 + 100)
    assert not timer.due(T0 + 5_099, 1)
    assert timer.due(T0 + 5_100, 1)


@pytest.mark.parametrize(
    ("now_ms", "values", "due"),
    [
        (T0 + 1, 10, False),
        (T0 + 1, MAX_WAITING_VALUES, True),
        (T0 + 9_999_999, 0, False),
        (T0 - 9_999_999, 10, True),  # the clock was set back: do not wait for hours
    ],
)
def test_a_flush_is_due(now_ms: int, values: int, *, due: bool) -> None:
    timer = FlushTimer(5_000)
    timer.flushed(T0)
    assert timer.due(now_ms, values) is due
