"""The rules file while the flow runs: read again when it changes; a wrong file leaves the old rules in force."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloud_stream.alerts.rule import Made
from cloud_stream.alerts.rules import RuleSet, load_rules_and_files
from cloud_stream.records import Notice
from cloud_stream.watched_file import WatchedFile

TITLE: Final = "alert rules not loaded"


class WatchedRules:
    """A `RulesSource` on a file.

    Args:
        path: The rules file.
        made: What the flow makes.
        good_copy: See `WatchedFile`.
        clock_s: Seconds that only grow.
        now_ms: The wall clock.

    Raises:
        ConfigError: See `WatchedFile`.
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
        known = made or Made()
        self._path = path
        self._now_ms = now_ms
        self._file = WatchedFile(
            path, lambda file: load_rules_and_files(file, known), good_copy=good_copy, clock_s=clock_s
        )
        self._newest = self._set()

    @property
    def counts(self) -> Counter[str]:
        """`rules_loaded` and `rules_refused`, how often."""
        return +Counter(rules_loaded=self._file.loaded, rules_refused=self._file.refused)

    def __call__(self) -> RuleSet:
        """The newest good rules."""
        if self._file.look():
            self._newest = self._set()
        return self._newest

    def _set(self) -> RuleSet:
        return RuleSet(self._file.value, self._problem() if self._file.problem else None)

    def _problem(self) -> Notice:
        """One notice for one wrong content, whichever process finds it."""
        now_ms = self._now_ms()
        return Notice(
            key=f"{TITLE}/{self._path}/{self._file.digest()}",
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
            text=f"{self._file.problem}. The rules that were in force go on.",
        )
