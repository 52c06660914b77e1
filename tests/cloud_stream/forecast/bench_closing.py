"""Times the closing step; run as a program: `python -m tests.cloud_stream.forecast.bench_closing`."""

import pickle
import time

from cloud_stream.forecast.closing import ClosingStep
from cloud_stream.records import Point

HALF_HOUR_MS = 1_800_000
METERS = 3_000


def rows(window: str, start_ms: int) -> tuple[Point, ...]:
    """One usage row of each meter."""
    fields = {"power_w_mean": 1.0, "power_w_max": 2.0, "power_w_n": 10.0, "energy_kwh": 0.1}
    return tuple(
        Point(
            "usage", {"level": "meter", "site": f"site-{i}", "meter": f"meter-{i}", "window": window}, start_ms, fields
        )
        for i in range(METERS)
    )


def main() -> None:
    """Print nanoseconds a point, and milliseconds a snapshot."""
    for window in ("5m", "30m"):
        step = ClosingStep(HALF_HOUR_MS, "30m")
        some = rows(window, 0)
        began = time.perf_counter()
        for _ in range(50):
            step.on_batch([some], 1000)
        print(f"{window}: {(time.perf_counter() - began) / 50 / METERS * 1e9:.0f} ns a point")  # noqa: T201
    began = time.perf_counter()
    state = pickle.dumps(step.snapshot(1000))
    took_ms = (time.perf_counter() - began) * 1e3
    print(f"snapshot of {METERS} rows: {took_ms:.2f} ms, {len(state)} bytes")  # noqa: T201
    began = time.perf_counter()
    step.on_timer(HALF_HOUR_MS * 2)
    print(f"closing {METERS} rows: {(time.perf_counter() - began) * 1e3:.2f} ms")  # noqa: T201


if __name__ == "__main__":
    main()
