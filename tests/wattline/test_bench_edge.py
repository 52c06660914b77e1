"""The bench of the edge measures what it says, on a run too short to judge the figures by."""

import pytest

from wattline.bench_edge import run_edge_bench


@pytest.mark.usefixtures("mosquitto")
def test_every_value_of_the_measured_time_is_counted() -> None:
    figures = run_edge_bench(2.0, meters=3, quantities=5, detector=False)
    assert figures["values"] in (3 * 5 * 2, 3 * 5 * 3)
    assert figures["missing"] == 0
    assert figures["cpu_us_per_value"] > 0
    assert figures["rss_mb"] > 10
    assert figures["first_publish_s"] > 0
