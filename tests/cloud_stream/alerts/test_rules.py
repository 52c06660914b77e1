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


def _of(kind: str, *lines: str) -> str:
    return "\n".join(["[[rule]]", f'kind = "{kind}"', 'name = "a"', *lines, ""])


OVERRIDE = "[[rule.override]]\n"


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (_of("magic"), "rule[0].kind", "'magic' is none of threshold, consumption, forecast"),
        (_of("consumption"), "rule[0]", "the key 'above' is missing"),
        (_of("consumption", "above = 1", 'quantity = "power_w"'), "rule[0].quantity", "'power_w' is no amount"),
        (_of("consumption", "above = 1", 'quantity = "joy"'), "rule[0].quantity", "'joy' is unknown"),
        (_of("consumption", "above = -1"), "rule[0].above", "not a limit of consumption"),
        (_of("consumption", "above = 1", 'per = "week"'), "rule[0].per", "week"),
        (_of("consumption", "above = 1", 'window = "1h"'), "rule[0].window", "no windows of 1h are made"),
        (_of("consumption", "above = 1", 'for = "1h"'), "rule[0]", "unknown key 'for'"),
        (_of("forecast", "above = 1"), "rule[0].kind", "cloud.toml has no [forecast] section"),
        (_of("deviation", "relative = 1.0"), "rule[0].kind", "cloud.toml has no [forecast] section"),
        (_of("anomalies", 'level = "fleet"'), "rule[0].level", "per meter or site"),
        (_of("anomalies", "at_least = 0"), "rule[0].at_least", ">= 1"),
        (_of("anomalies", 'within = "60d"'), "rule[0].within", "at most"),
        (_of("anomalies", "min_score = 2.0"), "rule[0].min_score", "<= 1"),
        (_of("event"), "rule[0]", "the key 'events' is missing"),
        (_of("event", "events = []"), "rule[0].events", "names no event"),
        (_of("event", 'events = ["a"]', 'ends = ["a"]'), "rule[0].ends", "cannot begin and end"),
        (_of("silent"), "rule[0]", "the key 'after' is missing"),
        (_of("silent", 'after = "1s"'), "rule[0].after", "is below"),
        (_of("silent", 'after = "2d"', 'forget_after = "1d"'), "rule[0].forget_after", "would never fire"),
        (_of("silent", 'after = "1h"', 'level = "fleet"'), "rule[0].level", "per meter or site"),
        (_of("gateway_offline", 'meters = ["m"]'), "rule[0]", "unknown key 'meters'"),
        (_of("gateway_offline", 'for = "60d"'), "rule[0].for", "longer than 31 days"),
        (_of("clock_drift", 'above = "100ms"'), "rule[0].above", "the way through the network"),
        (ONE_RULE + 'active = {from = "08:00", to = "08:00"}\n', "rule[0].active.to", "never be active"),
        (ONE_RULE + 'active = {days = ["monday"]}\n', "rule[0].active.days[0]", "monday"),
        (ONE_RULE + 'active = {time_zone = "Mars"}\n', "rule[0].active.time_zone", "is no time zone"),
        (ONE_RULE + 'keep_firing_for = "60d"\n', "rule[0].keep_firing_for", "longer than 31 days"),
        (ONE_RULE + 'segments = ["night"]\n', "rule[0].segments", "no meter is in segment 'night'"),
        (ONE_RULE + 'level = "site"\nsegments = ["night"]\n', "rule[0].segments", "no meter is in segment"),
        (ONE_RULE + OVERRIDE + "above = 1\n", "rule[0].override[0].meters", "whom is the override about"),
        (ONE_RULE + OVERRIDE + 'gateways = ["g"]\n', "rule[0].override[0].gateways", "has no gateways"),
        (ONE_RULE + OVERRIDE + 'sites = ["h"]\nbelow = 1\n', "rule[0].override[0].above", "either"),
        (ONE_RULE + OVERRIDE + 'sites = ["h"]\nclear = 6000\n', "rule[0].override[0].clear", "beyond the limit"),
        (ONE_RULE + OVERRIDE + 'sites = ["h"]\nafter = "1h"\n', "rule[0].override[0].after", "no key of kind"),
        (ONE_RULE + OVERRIDE + 'sites = ["h"]\ncolour = 1\n', "rule[0].override[0]", "unknown key 'colour'"),
        (
            ONE_RULE + 'level = "fleet"\n' + OVERRIDE + 'sites = ["h"]\nabove = 1\n',
            "rule[0].override[0].sites",
            "has no sites to tell apart",
        ),
        (
            _of("silent", 'after = "1h"') + OVERRIDE + 'meters = ["m"]\nafter = "60d"\n',
            "rule[0].override[0].forget_after",
            "would never fire",
        ),
    ],
)
def test_each_kind_says_what_it_cannot_do(tmp_path: Path, text: str, where: str, problem: str) -> None:
    file = _write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_rules(file, WINDOWS_MS, forecasts=False)
    assert caught.value.where.removeprefix(str(file)).removeprefix(": ") == where
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("text", "where", "problem"),
    [
        (_of("forecast", "below = 1.0"), "rule[0].below", "by its peak"),
        (_of("forecast", "above = 1.0", 'within = "3d"'), "rule[0].within", "48h"),
        (_of("deviation"), "rule[0].outside_band", "either"),
        (_of("deviation", "relative = 1.0", "outside_band = 1.0"), "rule[0].outside_band", "either"),
        (_of("deviation", "relative = 1.0", 'window = "5m"'), "rule[0].window", "forecasts are of intervals of 30m"),
        (_of("deviation", "relative = 1.0", 'for = "60d"'), "rule[0].for", "31 days"),
    ],
)
def test_rules_on_forecasts_say_so_too(tmp_path: Path, text: str, where: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        load_rules(_write(tmp_path, text), WINDOWS_MS, forecasts=True)
    assert caught.value.where.endswith(f": {where}")


def test_whether_there_are_forecasts_need_not_be_known(tmp_path: Path) -> None:
    assert load_rules(_write(tmp_path, _of("forecast", "above = 1.0")), WINDOWS_MS)


def test_segments_become_meters(tmp_path: Path) -> None:
    file = tmp_path / "segments.csv"
    file.write_text("meter,segment\nm1,night\nm2,day\nm3,night\nm4,flat\n")
    text = f'segments = "{file}"\n' + ONE_RULE + 'segments = ["night", "day"]\n'
    (rule,) = load_rules(_write(tmp_path, text))
    assert rule.members == ("m1", "m2", "m3")
    (rule,) = load_rules(_write(tmp_path, text + 'meters = ["m3", "m4"]\n'))
    assert rule.members == ("m3",)
    with pytest.raises(ConfigError, match=r"rule\[0\]\.segments: none of the rule's meters"):
        load_rules(_write(tmp_path, text + 'meters = ["m4"]\n'))


def test_a_wrong_segments_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv: No such file"):
        load_rules(_write(tmp_path, 'segments = "nowhere.csv"\n' + ONE_RULE))


def test_every_kind_says_in_words_what_it_does(tmp_path: Path) -> None:
    text = "".join(
        (
            ONE_RULE,
            _of("consumption", "above = 12"),
            _of("forecast", "above = 4.5", 'band = "upper"'),
            _of("deviation", "outside_band = 2.0", 'for = "2h"'),
            _of("anomalies", "at_least = 3", 'within = "6h"'),
            _of("event", 'events = ["counter_jump"]'),
            _of("silent", 'after = "30m"'),
            _of("gateway_offline", 'for = "5m"'),
            _of("clock_drift", 'above = "30s"'),
        )
    )
    for number in range(9):
        text = text.replace('name = "a"', f'name = "rule {number}"', 1)
    assert [rule.words() for rule in load_rules(_write(tmp_path, text), WINDOWS_MS, forecasts=True)] == [
        "mean power_w over 5m above 5000 (ends at 4750)",
        "energy_kwh of the local day above 12",
        "the upper end of the forecast of energy_kwh within 1d above 4.5 (ends at 4.275)",
        "energy_kwh more than 2 half widths of the band away from its day_ahead forecast for 2h",
        "at least 3 anomalies within 6h",
        "counter_jump, for 1h",
        "no data for 30m",
        "the gateway is offline for 5m",
        "the gateway's clock is off by more than 30s for 5m",
    ]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_rules(tmp_path / "none.toml")


def test_any_window_will_do_when_the_flow_is_not_known(tmp_path: Path) -> None:
    (rule,) = load_rules(_write(tmp_path, ONE_RULE + 'window = "7m"\n'))
    assert rule.judged_window_ms == 420_000


def test_the_example_file_holds() -> None:
    assert load_rules(Path(__file__).parents[3] / "deploy" / "alerts.toml", WINDOWS_MS)
