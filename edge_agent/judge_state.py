"""Keeps the judge's history in one file, so that a restart needs no new warm-up."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from edge_agent.judge import AnomalyJudge

_log: Final = logging.getLogger("edge_agent.judge")


def save_history(judge: AnomalyJudge, path: Path) -> bool:
    """Write the history; the old file stays until the new one is whole.

    Returns:
        Whether it was written; a full disk is logged, not raised: the agent
        goes on, and only a restart would cost the history since the last file.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        with fresh.open("wb") as file:
            np.savez(file, allow_pickle=False, **judge.export())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):  # a disk that is read-only now lets nothing go either
            fresh.unlink()
        _log.warning("history_not_saved file=%s error=%s", path, error)
        return False
    return True


def restore_history(judge: AnomalyJudge, path: Path) -> bool:
    """Give a new judge the history in `path`.

    Returns:
        Whether there was one. A file that cannot be used is logged and left:
        the judge starts anew and the next `save_history` replaces it.
    """
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            judge.restore(dict(arrays))
    except FileNotFoundError:
        return False
    except Exception as error:  # noqa: BLE001 (a damaged file fails in a dozen ways; none may keep the agent from starting)
        _log.warning("history_not_restored file=%s error=%s: %s", path, type(error).__name__, error)
        return False
    return True
