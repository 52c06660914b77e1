"""What a rules file may say, and how a wrong one is answered."""

from pathlib import Path

import pytest

from cloud_stream.alerts.kinds.threshold import Statistic, ThresholdRule
from cloud_stream.alerts.rule import Level, Severity
from cloud_stream.alerts.rules import load_rules
from wattline.config import DurationMs
from wattline.errors import ConfigError

WINDOWS_MS = (300_000, 1_800_000)
ONE_RULE = '[[rule]]\nname = "a"\nquantity = "power_w"\nabove = 5000\n'


def _write(folder: Path, text: str) -> Path:
    file = folder / "alerts.toml"
    file.write_text(text)
    return file


def _only(folder: Path, text: str) -> ThresholdRule:
    (rule,) = load_rules(_write(folder, text), WINDOWS_MS)
    assert isinstance(rule, ThresholdRule)
    return rule


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
    [[rule]]
    name = "connection limit"
    quantity = "power_w"
    statistic = "peak"
    window = "30m"
    level = "site"
    above = 9000
    clear = 8500.5
    severity = "critical"
    sites = ["house-1", "house-2"]
    last_n = 3
    """
    assert load_rules(_write(tmp_path, text), WINDOWS_MS) == (
        ThresholdRule(
            name="connection limit",
            quantity="power_w",
            statistic=Statistic.PEAK,
            window=DurationMs(1_800_000),
            level=Level.SITE,
            above=9000.0,
            clear=8500.5,
            severity=Severity.CRITICAL,
            sites=("house-1", "house-2"),
            last_n=3,
        ),
    )


def test_a_rule_needs_only_a_name_a_quantity_and_a_limit(tmp_path: Path) -> None:
    rule = _only(tmp_path, ONE_RULE)
    assert (rule.statistic, rule.window, rule.level, rule.severity) == ("mean", 300_000, "meter", "warning")
    assert (rule.sites, rule.meters, rule.last_n) == ((), (), 1)


def test_a_file_without_rules_is_no_error(tmp_path: Path) -> None:
    assert load_rules(_write(tmp_path, ""), WINDOWS_MS) == ()


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        (ThresholdRule(name="a", quantity="power_w", above=1), "power_w_mean"),
        (ThresholdRule(name="a", quantity="power_w", above=1, statistic=Statistic.PEAK), "power_w_max"),
        (ThresholdRule(name="a", quantity="voltage_l2_v", above=1, statistic=Statistic.LAST), "voltage_l2_v_last"),
        (ThresholdRule(name="a", quantity="energy_kwh", above=1), "energy_kwh"),
        (ThresholdRule(name="a", quantity="gas_used_m3", above=1, statistic=Statistic.PEAK), "gas_used_m3"),
    ],
)
def test_a_rule_knows_the_field_it_judges(rule: ThresholdRule, field: str) -> None:
    assert rule.field == field


@pytest.mark.parametrize(
    ("limits", "clear_at"),
    [
        ({"above": 5000.0}, 4750.0),
        ({"above": -100.0}, -105.0),
        ({"above": 0.0}, 0.0),
        ({"below": 207.0}, 217.35),
        ({"below": -100.0}, -95.0),
        ({"above": 5000.0, "clear": 4000.0}, 4000.0),
        ({"above": 5000.0, "clear": 5000.0}, 5000.0),
    ],
)
def test_hysteresis_is_five_percent_inside_unless_clear_is_given(limits: dict[str, float], clear_at: float) -> None:
    assert ThresholdRule(name="a", quantity="power_w", **limits).clear_at == pytest.approx(clear_at)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "at_once"),
    [
        ('statistic = "peak"\nabove = 1', True),
        ('statistic = "peak"\nbelow = 1', False),
        ('statistic = "peak"\nabove = 1\nlast_n = 2', False),
        ('statistic = "mean"\nabove = 1', False),
        ('statistic = "last"\nabove = 1', False),
    ],
)
def test_only_a_peak_above_a_limit_is_judged_in_open_windows(tmp_path: Path, changes: str, at_once: bool) -> None:  # noqa: FBT001
    rule = _only(tmp_path, f'[[rule]]\nname = "a"\nquantity = "power_w"\n{changes}\n')
    assert rule.judges_open_windows is at_once


def test_an_amount_is_never_judged_in_an_open_window() -> None:
    assert not ThresholdRule(name="a", quantity="energy_kwh", statistic=Statistic.PEAK, above=1).judges_open_windows


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        ("[[rule]\n", "", "is not TOML"),
        ('[[rules]]\nname = "a"\n', "", "unknown key 'rules'"),
        (ONE_RULE + "colour = 1\n", "rule[0]", "unknown key 'colour'"),
        ('[[rule]]\nname = "a"\nabove = 1\n', "rule[0]", "the key 'quantity' is missing"),
        ('[[rule]]\nname = ""\nquantity = "power_w"\nabove = 1\n', "rule[0].name", "length >= 1"),
        (ONE_RULE + ONE_RULE, "rule[1].name", "'a' names two rules"),
        (ONE_RULE + 'statistic = "median"\n', "rule[0].statistic", "median"),
        (ONE_RULE + 'severity = "loud"\n', "rule[0].severity", "loud"),
        (ONE_RULE + 'level = "street"\n', "rule[0].level", "street"),
        (ONE_RULE + 'window = "5 minutes"\n', "rule[0].window", "5 minutes"),
        (ONE_RULE + 'window = "7m"\n', "rule[0].window", "no windows of 7m are made; there are 5m, 30m"),
        (ONE_RULE + "last_n = 0\n", "rule[0].last_n", ">= 1"),
        (ONE_RULE + "last_n = 100000\n", "rule[0].last_n", "<= 1000"),
        (ONE_RULE + "below = 1\n", "rule[0].above", "either"),
        ('[[rule]]\nname = "a"\nquantity = "power_w"\n', "rule[0].above", "either"),
        (ONE_RULE.replace("5000", "nan"), "rule[0].above", "nan is not a limit"),
        (ONE_RULE + "clear = inf\n", "rule[0].clear", "inf is not a limit"),
        (ONE_RULE.replace("5000", '"much"'), "rule[0].above", "expected `float | null`, got `str`"),
        (ONE_RULE + "clear = 5001\n", "rule[0].clear", "beyond the limit 5000"),
        ('[[rule]]\nname = "a"\nquantity = "power_w"\nbelow = 5\nclear = 4\n', "rule[0].clear", "beyond the limit 5"),
        (ONE_RULE.replace("power_w", "happiness"), "rule[0].quantity", "'happiness' is unknown"),
        (
            ONE_RULE.replace("power_w", "gas_m3"),
            "rule[0].quantity",
            "'gas_m3' is a register; its windows hold 'gas_used",
        ),
        (ONE_RULE.replace("power_w", "voltage_v") + 'level = "site"\n', "rule[0].level", "does not add up over meters"),
        (ONE_RULE + 'level = "site"\nmeters = ["m"]\n', "rule[0].meters", "has no meters"),
        (ONE_RULE + 'level = "fleet"\nsites = ["s"]\n', "rule[0].sites", "has no sites"),
        (ONE_RULE + 'sites = "house-1"\n', "rule[0].sites", "expected `array`, got `str`"),
    ],
)
def test_a_wrong_file_is_one_error_with_the_path_inside(tmp_path: Path, text: str, where: str, problem: str) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_rules(file, WINDOWS_MS)
    assert caught.value.where.removeprefix(str(file)).removeprefix(": ") == where
    assert problem in caught.value.problem


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_rules(tmp_path / "none.toml")


def test_any_window_will_do_when_the_flow_is_not_known(tmp_path: Path) -> None:
    (rule,) = load_rules(_write(tmp_path, ONE_RULE + 'window = "7m"\n'))
    assert rule.judged_window_ms == 420_000


def test_the_example_file_holds() -> None:
    assert load_rules(Path(__file__).parents[3] / "deploy" / "alerts.toml", WINDOWS_MS)
