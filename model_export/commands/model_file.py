"""A model file that a person names: everything that the commands rely on is looked at before any work."""

import math
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from model_export.errors import DataError, one_line
from wattline.errors import WattlineError

_MOST_BYTES: Final = 64 << 20
"""Read into memory to be looked at; an edge should get far less."""
_DAY_MS: Final = 86_400_000


def known_model(path: Path) -> tuple[bytes, dict[str, str]]:
    """A model file that can be run, and its metadata.

    Raises:
        DataError: It is missing or far too large, or no model of this contract, or its graph cannot be run or its
            metadata are not what training writes.
    """
    from model_export.export import read_model

    _check_size(path)
    content, facts = read_model(path)
    _check_facts(facts, path)
    _check_graph(content, path)
    return content, facts


def _check_size(path: Path) -> None:
    try:
        found = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path}: is no file")
    if found.st_size > _MOST_BYTES:
        raise DataError(f"{path}: has {found.st_size:,} bytes, too many for a model")


def _check_facts(facts: Mapping[str, str], path: Path) -> None:
    try:
        usable = (
            bool(facts["family"])
            and int(facts["interval_ms"]) > 0
            and _DAY_MS % int(facts["interval_ms"]) == 0
            and math.isfinite(float(facts["threshold"]))
            and int(facts.get("seed", "0")) >= 0
        )
    except (KeyError, ValueError):
        usable = False
    if not usable:
        raise DataError(f"{path}: its metadata lack a usable family, interval_ms, threshold or seed")


def _check_graph(content: bytes, path: Path) -> None:
    """Run the graph over one row."""
    import numpy as np

    from model_export.export import score_rows
    from wattline.features import NAMES

    try:
        scored = score_rows(content, np.zeros((1, len(NAMES)), np.float32))
    except WattlineError:
        raise
    except Exception as error:  # noqa: BLE001 - onnxruntime's errors have no base of their own
        raise DataError(f"{path}: its graph cannot be run: {one_line(str(error), 200)}") from None
    if scored.score.shape != (1,) or scored.found.shape != (1,):
        raise DataError(f"{path}: its graph gives no score and decision for a row")
