"""The same run on PySpark: what the run is measured against, and a check of its results by other code.

Written as one tunes it: a schema that is told, duplicates and days behind one shuffle, the counts taken on the way, the
days kept in memory, no more partitions than the machine can use.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyspark
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as f

from model_export.batch import rules
from model_export.batch.files import find_survey
from model_export.batch.results import ANOMALIES, DAILY, FORECAST, Counts, Summary, write_summary
from model_export.batch.spark_days import KINDS, days_of, in_order, read_rows
from model_export.batch.spark_learning import forecast_days, unusual_days
from model_export.batch.stop_watch import StopWatch

_PARTITIONS_A_CORE: Final = 4


def run_spark(data: Path, out: Path, memory_gb: int) -> Summary:
    """Do what `run_batch` does.

    Args:
        data: Folder of CSV files.
        out: Folder of the results, empty or missing.
        memory_gb: Heap of the JVM.

    Raises:
        DataError: The files cannot be read.
    """
    survey = find_survey(data)
    out.mkdir(parents=True, exist_ok=True)
    with _session(memory_gb) as spark:
        watch, seen = StopWatch(), Observation()
        days = days_of(read_rows(spark, survey, seen)).persist()
        homes, number, whole_days, values = _totals(days)
        watch.lap("read")
        in_order(days.withColumn("mean_kwh", f.col("kwh") / f.col("n"))).write.parquet(str(out / DAILY))
        watch.lap("write")
        whole = days.filter(f.col("n") == rules.DAY_SLOTS)
        fit = forecast_days(whole, out / FORECAST)
        watch.lap("forecast")
        clusters = unusual_days(whole, out / ANOMALIES)
        watch.lap("anomalies")
    counts = Counts(**{name: seen.get[name] for name in ("rows", *KINDS)})
    left = counts.rows - sum(getattr(counts, name) for name in KINDS)
    summary = Summary(
        engine=f"pyspark {pyspark.__version__}",
        counts=counts + Counts(duplicate=left - values),
        homes=homes,
        days=number,
        whole_days=whole_days,
        forecast=fit,
        clusters=clusters,
        seconds=round(watch.total_s, 3),
        steps_s=watch.laps_s,
    )
    write_summary(summary, out)
    return summary


def _totals(days: DataFrame) -> tuple[int, int, int, int]:
    """Homes, days, whole days, half hours."""
    whole = f.count(f.when(f.col("n") == rules.DAY_SLOTS, 1))
    ((homes, number, whole_days, values),) = days.agg(
        f.count_distinct("home"), f.count("*"), whole, f.sum("n")
    ).collect()
    return homes, number, whole_days, values


@contextmanager
def _session(memory_gb: int) -> Iterator[SparkSession]:
    cores = len(os.sched_getaffinity(0))
    settings = {
        "spark.driver.memory": f"{memory_gb}g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.shuffle.partitions": str(cores * _PARTITIONS_A_CORE),
        "spark.sql.session.timeZone": "UTC",
        # As the other engine: what is no number is no value, not the end of the run.
        "spark.sql.ansi.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[*]").appName("wattline")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()
