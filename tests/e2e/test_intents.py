"""Intents close the loop: a real agent with boilers, a real broker, the whole cloud; and the power really falls."""

import time
from pathlib import Path

import pytest

from tests.e2e.whole_cloud import WholeCloud
from tests.edge_agent.boiler_house import BoilerHouse
from wattline.local_servers import MosquittoServer

pytestmark = pytest.mark.timeout(300)

SECTIONS = """\
[intents]
file = "{folder}/intents.toml"
[commands]
dir = "{folder}/commands"
"""
OTHER_BOILERS = "".join(
    f"""\
[[meter]]
id = "meter-{n}"
sensor = "simulated"
[meter.options]
boiler = {{start_c = 20, draw = 0}}
sample_interval = "200ms"
[[load]]
id = "boiler-{n}"
actuator = "simulated"
meter = "meter-{n}"
power = 2000
control = "{control}"
min_on = "0s"
min_off = "0s"
poll = "100ms"
[load.options]
file = "FOLDER/boiler-{n}.relay"
"""
    for n, control in ((2, "cloud"), (3, "never"))
)


def intents(limit_w: int) -> str:
    return f'[[intent]]\nname = "fuse"\nkind = "power_limit"\nlimit_w = {limit_w}\nsites = ["house"]\n'


def site_intervals(cloud: WholeCloud, since_ms: int) -> list[float]:
    """The site's power in the intervals that have begun since, oldest first, without the newest, which may be open."""
    query = (
        "SELECT power_w_mean FROM usage WHERE level = 'site' AND site = 'house' AND \"window\" = '20s' "  # noqa: S608 (a number)
        f"AND t_ms >= {since_ms} ORDER BY t_ms"
    )
    return [float(row[0]) for row in cloud.rows(query)][:-1]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_the_power_falls_below_the_limit_and_the_forbidden_load_is_left_alone(
    tmp_path: Path, mosquitto: MosquittoServer
) -> None:
    folder = tmp_path / "house"
    house = BoilerHouse(folder, mosquitto.url, extra=OTHER_BOILERS.replace("FOLDER", str(folder)))
    flow = 'window = "5s"\nutility_interval = "20s"'
    cloud = WholeCloud(tmp_path / "cloud", mosquitto.url, SECTIONS, {"intents.toml": intents(50_000)}, flow=flow)
    with cloud, house:
        began_ms = now_ms()
        cloud.wait_for(lambda: len(site_intervals(cloud, began_ms)) >= 1, "a whole interval without a limit", 150)
        assert max(site_intervals(cloud, began_ms)) > 5500  # three boilers of 2 kW
        (cloud.folder / "intents.toml").write_text(intents(5000))
        off = "SELECT load FROM command WHERE action = 'off' AND state = 'done'"
        cloud.wait_for(lambda: bool(cloud.rows(off)), "one is off, and its gateway says so")
        off_ms = now_ms()
        cloud.wait_for(lambda: len(site_intervals(cloud, off_ms)) >= 1, "a whole interval with the limit", 150)
        assert max(site_intervals(cloud, off_ms)) < 5000
        assert cloud.rows("SELECT DISTINCT load FROM command WHERE load = 'boiler-3'") == []
        state = "SELECT state FROM intent WHERE intent = 'fuse' ORDER BY t_ms DESC LIMIT 1"
        cloud.wait_for(lambda: cloud.rows(state) in ([("on_track",)], [("met",)]), "the wish is kept")
