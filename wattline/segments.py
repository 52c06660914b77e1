"""`segments.csv`: which segment each meter belongs to, as training writes it and the cloud may read it.

```
meter,segment,name,distance,days
MAC000002,evening-peak-sharp,"evening peak, sharp",0.1734,365
```

A mapping beside the data and no tag in them: a segment may change with the
next training, and a changed tag would make a second row of every stored window.
"""

import csv
import re
from collections.abc import Container
from pathlib import Path
from typing import Final

from wattline.errors import ConfigError

COLUMNS: Final = ("meter", "segment", "name", "distance", "days")
_TAG: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_METER: Final = re.compile(r"[^\x00-\x1f\x7f\\]{1,256}")


def load_segment_tags(path: Path) -> dict[str, str]:
    """Read the segment of each meter; columns other than `meter` and `segment` are not looked at.

    Raises:
        ConfigError: The file cannot be read, lacks a column, names a meter twice, or holds what is no tag.
    """
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            return _tags(csv.DictReader(lines, strict=True), path)
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(str(path), f"is no CSV file: {error}") from None


def _tags(rows: "csv.DictReader[str]", path: Path) -> dict[str, str]:
    missing = {"meter", "segment"} - set(rows.fieldnames or ())
    if missing:
        raise ConfigError(str(path), f"has no column {min(missing)!r}")
    tags: dict[str, str] = {}
    for row in rows:
        meter, segment = row["meter"] or "", row["segment"] or ""
        problem = _problem(meter, segment, tags)
        if problem:
            raise ConfigError(f"{path}: line {rows.line_num}", problem)
        tags[meter] = segment
    return tags


def _problem(meter: str, segment: str, known: Container[str]) -> str:
    if _METER.fullmatch(meter) is None:
        return "has no name of a meter that a store could keep"
    if _TAG.fullmatch(segment) is None:
        return f"expected a segment such as evening-peak, got {segment!r}"
    if meter in known:
        return f"names meter {meter!r} again"
    return ""
