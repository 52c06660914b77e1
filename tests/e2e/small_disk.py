"""A file system that is full after a few hundred kilobytes, and can grow."""

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self


class SmallDisk:
    """A tmpfs; `with` mounts and unmounts it, which needs root.

    Args:
        folder: Where.
        size: As `mount` has it: "512k".
    """

    def __init__(self, folder: Path, size: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._size = size

    def __enter__(self) -> Self:
        _run("mount", "-t", "tmpfs", "-o", f"size={self._size}", "tmpfs", str(self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Lazily: what still has a file open there must not keep the mount for ever.
        _run("umount", "--lazy", str(self.folder))

    def grow(self, size: str) -> None:
        """Make room."""
        _run("mount", "-o", f"remount,size={size}", str(self.folder))


def can_mount(folder: Path) -> bool:
    """Whether this machine lets us have one."""
    try:
        with SmallDisk(folder, "64k"):
            return True
    except subprocess.CalledProcessError:
        return False


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)
