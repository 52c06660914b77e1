"""What `[[load]]` and `[commands]` may say."""

from pathlib import Path

import pytest

from edge_agent.bootstrap import load_plan
from edge_agent.load_config import LoadConfig
from wattline.errors import ConfigError
from wattline.wire import MAX_LOADS

HEAD = """\
[gateway]
id = "gw-1"
site = "house"
state_dir = "state"
[broker]
url = "mqtt://127.0.0.1"
[[meter]]
id = "main"
sensor = "pattern"
"""
BOILER = '[[load]]\nid = "boiler"\nactuator = "simulated"\n'


def plan(folder: Path, text: str) -> tuple[LoadConfig, ...]:
    file = folder / "agent.toml"
    file.write_text(HEAD + text)
    return tuple(load_plan(file).config.load)


def test_a_load_is_nobody_s_but_the_owner_s_until_he_says_otherwise(tmp_path: Path) -> None:
    (load,) = plan(tmp_path, BOILER)
    assert (load.control, load.released, load.at_start, load.at_loss) == ("never", "on", "release", "release")


def test_the_meter_of_a_load_may_be_any_of_the_file(tmp_path: Path) -> None:
    (load,) = plan(tmp_path, BOILER + 'meter = "main"\npower = 2000\ncontrol = "cloud"\n')
    assert (load.meter, load.power) == ("main", 2000)


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (BOILER + 'meter = "no"\n', "load[0].meter", "no meter is called 'no'"),
        (BOILER + BOILER, "load[1].id", "taken by an earlier load"),
        (BOILER.replace("boiler", ""), "load[0].id", "printable"),
        (BOILER + 'control = "always"\n', "load[0].control", "always"),
        (BOILER + 'kind = "car"\n', "load[0].kind", "car"),
        (BOILER + "power = -1\n", "load[0].power", ">= 0"),
        (BOILER + 'min_on = "2d"\n', "load[0].min_on", "at most 1d"),
        (BOILER + 'max_off = "25h"\n', "load[0].max_off", "at most 1d"),
        (BOILER + 'max_hold = "0s"\n', "load[0].max_hold", "more than 0"),
        (BOILER + 'max_hold = "8d"\n', "load[0].max_hold", "at most 7d"),
        (BOILER + 'manual_for = "0s"\n', "load[0].manual_for", "longer than 0"),
        (BOILER + 'loss_after = "0s"\n', "load[0].loss_after", "at_loss"),
        (BOILER + 'poll = "1ms"\n', "load[0].poll", "100ms"),
        (BOILER + "colour = 1\n", "load[0]", "unknown key 'colour'"),
        (BOILER.replace("simulated", "voice"), "load[0].actuator", "unknown actuator"),
        (BOILER + "[load.options]\nx = 1\n", "load[0].options", "unknown key 'x'"),
        (BOILER.replace("simulated", "mqtt"), "load[0].options", "'topic' is missing"),
        ('[commands]\nclock = "sun"\n', "commands.clock", "kernel"),
        ("[commands]\nx = 1\n", "commands", "unknown key"),
        ("".join(BOILER.replace("boiler", f"b{n}") for n in range(MAX_LOADS + 1)), "load", "at most 32"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(tmp_path: Path, text: str, where: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        plan(tmp_path, text)
    assert f"agent.toml: {where}" in raised.value.where
    assert problem in raised.value.problem
