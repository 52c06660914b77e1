"""The archive in a folder of this machine."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cloud_stream.archive.errors import ArchiveError
from cloud_stream.archive.layout import day_number

FOLDER: Final = "date="
_UNFINISHED: Final = ".unfinished"


class LocalTarget:
    """The `ArchiveTarget` port over a folder; it is made when the first file is.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.where = str(root)
        self._root = root

    def days(self) -> list[str]:
        """See `ArchiveTarget.days`."""
        with _translated():
            found = [entry.name.removeprefix(FOLDER) for entry in self._entries(self._root) if entry.is_dir()]
        return sorted(day for day in found if day_number(day) is not None)

    def names(self, day: str) -> frozenset[str]:
        """See `ArchiveTarget.names`."""
        with _translated():
            return frozenset(entry.name for entry in self._entries(self._folder(day)) if _is_file(entry))

    @contextmanager
    def reading(self, day: str, name: str) -> Iterator[Path]:
        """See `ArchiveTarget.reading`."""
        path = self._folder(day) / name
        if not path.is_file():
            raise ArchiveError(f"{path}: is not there")
        yield path

    def put(self, day: str, name: str, write: Callable[[Path], object]) -> None:
        """See `ArchiveTarget.put`."""
        folder = self._folder(day)
        fresh = folder / f".{name}{_UNFINISHED}"
        with _translated():
            if not folder.is_dir():
                folder.mkdir(parents=True)
                _sync(self._root.parent, self._root)
            try:
                write(fresh)
                _sync(fresh)
                fresh.replace(folder / name)
                _sync(folder)
            except BaseException:
                with suppress(OSError):
                    fresh.unlink(missing_ok=True)
                raise

    def move(self, day: str, name: str, to: str) -> None:
        """See `ArchiveTarget.move`."""
        folder = self._folder(day)
        with _translated(), suppress(FileNotFoundError):
            (folder / name).replace(folder / to)
            _sync(folder)

    def remove(self, day: str, names: Iterable[str]) -> None:
        """See `ArchiveTarget.remove`."""
        folder = self._folder(day)
        with _translated():
            for name in names:
                (folder / name).unlink(missing_ok=True)
            if folder.is_dir():
                _sync(folder)

    def _folder(self, day: str) -> Path:
        return self._root / f"{FOLDER}{day}"

    def _entries(self, folder: Path) -> list[Path]:
        try:
            return list(folder.iterdir())
        except FileNotFoundError:
            return []


def _is_file(entry: Path) -> bool:
    return entry.is_file() and not entry.name.endswith(_UNFINISHED)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")) from error


def _sync(*paths: Path) -> None:
    """Bring files and folders onto the disk."""
    for path in paths:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
