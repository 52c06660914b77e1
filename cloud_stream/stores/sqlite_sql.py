"""The SQL of the SQLite store: tables and statements.

Names that go into statements are measurements, tags and fields: the first two
are constants, and `measurements.is_field_name` admits only letters, digits and
underscores.
"""

# ruff: noqa: S608 - see above

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final

from cloud_stream.measurements import FLOW_MARK, INTERVAL_FIELD, MAX_TIME_MS, MEASUREMENTS, READING, USAGE

_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    # A meter's rows in time, whichever gateway they came through.
    READING: ("site", "meter", "t_ms", "gateway"),
    # A site's meters in time.
    USAGE: ("level", "window", "site", "t_ms", "meter"),
}
"""The order of rows in the file, where it is not tags and then time."""


def _table(name: str) -> str:
    tags = MEASUREMENTS[name].tags
    columns = ", ".join(f'"{tag}" TEXT NOT NULL' for tag in tags)
    key = ", ".join(f'"{column}"' for column in _KEYS.get(name, (*tags, "t_ms")))
    interval = f', "{INTERVAL_FIELD}"' if name == READING else ""
    mark = ', "incarnation", "number"' if name == FLOW_MARK else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {name} "
        f"({columns}, t_ms INTEGER NOT NULL{interval}{mark}, PRIMARY KEY ({key})) WITHOUT ROWID"
    )


SCHEMA: Final = (
    *map(_table, MEASUREMENTS),
    # Which quantities a meter ever had: a search for one that it never had would read all its rows.
    """
    CREATE TABLE IF NOT EXISTS series
    (site TEXT, meter TEXT, quantity TEXT, PRIMARY KEY (site, meter, quantity)) WITHOUT ROWID
    """,
    """
    CREATE VIEW IF NOT EXISTS reading_utc AS SELECT
    strftime('%Y-%m-%dT%H:%M:%S', t_ms / 1000, 'unixepoch') || printf('.%03dZ', t_ms % 1000) AS utc, *
    FROM reading
    """,
)

METERS: Final = "SELECT DISTINCT site, meter FROM series"
SERIES_OF_METER: Final = "SELECT quantity FROM series WHERE site = ? AND meter = ?"
ADD_SERIES: Final = "INSERT OR IGNORE INTO series VALUES (?, ?, ?)"
NEWEST_MARK: Final = f"SELECT incarnation, number FROM {FLOW_MARK} WHERE shard = ? ORDER BY t_ms DESC LIMIT 1"
PRUNE_MARKS: Final = f"DELETE FROM {FLOW_MARK} WHERE t_ms < ?"
PRUNE_READINGS: Final = f"""
DELETE FROM {READING} WHERE (site, meter, t_ms, gateway) IN
(SELECT site, meter, t_ms, gateway FROM {READING} WHERE site = ? AND meter = ? AND t_ms < ? LIMIT ?)
"""


@lru_cache(maxsize=1024)
def upsert(measurement: str, fields: tuple[str, ...]) -> str:
    """Insert tags, time and `fields`; of a row that is there, replace these fields alone."""
    columns = ", ".join(f'"{name}"' for name in (*MEASUREMENTS[measurement].tags, "t_ms", *fields))
    places = ", ".join("?" * (len(MEASUREMENTS[measurement].tags) + 1 + len(fields)))
    replaced = ", ".join(f'"{name}" = excluded."{name}"' for name in fields)
    key = ", ".join(f'"{name}"' for name in (*MEASUREMENTS[measurement].tags, "t_ms"))
    return f"INSERT INTO {measurement} ({columns}) VALUES ({places}) ON CONFLICT ({key}) DO UPDATE SET {replaced}"


def heads(measurement: str) -> tuple[str, ...]:
    """The tags that rows are ordered by before their time."""
    key = _KEYS.get(measurement, (*MEASUREMENTS[measurement].tags, "t_ms"))
    return key[: key.index("t_ms")]


def first_head(measurement: str, fixed: int) -> str:
    """The first head whose first `fixed` tags are the parameters."""
    return _head(measurement, [f'"{name}" = ?' for name in heads(measurement)[:fixed]])


def next_head(measurement: str, fixed: int) -> str:
    """The head after another one, whose tags are the parameters and of which the first `fixed` stay the same.

    It is looked for behind the last possible time: behind the tags alone, all rows of the old head would be read.
    """
    names = heads(measurement)
    same, rest = [f'"{name}" = ?' for name in names[:fixed]], (*names[fixed:], "t_ms")
    places = ", ".join("?" * (len(rest) - 1))
    return _head(measurement, [*same, f"({_quoted(rest)}) > ({places}, {MAX_TIME_MS})"])


def _head(measurement: str, terms: Sequence[str]) -> str:
    names = _quoted(heads(measurement))
    return f"SELECT {names} FROM {measurement} WHERE {' AND '.join(terms) or '1'} ORDER BY {names} LIMIT 1"


def select_table(measurement: str, tags: Collection[str], fields: Sequence[str]) -> str:
    """Tags, time and fields of the rows that carry `tags`, with times in [:start, :end)."""
    columns = _quoted((*MEASUREMENTS[measurement].tags, "t_ms", *fields))
    return f"SELECT {columns} FROM {measurement} WHERE {_condition(tags)}"


def first_and_last(measurement: str, tags: Collection[str]) -> str:
    """The first and the last time of the rows that carry `tags`: two searches when these are a head."""
    condition = " AND ".join(f'"{name}" = :{name}' for name in tags) or "1"
    one = f"SELECT {{}}(t_ms) FROM {measurement} WHERE {condition}"
    return f"SELECT ({one.format('min')}), ({one.format('max')})"


def distinct(measurement: str, tag: str) -> str:
    """The values of a tag."""
    return f"""SELECT DISTINCT "{tag}" FROM {measurement} WHERE "{tag}" <> '' ORDER BY 1"""


def columns(measurement: str) -> str:
    """The columns of a measurement's table."""
    return f"PRAGMA table_info({measurement})"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def select_readings(quantities: Sequence[str]) -> str:
    """Rows of (gateway, time, interval, quantities...) of a meter in [start, end)."""
    columns = ", ".join(f'"{name}"' for name in quantities)
    return (
        f"SELECT gateway, t_ms, {INTERVAL_FIELD}, {columns} FROM {READING} "
        "WHERE site = ? AND meter = ? AND t_ms >= ? AND t_ms < ?"
    )


def before(quantity: str) -> str:
    """The rows at the newest time before `:border` that has the quantity."""
    return _border(quantity, "<", "DESC")


def after(quantity: str) -> str:
    """The rows at the oldest time from `:border` on that has the quantity."""
    return _border(quantity, ">=", "ASC")


def _border(quantity: str, side: str, order: str) -> str:
    source = f'FROM {READING} WHERE site = :site AND meter = :meter AND "{quantity}" IS NOT NULL'
    nearest = f"SELECT t_ms {source} AND t_ms {side} :border ORDER BY t_ms {order} LIMIT 1"
    return f'SELECT gateway, t_ms, {INTERVAL_FIELD}, "{quantity}" {source} AND t_ms = ({nearest})'


def select_points(measurement: str, tags: Collection[str]) -> str:
    """The points that carry `tags` (parameters by their names), with times in [:start, :end)."""
    if measurement == USAGE and "site" not in tags and {"level", "window"} <= set(tags):
        return _select_usage_of_all_sites(tags)
    return f"SELECT * FROM {measurement} WHERE {_condition(tags)} ORDER BY t_ms"


def _select_usage_of_all_sites(tags: Collection[str]) -> str:
    """As `select_points`, site by site: rows lie in that order, and without it all times would be read."""
    next_site = f'SELECT min(site) FROM {USAGE} WHERE level = :level AND "window" = :window'
    return f"""
    WITH RECURSIVE sites (name) AS (
        {next_site} UNION ALL SELECT ({next_site} AND site > name) FROM sites WHERE name IS NOT NULL
    )
    SELECT {USAGE}.* FROM sites CROSS JOIN {USAGE} ON site = name WHERE {_condition(tags)} ORDER BY t_ms
    """


def _condition(tags: Collection[str]) -> str:
    return " AND ".join([*(f'"{name}" = :{name}' for name in tags), "t_ms >= :start", "t_ms < :end"])
