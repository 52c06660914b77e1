"""What a segmentation leaves in a folder."""

import csv
from collections.abc import Iterable, Sequence
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Final

from model_export.segments.profiles import Excluded
from model_export.segments.segmentation import Membership
from model_export.whole_files import write_whole
from wattline.segments import COLUMNS

SEGMENTS: Final = "segments.json"
MEMBERS: Final = "segments.csv"
ASSIGNED: Final = "assigned.csv"
EXCLUDED: Final = "excluded.csv"
PICTURE: Final = "segments.png"
PAGE: Final = "segments.html"


def members_csv(placed: Sequence[Membership]) -> bytes:
    """`segments.csv`, see `wattline.segments`."""
    return _csv(COLUMNS, ((one.meter, one.segment, one.name, f"{one.distance:.4f}", str(one.days)) for one in placed))


def excluded_csv(excluded: Sequence[Excluded]) -> bytes:
    """`excluded.csv`: meters without a profile, and why."""
    return _csv(("meter", "reason", "detail"), ((one.meter, one.reason, one.detail) for one in excluded))


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    """Write files that are there whole or not at all."""
    for name, content in files.items():
        write_whole(folder / name, partial(_write, content=content))


def _write(fresh: Path, content: bytes) -> None:
    fresh.write_bytes(content)


def _csv(head: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode()
