"""Keeps what is known of the loads in a file: a restart neither forgets a held boiler nor repeats a command."""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.actuators.board import BoardState
from edge_agent.actuators.load_state import LoadState

_log: Final = logging.getLogger("edge_agent.loads")

_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(BoardState).decode


class StateFile:
    """One JSON file, always whole: the old one stays until the new one is on disk.

    Args:
        path: Where it is; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved = b""
        self._fails = False

    def load(self) -> BoardState | None:
        """What the last run kept; None where there is nothing. A damaged file is set aside and logged."""
        try:
            text = self._path.read_bytes()
            state = _DECODE(text)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            aside = self._path.with_name(f"{self._path.name}.corrupt")
            _log.error("loads_not_restored file=%s error=%s aside=%s", self._path, error, aside)
            with suppress(OSError):
                self._path.replace(aside)
            return None
        self._saved = text
        return state

    def save(self, state: BoardState) -> bool:
        """Write what has changed.

        Returns:
            Whether the file says so now; False when the disk is full or failed, logged.
        """
        text = _ENCODE(state)
        if text == self._saved:
            return True
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with fresh.open("wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            with suppress(OSError):
                fresh.unlink()
            if not self._fails:  # a disk that stays full for days is one line
                _log.error("loads_not_saved file=%s error=%s", self._path, error)
            self._fails = True
            return False
        self._saved, self._fails = text, False
        return True


def peek(path: Path) -> dict[str, LoadState]:
    """What the running agent keeps, by load, without touching anything; nothing where nothing can be read."""
    try:
        return _DECODE(path.read_bytes()).loads
    except (OSError, ValueError, RecursionError):
        return {}


def _sync_folder(folder: Path) -> None:
    """Make the new name durable as well."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
