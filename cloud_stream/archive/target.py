"""Where the archive's files are: the seam between what is written and a folder or a bucket."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class ArchiveTarget(Protocol):
    """Folders of days with files in them; for one thread, and one process writes.

    A file is there whole or not at all, and is replaced in one stroke; what a method
    has done survives a crash once it has returned. Each method may be repeated.

    Attributes:
        where: The archive's place, without any secret.
    """

    where: str

    def days(self) -> list[str]:
        """The dates that have a folder, in order.

        Raises:
            ArchiveError: The place does not answer, or refuses.
        """

    def names(self, day: str) -> frozenset[str]:
        """The files in a day's folder; none where there is no folder.

        Raises:
            ArchiveError: As for `days`.
        """

    def reading(self, day: str, name: str) -> AbstractContextManager[Path]:
        """A file, at a path where it can be read as long as the context lasts.

        Raises:
            ArchiveError: As for `days`, or there is no such file.
        """

    def put(self, day: str, name: str, write: Callable[[Path], object]) -> None:
        """Make or replace a file.

        Args:
            day: Its date.
            name: Its name.
            write: Writes it to the path that it is given. What it raises leaves all as it was.

        Raises:
            ArchiveError: As for `days`, or there is no room.
        """

    def move(self, day: str, name: str, to: str) -> None:
        """Give a file another name, replacing what has that name; without such a file nothing happens.

        Raises:
            ArchiveError: As for `days`.
        """

    def remove(self, day: str, names: Iterable[str]) -> None:
        """Remove files, whether they are there or not.

        Raises:
            ArchiveError: As for `days`.
        """
