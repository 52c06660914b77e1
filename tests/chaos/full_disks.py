"""Ways to take the room away under a folder, and to give it back."""

import os
import resource
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_CAP_SYS_ADMIN = 21
_DISK_BYTES = 24 << 20
_LIMIT_BYTES = 32 << 10


class Room(Protocol):
    """The room under a folder, for one process that writes there."""

    def __enter__(self) -> Self:
        """Provide the folder, with room."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clean up."""

    def take_away(self, pid: int) -> None:
        """Let the writer's next growing write fail."""

    def give_back(self, pid: int) -> None:
        """Let it write again."""


class SmallDisk:
    """A disk of its own that a file fills to the last byte: ENOSPC."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"

    def __enter__(self) -> Self:
        """Mount it."""
        self._folder.mkdir()
        options = ["-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "wattline-test", str(self._folder)]
        subprocess.run(["mount", *options], check=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Unmount it, even while somebody still has a file open."""
        subprocess.run(["umount", "--lazy", str(self._folder)], check=True)

    def take_away(self, pid: int) -> None:
        """Write until nothing fits."""
        del pid
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    continue

    def give_back(self, pid: int) -> None:
        """Remove what was written."""
        del pid
        self._ballast.unlink()


class SmallFiles:
    """An ordinary folder, and a limit on the size of the writer's files: EFBIG. Needs no root."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        """Make the folder."""
        self._folder.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left to clean up."""

    def take_away(self, pid: int) -> None:
        """Set the limit below what the files have already."""
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (_LIMIT_BYTES, hard))

    def give_back(self, pid: int) -> None:
        """Lift the limit."""
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def may_mount() -> bool:
    """Whether this process may mount a disk."""
    status = Path("/proc/self/status").read_text()
    capabilities = int(status.partition("CapEff:")[2].split()[0], 16)
    return os.geteuid() == 0 and bool(capabilities >> _CAP_SYS_ADMIN & 1)
