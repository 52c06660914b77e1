"""Files that are there whole or not at all, whatever happens while they are written."""

import errno
import os
from collections.abc import Callable
from pathlib import Path


def write_whole(out: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside its place, and put it there when it is whole; folders that are missing are made.

    Args:
        out: Its place.
        write: Writes it to the path that it is given. What it left there is removed when it fails or is interrupted.

    Raises:
        OSError: It cannot be written, or is a folder.
    """
    refuse_folder(out)
    fresh = out.with_name(f"{out.name}.new")
    out.parent.mkdir(parents=True, exist_ok=True)
    refuse_folder(fresh)
    try:
        write(fresh)
        fresh.replace(out)
    except BaseException as error:
        fresh.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno and not error.filename:
            # A write to an open file does not say which.
            raise OSError(error.errno, error.strerror, str(out)) from None
        raise


def refuse_folder(out: Path) -> None:
    """Tell a file's place from a folder.

    Raises:
        IsADirectoryError: It is one.
    """
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
