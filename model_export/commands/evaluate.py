"""`wattline models evaluate`: how good detectors are on meters they have not learned from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from model_export.commands.model_file import known_model
from model_export.commands.options import (
    DETECT,
    FORECAST,
    MOST_ALARMS,
    AsJsonOption,
    CountryOption,
    DataOption,
    DatasetOption,
    HomesOption,
    QuantityOption,
    SeedOption,
    TaskOption,
    ValueOption,
    ZoneOption,
    checked_task,
    command_line,
    interval_ms_of,
    interval_text,
    refuse_changed,
)
from model_export.errors import DataError
from model_export.terminal import check_writable, created, progress_bars, readable_errors, say, write_file

if TYPE_CHECKING:
    from model_export.commands.data import Opened, Wanted
    from model_export.commands.forecasting import Asked
    from model_export.commands.judging import Judgement

_DETECTORS_OPTIONS: Final = ("family", "train_days", "per_building", "leave_one_out", "labels", "alarms")
MOST_WITH_FAULTS: Final = 60
"""Real meters where nobody says how many: each is there once for every kind of fault."""
DAYS: Final = 84
DAYS_FOR_A_FILE: Final = 28
FAULTS_PER_DAY: Final = 0.1
"""Of each kind that the simulator's meters have when a model file is judged on them."""
LEAST_DAYS: Final = 21
"""A meter known for less has no room for a fault and for what is ordinary around it."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a person wants to know.

    Attributes:
        model: A model file; None to train families.
        family: Which to train: one, or all.
        train_days: Days at the beginning of labelled meters that are learned from.
        scheme: What each labelled meter's model learns from.
        alarms: False alarms per meter and week.
        seed: Decides everything random.
    """

    model: Path | None
    family: str
    train_days: int
    scheme: str
    alarms: float
    seed: int


def evaluate(  # noqa: PLR0913, PLR0917 - one argument per option
    context: typer.Context,
    model: Annotated[
        Path | None, typer.Argument(help="A model file to judge as it is; without one, families are trained.")
    ] = None,
    task: TaskOption = DETECT,
    dataset: DatasetOption = "simulated",
    data: DataOption = None,
    family: Annotated[str, typer.Option(help="Which to train: all, or one of them.", metavar="NAME")] = "all",
    interval: Annotated[
        str,
        typer.Option(
            help="Length of the judged intervals; 1h for lead, else 30m. A file has its own.", metavar="LENGTH"
        ),
    ] = "",
    train_days: Annotated[
        int, typer.Option(min=2, help="Labelled meters: days at the beginning that are learned from.", metavar="D")
    ] = 90,
    per_building: Annotated[bool, typer.Option("--per-building", help="Labelled meters: a model for each.")] = False,  # noqa: FBT002 - typer makes a flag of it
    leave_one_out: Annotated[  # noqa: FBT002 - typer makes a flag of it
        bool, typer.Option("--leave-one-out", help="Labelled meters: judge each with a model that never saw it.")
    ] = False,
    labels: Annotated[
        Path | None,
        typer.Option(help="Labels in a file of their own: building_id, timestamp, anomaly.", metavar="FILE"),
    ] = None,
    homes: HomesOption = None,
    days: Annotated[
        int | None,
        typer.Option(
            min=2, help=f"Days of simulated meters; {DAYS}, or {DAYS_FOR_A_FILE} for a model file.", metavar="D"
        ),
    ] = None,
    seed: SeedOption = 1,
    alarms: Annotated[
        float,
        typer.Option(
            min=0.001,
            max=MOST_ALARMS,
            help="False alarms per meter and week that thresholds are set to.",
            metavar="RATE",
        ),
    ] = 1.0,
    test_from: Annotated[
        str, typer.Option(help="forecast: the first tested day; what is before it is learned from.", metavar="DATE")
    ] = "",
    test_days: Annotated[int | None, typer.Option(min=1, help="forecast: how many; up to 61.", metavar="D")] = None,
    zone: ZoneOption = "",
    country: CountryOption = "",
    value_column: ValueOption = "",
    quantity: QuantityOption = "",
    report: Annotated[Path | None, typer.Option(help="Write one HTML page, with pictures.", metavar="FILE")] = None,
    as_json: AsJsonOption = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Say how good detectors are, or forecasters.

    **Labelled data** (lead): the families learn from the first days of each building, without the labels; the rest is
    judged and compared with the labels.

    **Other data**: seeded faults are put into half of the meters, the families learn from the other half, and recall
    per kind of fault is counted at the wanted rate of false alarms.

    **A model file on simulated meters**: recall of the simulator's own faults, at the file's own threshold.

    **With `--task forecast`**: each home is forecast by a model that learned from the other homes in earlier months,
    and so are sums of homes; a model file is judged as it is.

    Examples:
    * `wattline models evaluate --dataset lead --data buildings/ --report lead.html`
    * `wattline models evaluate --dataset lead --data buildings/ --leave-one-out --family ensemble --json`
    * `wattline models evaluate --dataset london --data homes/ --interval 30m --report london.html`
    * `wattline models evaluate home.onnx --homes 40 --days 60`
    * `wattline models evaluate --task forecast --dataset london --data homes/ --json`
    * `wattline models evaluate meters.onnx --task forecast --dataset csv --data meters/ --test-from 2026-09-01`
    """
    from model_export.commands.data import MOST_METERS, Wanted
    from model_export.commands.forecasting import Asked
    from model_export.commands.results import print_judgement

    with readable_errors():
        if checked_task(task) == FORECAST:
            refuse_changed(context, task, _DETECTORS_OPTIONS)
            wanted = Wanted(dataset, data, 0, homes, days or 0, seed, value_column, quantity)
            place = Asked(wanted, "", zone, country, test_from, test_days, seed)
            _evaluate_forecaster(context, model, place, report, as_json=as_json)
            return
        refuse_changed(context, task, ("test_from", "test_days", "zone", "country"))
        asked = _Asked(model, family, train_days, _scheme(per_building, leave_one_out), alarms, seed)
        length_ms = interval_ms_of(interval or ("1h" if dataset == "lead" else "30m"))
        days = days or (DAYS if model is None else DAYS_FOR_A_FILE)
        most = MOST_METERS if dataset == "lead" else MOST_WITH_FAULTS
        wanted = Wanted(dataset, data, length_ms, homes, days, seed, value_column, quantity, labels, most=most)
        if report is not None:
            check_writable(report)
        source, judgement = _judged(asked, wanted)
        settings = {"interval": interval_text(source.interval_ms), "seed": seed, "alarms_per_meter_week": alarms}
        if report is not None:
            line = command_line(context, without={"task", "as_json", *(() if dataset == "simulated" else ("days",))})
            _write_report(report, line, source, judgement, settings)
    print_judgement(source, settings, judgement, as_json=as_json)
    if report is not None:
        say(f"report: {report}")


def _scheme(per_building: bool, leave_one_out: bool) -> str:  # noqa: FBT001 - two flags of the command
    if per_building and leave_one_out:
        raise DataError("--per-building and --leave-one-out: only one of them")
    return "per-building" if per_building else "leave-one-out" if leave_one_out else "together"


def _judged(asked: _Asked, wanted: "Wanted") -> "tuple[Opened, Judgement]":
    from model_export.attempts import family_trainer, ready_made
    from model_export.commands.data import opened
    from model_export.commands.judging import judge_injected, judge_known, judge_labelled
    from model_export.label_trial import Scheme

    with progress_bars() as step:
        if asked.model is not None:
            content, facts = known_model(asked.model)
            train = ready_made(facts["family"], content)
            wanted = replace(wanted, interval_ms=int(facts["interval_ms"]))
            if wanted.dataset == "simulated":
                source = opened(replace(wanted, faults_per_day=FAULTS_PER_DAY), step("reading", wanted.homes))
                return source, judge_known(source, content)
        else:
            train = family_trainer(_families(asked.family), asked.alarms, asked.seed, step)
        source = opened(wanted, step("reading", wanted.homes), LEAST_DAYS)
        if source.labelled:
            return source, judge_labelled(source, train, asked.train_days, Scheme(asked.scheme), step)
        if wanted.dataset == "lead":
            say("these buildings have no labels: faults are put into them")
        ready = asked.model is not None
        return source, judge_injected(source, train, asked.alarms, asked.seed, step, ready=ready)


def _families(name: str) -> list[str]:
    from model_export.families import FAMILIES

    if name != "all" and name not in FAMILIES:
        raise DataError(f"--family {name}: there are all, {', '.join(FAMILIES)}")
    return list(FAMILIES) if name == "all" else [name]


def _write_report(
    report: Path, line: str, source: "Opened", judgement: "Judgement", settings: dict[str, object]
) -> None:
    from model_export.report.build import Setting, html_report

    what = "labelled meters" if source.labelled else "injected faults"
    facts = {**settings, **judgement.facts}
    setting = Setting(
        title=f"Detectors on {what}: {source.name}",
        command=line,
        created=created(),
        facts={
            name.replace("_", " "): f"{fact:g}" if isinstance(fact, float) else str(fact)
            for name, fact in facts.items()
        },
        cleaning=source.cleaning,
        excluded=source.excluded,
        costs=judgement.costs,
    )
    write_file(report, html_report(setting, judgement.pages).encode())


def _evaluate_forecaster(
    context: typer.Context, model: Path | None, asked: "Asked", report: Path | None, *, as_json: bool
) -> None:
    """The way of `--task forecast`."""
    from model_export.commands.forecasting import evaluate_forecast, forecast_interval, print_forecasts, write_report

    length_ms = forecast_interval(asked.wanted.dataset, context.params["interval"])
    asked = replace(asked, wanted=replace(asked.wanted, interval_ms=length_ms))
    if report is not None:
        check_writable(report)
    with progress_bars() as step:
        figures, trials = evaluate_forecast(asked, model, step)
    if report is not None:
        unneeded = {"as_json", "family", "train_days", "alarms", "days"}
        write_report(report, command_line(context, without=unneeded), figures, trials)
        say(f"report: {report}")
    print_forecasts(figures, as_json=as_json)
