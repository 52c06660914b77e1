"""`segments.json` is read back as it was written, and anything else is refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from model_export.errors import DataError
from model_export.segments.contract import Segments, load_segments
from model_export.segments.profiles import Clock
from model_export.segments.segmentation import Wishes, members, profiles_of, segmented
from tests.model_export.segments.mixture import HALF_HOUR, mixture

CLOCK = Clock(HALF_HOUR, "Europe/London")
PROFILES = profiles_of(mixture(homes=16), CLOCK)
FOUND = segmented(PROFILES, CLOCK, Wishes(4, created="2026-11-21T00:00:00+00:00"))


def read(tmp_path: Path, content: bytes) -> Segments:
    file = tmp_path / "segments.json"
    file.write_bytes(content)
    return load_segments(file)


def changed(path: str, value: object) -> bytes:
    """The file with one value replaced."""
    tree = json.loads(FOUND.encode())
    place: Any = tree
    *way, last = path.split(".")
    for step in way:
        place = place[int(step) if step.isdigit() else step]
    place[last] = value
    return json.dumps(tree).encode()


def test_what_was_written_is_read_and_places_meters_alike(tmp_path: Path) -> None:
    loaded = read(tmp_path, FOUND.encode())
    assert loaded == FOUND
    assert loaded.clock == CLOCK
    assert members(loaded, PROFILES.known) == members(FOUND, PROFILES.known)


def test_more_fields_do_no_harm(tmp_path: Path) -> None:
    assert read(tmp_path, changed("remark", "ours")) == FOUND


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is no file of segments"),
        (b"\xff\xfe", "is no file of segments"),
        (b"[" * 100_000, "is no file of segments"),
        (b"{}", "version"),
        (changed("version", 2), "version 2"),
        (changed("version", "1"), "is no file of segments"),
        (changed("segments", []), "length >= 1"),
        (changed("segments.0.workday", [1.0]), "48 values"),
        (changed("segments.0.weekend", [1e9] * 48), "1000000"),
        (changed("segments.0.workday", [None] * 48), "null"),
        (changed("segments.0.id", "night-load"), "must differ"),
        (changed("segments.0.id", "other"), "none be 'other'"),
        (changed("segments.0.id", "a,b"), "matching"),
        (changed("interval_ms", 7), "--interval"),
        (changed("time_zone", "Mars/Olympus"), "no such zone"),
        (changed("reach", 0.0), "> 0"),
        (b" " * (17 << 20), "too large"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    with pytest.raises(DataError) as refused:
        read(tmp_path, content)
    assert problem in str(refused.value)
    assert str(tmp_path / "segments.json") in str(refused.value)


@pytest.mark.parametrize("name", ["absent.json", "."])
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"No such file|Is a directory"):
        load_segments(tmp_path / name)
