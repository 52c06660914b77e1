"""`intents.toml` as it is now: read again when it changes."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloud_stream.intents.ports import Edition
from cloud_stream.intents.wishes import load_book
from cloud_stream.sites import Sites
from wattline.errors import ConfigError

_log: Final = logging.getLogger("cloud_stream.intents")
LOOK_EVERY_S: Final = 1.0


class FileSource:
    """`IntentsSource` on a file: looks at its time at most once a second; a wrong file leaves the old intents in force.

    Args:
        path: The file; it must be right when this is made.
        sites: See `load_book`.
        clock_s: Monotonic.

    Attributes:
        refused: How many newer files were wrong.

    Raises:
        ConfigError: See `load_book`.
    """

    def __init__(self, path: Path, sites: Sites, clock_s: Callable[[], float] = time.monotonic) -> None:
        self.refused = 0
        self._path = path
        self._sites = sites
        self._clock_s = clock_s
        self._stamp = _stamp(path)
        self._edition = Edition(1, load_book(path, sites))
        self._looked_s = clock_s()

    def __call__(self) -> Edition:
        """The newest edition; never raises."""
        now_s = self._clock_s()
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self._look()
        return self._edition

    def _look(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        number, book, _ = self._edition
        try:
            self._edition = Edition(number + 1, load_book(self._path, self._sites))
            _log.info("intents_read path=%s intents=%d", self._path, len(self._edition.book.wishes))
        except ConfigError as error:
            self.refused += 1
            self._edition = Edition(number, book, str(error))
            _log.warning("intents_refused error=%s", error)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
