"""One sensor's trouble stays its own; what is safe on disk reaches the sensor that can resume."""

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from edge_agent.errors import EndOfReadingsError, SensorError
from edge_agent.intake import Intake
from edge_agent.ports import Sensor
from edge_agent.sensors.dsmr import DsmrOptions, DsmrSensor
from edge_agent.sensors.replay import ReplayOptions, ReplaySensor
from edge_agent.supervisor import RejectingSensor, SensorRunner, Supervisor
from tests.edge_agent.cloud_stand_in import wait_until
from wattline.reading import Reading


def reading(meter: str, n: int) -> Reading:
    return Reading(meter, 1_700_000_000_000 + n, {"power_w": float(n)})


class Scripted:
    """Yields what it is told to, one item a read; an exception in the script is raised."""

    def __init__(self, meter: str, script: Iterable[int | Exception], **rejected: int) -> None:
        self.rejected = rejected
        self.opened = 0
        self.closed = 0
        self.told: list[int] = []
        self._meter = meter
        self._script = iter(script)

    def open(self) -> None:
        self.opened += 1

    def read(self, timeout_s: float) -> Sequence[Reading]:  # noqa: ARG002 (the port's)
        item = next(self._script, None)
        if item is None:
            raise EndOfReadingsError("the end")
        if isinstance(item, Exception):
            raise item
        return [reading(self._meter, n) for n in range(item)]

    def close(self) -> None:
        self.closed += 1

    def committed(self, readings: int) -> None:
        self.told.append(readings)


class Hopeless:
    """Never opens."""

    def open(self) -> None:
        raise SensorError("no such port")

    def read(self, timeout_s: float) -> Sequence[Reading]:
        raise AssertionError(timeout_s)

    def close(self) -> None:
        pass


class Hanging:
    """Blocks in a read for longer than anybody waits."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def open(self) -> None:
        pass

    def read(self, timeout_s: float) -> Sequence[Reading]:  # noqa: ARG002 (the port's)
        self.released.wait(20)
        return ()

    def close(self) -> None:
        pass


def run(intake: Intake, **sensors: Sensor) -> tuple[Supervisor, dict[str, SensorRunner]]:
    runners = {meter: SensorRunner(meter, sensor, intake) for meter, sensor in sensors.items()}
    supervisor = Supervisor(list(runners.values()))
    supervisor.start()
    return supervisor, runners


def test_a_hopeless_sensor_beside_a_good_one() -> None:
    intake, good = Intake(), Scripted("good", [2, 3])
    supervisor, runners = run(intake, bad=Hopeless(), good=good)
    wait_until(lambda: runners["good"].counts["readings"] == 5, "the good one's readings")
    wait_until(lambda: runners["bad"].counts["failed"] >= 2, "two attempts at the bad one")
    assert not supervisor.all_ended
    assert supervisor.figures()["sensor_failures"] >= 2
    supervisor.stop(2.0)
    assert {runner.state for runner in runners.values()} == {"ended"}
    assert [r.meter for r in intake.take().readings] == ["good"] * 5


@pytest.mark.parametrize("error", [SensorError("gone"), ZeroDivisionError("a bug"), OSError(5, "I/O error")])
def test_after_any_failure_the_sensor_is_closed_and_opened_again(error: Exception) -> None:
    sensor = Scripted("m", [1, error, 2])
    supervisor, runners = run(Intake(), m=sensor)
    wait_until(lambda: runners["m"].counts["readings"] == 3, "the readings after the failure")
    supervisor.stop(2.0)
    assert (sensor.opened, sensor.closed, runners["m"].counts["failed"]) == (2, 2, 1)


def test_a_sensor_hears_what_is_on_disk_counted_from_its_open() -> None:
    intake, sensor = Intake(), Scripted("m", [4, SensorError("gone"), 3])
    supervisor, runners = run(intake, m=sensor)
    wait_until(lambda: runners["m"].counts["readings"] == 7, "all readings")
    supervisor.durable(intake.take().marks)
    wait_until(lambda: sensor.told, "the word that they are on disk")
    supervisor.stop(2.0)
    assert sensor.told == [3]


def test_what_sensors_left_out_is_told_by_reason() -> None:
    crc, mixed = Scripted("a", [1], crc=2), Scripted("b", [1], crc=1, garbled=4)
    supervisor, _ = run(Intake(), a=crc, b=mixed, c=Hopeless())
    wait_until(lambda: supervisor.delivered == 2, "the readings")
    supervisor.stop(2.0)
    figures = supervisor.figures()
    assert (figures["rejected_crc"], figures["rejected_garbled"]) == (3.0, 4.0)


def test_rows_that_a_replay_leaves_out_are_told(tmp_path: Path) -> None:
    file = tmp_path / "meter.csv"
    file.write_text("time,power_w\n2024-01-01 00:00:00,1\n2024-01-01 00:00:01,much\n2024-01-01 00:00:02,2\n")
    supervisor, runners = run(Intake(), m=ReplaySensor("m", ReplayOptions(file=file, speed="max")))
    wait_until(lambda: runners["m"].counts["readings"] == 2, "the sound rows")
    supervisor.stop(2.0)
    assert supervisor.figures()["rejected_value"] == 1.0


def test_a_dsmr_port_tells_what_it_rejected() -> None:
    assert isinstance(DsmrSensor("m", DsmrOptions(port="/no/such/port")), RejectingSensor)


def test_a_sensor_that_hangs_does_not_hold_up_the_end() -> None:
    hanging = Hanging()
    supervisor, runners = run(Intake(), m=hanging)
    wait_until(lambda: runners["m"].counts["opened"], "the open")
    supervisor.stop(0.05)
    hanging.released.set()
    assert runners["m"].join(5.0)


def test_a_full_intake_holds_the_sensor_back_until_there_is_room() -> None:
    intake = Intake(max_readings=10)
    supervisor, runners = run(intake, m=Scripted("m", [10, 5]))
    wait_until(lambda: runners["m"].counts["readings"] == 10, "the first readings")
    assert len(intake.take().readings) == 10
    wait_until(lambda: runners["m"].counts["readings"] == 15, "the others")
    supervisor.stop(2.0)
    assert intake.take().marks == {"m": 15}


def test_a_stop_ends_a_wait_for_room_and_counts_nothing() -> None:
    intake = Intake(max_readings=1)
    supervisor, _ = run(intake, m=Scripted("m", [1, 1]))
    wait_until(lambda: intake._delivered.get("m") == 1, "a full intake")
    supervisor.stop(5.0)
    assert intake.take().marks == {"m": 1}
