"""On PySpark: tomorrow's use, and unusual days."""

from collections.abc import Sequence
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as f

from model_export.batch import rules
from model_export.batch.results import ClusterFit, ForecastFit
from model_export.batch.spark_days import in_order


def _features(whole: DataFrame) -> DataFrame:
    """Columns home, day (the one to forecast), actual, and the features, for every seven whole days in a row."""
    by_home = Window.partitionBy("home").orderBy("day")
    week = by_home.rowsBetween(1 - rules.LAGS, 0)
    target = f.col("day") + 1
    angle = 2 * f.pi() * (target % rules.YEAR_DAYS) / rules.YEAR_DAYS
    lags = [f.lag("kwh", lag).over(by_home).alias(f"lag_{lag + 1}") for lag in range(rules.LAGS)]
    weekdays = [
        (target % rules.LAGS == number).cast("double").alias(name) for number, name in enumerate(rules.WEEKDAYS, 1)
    ]
    actual = f.when(f.lead("day").over(by_home) == target, f.lead("kwh").over(by_home))
    rows = whole.select(
        "home",
        target.alias("day"),
        actual.alias("actual"),
        f.lag("day", rules.LAGS - 1).over(by_home).alias("week_ago"),
        *lags,
        f.stddev_pop("kwh").over(week).alias("spread_7"),
        f.max("kwh").over(week).alias("peak_7"),
        "max_kwh",
        *weekdays,
        f.sin(angle).alias("year_sin"),
        f.cos(angle).alias("year_cos"),
    )
    return rows.filter(f.col("week_ago") == f.col("day") - rules.LAGS)


def forecast_days(whole: DataFrame, out: Path) -> ForecastFit:
    """Learn from the earlier days, judge by the later ones, forecast the day after every seven; written to `out`."""
    rows = VectorAssembler(inputCols=list(rules.FEATURES), outputCol="features").transform(_features(whole)).persist()
    known = rows.filter(f.col("actual").isNotNull())
    split = rules.split_day(dict(known.groupBy("day").count().collect()))
    learn = known.filter(f.col("day") < split)
    model = LinearRegression(labelCol="actual", predictionCol="forecast_kwh", solver="normal").fit(learn)
    forecasts = model.transform(rows)
    columns = ("home", "day", "forecast_kwh", f.col("actual").alias("actual_kwh"))
    in_order(forecasts.select(*columns)).write.parquet(str(out))
    judge = f.when(f.col("day") >= split, f.col("actual"))
    figures = forecasts.agg(
        f.count(f.when(f.col("day") < split, f.col("actual"))),
        f.count(judge),
        f.avg(f.abs(f.col("forecast_kwh") - judge)),
        f.avg(f.abs(f.col(f"lag_{rules.LAGS}") - judge)),
    )
    ((trained, tested, mae_kwh, week_ago_mae_kwh),) = figures.collect()
    rows.unpersist()
    return ForecastFit(
        split_day=split,
        trained=trained,
        tested=tested,
        mae_kwh=mae_kwh,
        week_ago_mae_kwh=week_ago_mae_kwh,
        intercept=model.intercept,
        coefficients=dict(zip(rules.FEATURES, model.coefficients.tolist(), strict=True)),
    )


def unusual_days(whole: DataFrame, out: Path) -> ClusterFit:
    """Tell kinds of whole days apart, and which days are unlike their kind; written to `out`."""
    shapes, means, spreads = _shapes(whole)
    model = KMeans(k=rules.CLUSTERS, maxIter=rules.MOST_ROUNDS, tol=rules.TOLERANCE, seed=rules.SEED).fit(shapes)
    sizes = model.summary.clusterSizes
    order = sorted(range(rules.CLUSTERS), key=lambda number: -sizes[number])
    centres = np.array(model.clusterCenters())[order]
    found = model.transform(shapes).withColumn("cluster", _chosen("prediction", np.argsort(order).tolist()))
    found = found.withColumn("distance", _distance(centres)).select("home", "day", "cluster", "distance").persist()
    kinds = found.groupBy("cluster").agg(
        f.count("*").alias("days"),
        (f.avg("distance") + rules.SIGMAS * f.stddev_pop("distance")).alias("threshold"),
        f.sum(f.col("distance") * f.col("distance")).alias("inertia"),
    )
    rows = kinds.orderBy("cluster").collect()
    thresholds = [row["threshold"] for row in rows]
    table = found.withColumn("anomalous", f.col("distance") > _chosen("cluster", thresholds))
    in_order(table.withColumn("cluster", f.col("cluster").cast("byte"))).write.parquet(str(out))
    fit = ClusterFit(
        days=[row["days"] for row in rows],
        centres=np.expm1(centres * spreads + means).tolist(),
        thresholds=thresholds,
        inertia=sum(row["inertia"] for row in rows),
        anomalies=table.filter("anomalous").count(),
    )
    shapes.unpersist()
    found.unpersist()
    return fit


def _shapes(whole: DataFrame) -> tuple[DataFrame, list[float], list[float]]:
    """Standardised logarithms of the shape, as columns and as a vector; their means and standard deviations."""
    logs = whole.select("home", "day", *(f.log1p(name).alias(name) for name in rules.SHAPE))
    row = logs.agg(*map(f.avg, rules.SHAPE), *map(f.stddev_samp, rules.SHAPE)).collect()[0]
    means, spreads = list(row[: len(rules.SHAPE)]), [spread or 1.0 for spread in row[len(rules.SHAPE) :]]
    standard = [
        ((f.col(name) - mean) / spread).alias(name)
        for name, mean, spread in zip(rules.SHAPE, means, spreads, strict=True)
    ]
    shapes = logs.select("home", "day", *standard)
    vectors = VectorAssembler(inputCols=list(rules.SHAPE), outputCol="features").transform(shapes)
    return vectors.persist(), means, spreads


def _chosen(column: str, values: Sequence[float]) -> Column:
    """The value at the place that the column tells."""
    return f.array(*map(f.lit, values))[f.col(column)]


def _distance(centres: "np.typing.NDArray[np.float64]") -> Column:
    """From the shape to the centre of its cluster."""
    columns = zip(rules.SHAPE, centres.T.tolist(), strict=True)
    return f.sqrt(reduce(add, ((f.col(name) - _chosen("cluster", places)) ** 2 for name, places in columns)))
