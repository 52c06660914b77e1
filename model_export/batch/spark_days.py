"""On PySpark: rows that can be used, counted like the others, and the days that they make."""

from typing import Final

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as f
from pyspark.sql.types import StringType, StructField, StructType

from model_export.batch import rules
from model_export.batch.files import Survey

KINDS: Final = ("null", "unreadable", "off_grid", "negative", "impossible")


def read_rows(spark: SparkSession, survey: Survey, seen: Observation) -> DataFrame:
    """Columns home, day, slot, kwh: what can be used; the rest is counted."""
    names = {survey.home: "home", survey.time: "time", survey.value: "value"}
    fields = [StructField(names.get(column, column), StringType()) for column in survey.columns]
    lines = spark.read.csv([str(file) for file in survey.files], schema=StructType(fields), header=True, quote="")
    text = f.trim("value")
    rows = lines.select(
        "home",
        f.unix_micros(f.col("time").cast("timestamp")).alias("t_us"),
        text.cast("double").alias("kwh"),
        text.alias("text"),
    )
    rows = rows.withColumn("kind", _kind())
    counts = [f.count(f.when(f.col("kind") == name, 1)).alias(name) for name in KINDS]
    used = rows.observe(seen, f.count("*").alias("rows"), *counts).filter(f.col("kind").isNull())
    day_us, slot_us = rules.DAY_MS * 1000, rules.HALF_HOUR_MS * 1000
    day = (f.col("t_us") / day_us).cast("int")
    slot = ((f.col("t_us") % day_us) / slot_us).cast("int")
    return used.select("home", day.alias("day"), slot.alias("slot"), "kwh")


def _kind() -> Column:
    """Why a row cannot be used; null where it can."""
    kwh, t_us = f.col("kwh"), f.col("t_us")
    no_number = kwh.isNull() | f.isnan(kwh)
    silent = f.col("text").isNull() | f.lower("text").isin(*rules.NO_VALUES)
    no_time = t_us.isNull() | (t_us < rules.FIRST_MS * 1000) | (t_us >= rules.END_MS * 1000)
    return (
        f.when(no_number & silent, "null")
        .when(no_number | no_time | f.col("home").isNull(), "unreadable")
        .when(t_us % (rules.HALF_HOUR_MS * 1000) != 0, "off_grid")
        .when(kwh < 0, "negative")
        .when(kwh > rules.MOST_KWH, "impossible")
    )


def days_of(rows: DataFrame) -> DataFrame:
    """Columns home, day, n, kwh, max_kwh, min_kwh and the parts of the day."""
    slot, kwh = f.col("slot"), f.col("kwh")
    parts = [
        f.sum(f.when((slot >= begin) & (slot < begin + rules.PART_SLOTS), kwh).otherwise(0.0)).alias(name)
        for name, begin in zip(rules.PARTS, range(0, rules.DAY_SLOTS, rules.PART_SLOTS), strict=True)
    ]
    # Told apart by home and day first, so that the days need no second shuffle.
    distinct = rows.repartition("home", "day").dropDuplicates(["home", "day", "slot"])
    return distinct.groupBy("home", "day").agg(
        f.count("*").cast("int").alias("n"),
        f.sum("kwh").alias("kwh"),
        f.max("kwh").alias("max_kwh"),
        f.min("kwh").alias("min_kwh"),
        *parts,
    )


def in_order(table: DataFrame) -> DataFrame:
    """By home and day, and days as dates: the form of the results."""
    return table.withColumn("day", f.date_add(f.lit("1970-01-01").cast("date"), f.col("day"))).orderBy("home", "day")
