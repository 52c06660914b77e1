"""The demo's configuration files are ones that the parts accept."""

from pathlib import Path

import pytest

from cloud_stream import config as cloud_config
from cloud_stream.alerts.rules import load_rules
from edge_agent import config as agent_config
from edge_agent.sensors import meter_options, sensor_kind
from simulators.faults import FaultKind
from simulators.sensor import SimulatedOptions
from wattline.config import parse_duration
from wattline.demo.scenario import DETECTOR_INTERVAL, SIMULATED_METERS, Scenario, find_homes, write_scenario


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    folder = tmp_path / 'a folder with a "quote" and ümlaut'
    folder.mkdir()
    return write_scenario(folder, "mqtt://127.0.0.1:1883", [tmp_path / "A.csv.gz", tmp_path / "B.csv"], "3d")


@pytest.mark.parametrize("gateway", ["gw-p1", "gw-homes", "gw-simulated"])
def test_every_agent_accepts_its_file(scenario: Scenario, gateway: str) -> None:
    config = agent_config.load_config(scenario.agents[gateway])
    assert config.gateway.id == gateway
    assert config.gateway.state_dir == scenario.folder / gateway
    assert config.detector.interval == parse_duration(DETECTOR_INTERVAL)
    for number, meter in enumerate(config.meter):
        assert sensor_kind(meter.sensor)
        meter_options(meter, f"meter[{number}]")


def test_no_two_meters_share_a_name(scenario: Scenario) -> None:
    meters = [m.id for file in scenario.agents.values() for m in agent_config.load_config(file).meter]
    assert sorted(meters) == sorted({"p1-electricity", "A", "B", *SIMULATED_METERS})


def test_simulated_meters_have_faults_that_are_logged(scenario: Scenario) -> None:
    config = agent_config.load_config(scenario.agents["gw-simulated"])
    for number, meter in enumerate(config.meter):
        options = meter_options(meter, f"meter[{number}]")
        assert isinstance(options, SimulatedOptions)
        assert {rule.kind for rule in options.faults} == {FaultKind.SPIKE, FaultKind.STUCK, FaultKind.NIGHT_LOAD}
        assert (options.fault_log, options.history) == (scenario.fault_log, parse_duration("3d"))


def test_the_cloud_accepts_its_files(scenario: Scenario) -> None:
    config = cloud_config.load_config(scenario.cloud)
    assert (config.store.kind, config.store.path) == ("sqlite", scenario.store)
    assert config.dead_letters.path == scenario.dead_letters
    assert config.alerts.rules is not None
    assert len(load_rules(config.alerts.rules, {1_800_000, 300_000})) == 2


def test_homes_are_those_of_the_corpus(corpus: Path) -> None:
    assert [file.name for file in find_homes(corpus)] == ["MAC000002.csv.gz", "MAC000005.csv.gz", "MAC000008.csv.gz"]


def test_no_corpus_no_homes(tmp_path: Path) -> None:
    assert find_homes(tmp_path / "nowhere") == []
