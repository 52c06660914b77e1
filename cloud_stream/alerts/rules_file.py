"""The rules file while the flow runs: read again when it changes; a wrong file leaves the old rules in force."""

import hashlib
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from cloud_stream.alerts.rule import Made, Rule
from cloud_stream.alerts.rules import RuleSet, load_rules_and_files
from cloud_stream.records import Notice
from wattline.errors import ConfigError

TITLE: Final = "alert rules not loaded"
LOOK_EVERY_S: Final = 1.0
_log: Final = logging.getLogger("cloud_stream.alerts")

_Stamp = tuple[tuple[int, int, int], ...]
"""Of each file: when it was changed, its size, its place on the disk."""


class WatchedRules:
    """A `RulesSource` that looks at its files at most once a second.

    Args:
        path: The rules file.
        made: What the flow makes.
        good_copy: Where the last file that could be used is kept: what a restart goes on with while the file is wrong.
        clock_s: Seconds that only grow.
        now_ms: The wall clock.

    Attributes:
        counts: `rules_loaded` and `rules_refused`, how often.

    Raises:
        ConfigError: The file cannot be used, and there is no good copy to go on with.
    """

    def __init__(
        self,
        path: Path,
        made: Made | None = None,
        *,
        good_copy: Path | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._path = path
        self._made = made or Made()
        self._clock_s = clock_s
        self._now_ms = now_ms
        self._good_copy = good_copy
        self._files: tuple[Path, ...] = (path,)
        self._stamp = _stamp(self._files)
        self._newest = self._first()
        self._look_at_s = clock_s() + LOOK_EVERY_S

    def __call__(self) -> RuleSet:
        """The newest good rules."""
        if self._clock_s() >= self._look_at_s:
            self._look_at_s = self._clock_s() + LOOK_EVERY_S
            stamp = _stamp(self._files)
            if stamp != self._stamp:
                self._stamp = stamp
                self._load()
        return self._newest

    def _first(self) -> RuleSet:
        try:
            return self._read()
        except ConfigError as error:
            if self._good_copy is None or not self._good_copy.exists():
                raise
            try:
                rules, _ = load_rules_and_files(self._good_copy, self._made)
            except ConfigError:
                raise error from None
            return self._refuse(rules, error)

    def _load(self) -> None:
        try:
            self._newest = self._read()
        except ConfigError as error:
            self._newest = self._refuse(self._newest.rules, error)
            return
        self.counts["rules_loaded"] += 1
        _log.info("rules_loaded file=%s rules=%d", self._path, len(self._newest.rules))

    def _read(self) -> RuleSet:
        rules, files = load_rules_and_files(self._path, self._made)
        if files != self._files:
            self._files, self._stamp = files, _stamp(files)
        if self._good_copy is not None:
            _keep(self._path, self._good_copy)
        return RuleSet(rules)

    def _refuse(self, rules: tuple[Rule, ...], error: ConfigError) -> RuleSet:
        self.counts["rules_refused"] += 1
        _log.warning('rules_refused file=%s problem="%s"', self._path, error)
        return RuleSet(rules, self._problem(str(error)))

    def _problem(self, problem: str) -> Notice:
        """One notice for one wrong content, whichever process finds it."""
        now_ms = self._now_ms()
        content = hashlib.sha256()
        for file in self._files:
            content.update(_bytes_of(file))
        return Notice(
            key=f"{TITLE}/{self._path}/{content.hexdigest()[:16]}",
            group=TITLE,
            state="info",
            severity="warning",
            happened_ms=now_ms,
            decided_ms=now_ms,
            since_ms=now_ms,
            level="",
            site="",
            meter="",
            title=TITLE,
            text=f"{problem}. The rules that were in force go on.",
        )


def _keep(path: Path, copy: Path) -> None:
    """Keep a copy, whole or not at all; without one a restart needs a file that is right, no more."""
    beside = copy.with_name(f"{copy.name}.{os.getpid()}")
    try:
        beside.write_bytes(path.read_bytes())
        beside.replace(copy)
    except OSError as error:
        _log.warning("rules_copy_failed file=%s problem=%s", copy, error.strerror)


def _stamp(files: Sequence[Path]) -> _Stamp:
    return tuple(map(_stamp_of, files))


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return found.st_mtime_ns, found.st_size, found.st_ino


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
