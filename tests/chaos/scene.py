"""One run of the kill test: faults one after the other, and what else happens on the way."""

import time
from collections.abc import Sequence

from tests.chaos.rig import Rig
from tests.chaos.schedule import Fault
from tests.chaos.senders import FleetProgram
from tests.chaos.truth import differences, fleet_differences, truth_of
from tests.chaos.waiting import wait_for

Options = dict[str, str | int]

LIVE: Options = {"prefix": "live", "gateways": 40, "meters": 30, "interval": "1s", "flush": "1s", "duration": "0s"}
"""Until stopped; 1200 readings a second of two values."""
OLD: Options = {"prefix": "old", "gateways": 1, "meters": 6, "duration": "2s"}
EARLY = OLD | {"backlog": "14d", "backlog-interval": "5m"}
"""More windows than memory holds."""
LATE = OLD | {"backlog": "4d", "backlog-interval": "13m"}
"""The same meters again: between readings whose windows have left memory, and some of the same readings."""
ALL_SENT_S = 180.0
SETTLED_S = 240.0
COMPARE_INTERVAL_S = 1.0


class Scene:
    """Plays one run on a running installation.

    Args:
        rig: The installation.
        suffered: What is killed, in order.

    Attributes:
        statuses: Exit statuses of everything that ended in order.
    """

    def __init__(self, rig: Rig, suffered: Sequence[Fault]) -> None:
        self.statuses: list[int] = []
        self._rig = rig
        self._suffered = suffered
        self._live = rig.start_fleet(LIVE)
        self._early = rig.start_fleet(EARLY)
        self._late: FleetProgram | None = None

    def play(self) -> None:
        """From the first reading until everything that was sent is acknowledged."""
        rig = self._rig
        turns = (self._copy_state, self._two_processes, self._late_data, self._replace_journal, self._restore_state)
        due = [len(self._suffered) * (place + 1) // (len(turns) + 1) for place in range(len(turns))]
        rig.wait_until_flowing()
        for number, fault in enumerate(self._suffered):
            for turn, at in zip(turns, due, strict=True):
                if at == number:
                    turn()
            rig.suffer(fault)
        rig.wait_until_flowing()
        self._live.terminate()
        self.statuses.append(self._live.wait(ALL_SENT_S))
        rig.note("the live fleet has everything acknowledged")
        if self._late is not None:
            self.statuses.append(self._late.wait(ALL_SENT_S))
            rig.note("the late data is acknowledged")
        self.statuses += rig.finish_agents(ALL_SENT_S)
        rig.note("the agents have sent everything")

    def settle(self) -> list[str]:
        """Wait until the store holds exactly what was sent, and stop the cloud in order.

        Returns:
            What differs when it never did, or did no longer after the stop.
        """
        rig, truth, found = self._rig, truth_of(self._rig.sent()), ["nothing was compared"]
        wait_for(rig.files.is_drained, "the journal is drained")
        deadline = time.monotonic() + SETTLED_S
        while found and time.monotonic() < deadline:
            time.sleep(COMPARE_INTERVAL_S)
            # Windows of the fleet are the last to become right, and few.
            found = fleet_differences(rig.stored(), truth) or differences(rig.stored(), truth)
            rig.note(f"compared: {len(found)} kinds of differences")
        self.statuses += [rig.ingest.stop(), *rig.flow.stop()]
        return found or differences(rig.stored(), truth)

    def _copy_state(self) -> None:
        agent = self._rig.agents[0]
        self._rig.kill(agent, "agent")
        agent.copy_state()
        self._rig.note("copied its state")
        agent.restart()

    def _restore_state(self) -> None:
        agent = self._rig.agents[0]
        self._rig.kill(agent, "agent")
        agent.restore_state()
        self._rig.note("restored its state")
        agent.restart()

    def _two_processes(self) -> None:
        self.statuses += self._rig.change_processes(2)

    def _late_data(self) -> None:
        self.statuses.append(self._early.wait(ALL_SENT_S))
        self._late = self._rig.start_fleet(LATE)
        self._rig.note("late data begins")

    def _replace_journal(self) -> None:
        self.statuses += self._rig.replace_journal(partition=0)
