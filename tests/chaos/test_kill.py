"""The kill test: nothing that was acknowledged is lost, nothing is there twice, and every window is right.

`WATTLINE_CHAOS_KILLS` and `WATTLINE_CHAOS_SEED` make it longer and another one; `pytest -s` shows what happened.
"""

import os
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.rig import Rig
from tests.chaos.scene import Scene
from tests.chaos.schedule import faults
from wattline.local_servers import ProgramMissingError

KILLS = int(os.environ.get("WATTLINE_CHAOS_KILLS", "20"))
SEED = int(os.environ.get("WATTLINE_CHAOS_SEED", "1"))
S_PER_KILL = 3.0
"""About what a kill takes; the agents' files shall last as long."""
SHARES = {"broker": 6, "ingest": 4, "flow": 4, "agent": 2, "database": 4}


@pytest.mark.chaos
@pytest.mark.timeout(300 + 15 * KILLS)
@pytest.mark.parametrize(("store", "kills"), [("influxdb", KILLS), ("sqlite", KILLS // 2)])
def test_kill_anything_at_any_moment(tmp_path: Path, store: str, kills: int) -> None:
    shares = {name: share for name, share in SHARES.items() if store == "influxdb" or name != "database"}
    suffered = faults(kills, shares, SEED)
    began = time.monotonic()
    try:
        rig = Rig(tmp_path, store, SEED, replay_s=S_PER_KILL * kills)
    except ProgramMissingError as error:
        pytest.skip(str(error))
    with rig:
        scene = Scene(rig, suffered)
        scene.play()
        played_s = time.monotonic() - began
        found = scene.settle()
        sys.stdout.write(summary(rig, played_s, time.monotonic() - began))
        assert set(scene.statuses) == {0}
        assert found == []
        assert rig.files.dead_letters() == {}
        assert rig.kills.total() >= kills
        assert "journal_replaced" in rig.flow.log_text()
        assert rig.flow.counts["late_values"] > 0


def summary(rig: Rig, played_s: float, all_s: float) -> str:
    """What happened, for the person who runs it."""
    kills = ", ".join(f"{name} {n}" for name, n in sorted(rig.kills.items()))
    totals = [fleet.totals() for fleet in rig.fleets]
    counts = rig.flow.counts
    return f"""
kills: {rig.kills.total()} ({kills})
fleets: {sum(t["readings"] for t in totals)} readings in {sum(t["batches"] for t in totals)} batches, \
{sum(t["resends"] for t in totals)} resent, {sum(t["reconnects"] for t in totals)} reconnects
flow (seen before each death): {counts["batches"]} batches, {counts["duplicates"]} duplicates absorbed, \
{counts["late_values"]} late values
journals replaced: {rig.flow.log_text().count("journal_replaced")}
{chr(10).join(rig.timeline)}
seconds: {played_s:.0f} to the last acknowledgement, {all_s:.0f} until the store was right
"""
