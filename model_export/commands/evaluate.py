"""`wattline models evaluate`: how good detectors are on meters they have not learned from."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from model_export.commands import data as data_of
from model_export.commands.options import (
    AlarmsOption,
    AsJsonOption,
    DataOption,
    DatasetOption,
    DaysOption,
    HomesOption,
    QuantityOption,
    SeedOption,
    ValueOption,
    interval_ms_of,
)
from model_export.commands.terminal import progress_bars, readable_errors, show
from model_export.dataset import FeatureTable
from model_export.errors import DataError

_FAULTS_PER_DAY: Final = 0.1


def evaluate(  # noqa: PLR0913, PLR0917 - one argument per option
    model: Annotated[Path | None, typer.Argument(help="An ONNX file; without one, families are trained.")] = None,
    dataset: DatasetOption = "simulated",
    data: DataOption = None,
    family: Annotated[str, typer.Option(help="Which to train: all, or one.")] = "all",
    interval: Annotated[str, typer.Option(help="Length of the judged intervals; a model file has its own.")] = "1h",
    train_days: Annotated[int, typer.Option(min=2, help="Days at each meter's beginning that are learned from.")] = 90,
    per_building: Annotated[bool, typer.Option("--per-building", help="A model for each building.")] = False,  # noqa: FBT002
    leave_one_out: Annotated[
        bool, typer.Option("--leave-one-out", help="Judge each building with a model that never saw it.")
    ] = False,  # noqa: FBT002
    homes: HomesOption = None,
    days: DaysOption = 28,
    seed: SeedOption = 1,
    alarms: AlarmsOption = 1.0,
    value_column: ValueOption = "",
    quantity: QuantityOption = "",
    as_json: AsJsonOption = False,  # noqa: FBT002 - typer makes a flag of it
) -> None:
    """Train detectors on the first days of meters without their labels, and judge the rest.

    Example: `wattline models evaluate --dataset lead --data buildings/ --json`
    """
    from model_export.dataset import feature_table
    from model_export.evaluation import quality_of
    from model_export.families import FAMILIES
    from model_export.findings import label_findings, label_object
    from model_export.label_trial import Scheme, label_trial, try_family
    from model_export.latency import latency_us
    from model_export.training import Wishes
    from model_export.training import train as train_model

    with readable_errors():
        families = list(FAMILIES) if family == "all" else [family]
        if model is not None:
            wanted = data_of.Wanted(dataset, data, 0, homes, days, seed, value_column, quantity)
            _judge_file(model, wanted, as_json=as_json)
            return
        if unknown := set(families) - set(FAMILIES):
            raise DataError(f"--family {unknown.pop()}: there are all, {', '.join(FAMILIES)}")
        scheme = Scheme.PER_BUILDING if per_building else Scheme.LEAVE_ONE_OUT if leave_one_out else Scheme.TOGETHER
        wanted = data_of.Wanted(dataset, data, interval_ms_of(interval), homes, days, seed, value_column, quantity)

        def trained(name: str, table: FeatureTable) -> bytes:
            return train_model(table, Wishes(name, alarms, seed, {})).model

        with progress_bars() as step:
            series = data_of.series_of(wanted, step("reading", homes))
            trial = label_trial(series, feature_table(series), train_days, scheme)
            findings = []
            for name in families:
                said = try_family(trial, name, trained, step(name, len(trial.rounds())))
                lat = latency_us(said.models[0], trial.table.matrix[~trial.early]) if said.models else 0.0
                findings.append(label_findings(said, lat, [quality_of(v) for v in said.verdicts]))
    figures: dict[str, Any] = {
        "dataset": dataset,
        "interval": interval,
        "train_days": train_days,
        "seed": seed,
        "scheme": scheme,
    }
    figures |= label_object(findings)
    show(figures, as_json=as_json, title=f"{dataset}")


def _judge_file(model: Path, wanted: data_of.Wanted, *, as_json: bool) -> None:
    """Recall per injected fault and false alarms of one model file."""
    import numpy as np

    from model_export.dataset import feature_table
    from model_export.evaluation import evaluate as compare
    from model_export.export import read_model, score_rows

    content, facts = read_model(model)
    with progress_bars() as step:
        wanted = replace(wanted, interval_ms=int(facts["interval_ms"]))
        series = data_of.series_of(wanted, step("reading", wanted.homes), _FAULTS_PER_DAY)
        table = feature_table(series)
        scored = score_rows(content, table.matrix)
    quality = compare(series, table, scored.found)
    figures: dict[str, Any] = {f"recall_{kind}": round(share, 3) for kind, share in quality.recall.items()}
    figures |= {f"faults_{kind}": number for kind, number in quality.injected.items()}
    figures |= {
        "false_alarms_per_meter_week": round(quality.false_alarms_per_meter_week, 3),
        "meter_weeks": round(quality.meter_weeks, 1),
        "meters": len(np.unique(table.meter)),
        "anomalous_share": float(scored.found.mean()),
    }
    show(figures, as_json=as_json, title=f"{model} on {wanted.dataset}")
