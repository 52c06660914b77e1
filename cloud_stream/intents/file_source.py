"""`intents.toml` as it is now: read again when it changes."""

import time
from collections.abc import Callable
from pathlib import Path

from cloud_stream.intents.ports import Edition
from cloud_stream.intents.wishes import load_book
from cloud_stream.sites import Sites
from cloud_stream.watched_file import WatchedFile


class FileSource:
    """`IntentsSource` on a file; a wrong one leaves the old intents in force.

    Args:
        path: The file.
        sites: See `load_book`.
        clock_s: Monotonic.
        good_copy: See `WatchedFile`.

    Raises:
        ConfigError: See `WatchedFile`.
    """

    def __init__(
        self, path: Path, sites: Sites, clock_s: Callable[[], float] = time.monotonic, *, good_copy: Path | None = None
    ) -> None:
        self._file = WatchedFile(
            path, lambda file: (load_book(file, sites), (file,)), good_copy=good_copy, clock_s=clock_s
        )
        self._edition = self._newest()

    @property
    def refused(self) -> int:
        """How many newer files were wrong."""
        return self._file.refused

    def __call__(self) -> Edition:
        """The newest edition; never raises."""
        if self._file.look():
            self._edition = self._newest()
        return self._edition

    def _newest(self) -> Edition:
        return Edition(1 + self._file.loaded, self._file.value, self._file.problem)
