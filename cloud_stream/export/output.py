"""Where an export goes: standard output, or a file that is there whole or not at all."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from cloud_stream.export.errors import ExportError, ReaderGoneError

Write = Callable[[bytes], None]
STDOUT: Final = 1


@contextmanager
def opened(output: Path | None) -> Iterator[Write]:
    """Open standard output (None) or a file, which takes its place at the end; a device is written to.

    Raises:
        ExportError: It cannot be written; a file that was there before is unchanged.
        ReaderGoneError: The reader at the other end of standard output has gone.
    """
    if output is None:
        yield _writer(STDOUT, "standard output")
        return
    if output.is_dir():
        raise ExportError(f"{output}: {os.strerror(errno.EISDIR)}")
    if output.exists() and not output.is_file():
        # A device or pipe is written to: a file put in its place would take it away from everybody.
        with _said(output), output.open("wb", buffering=0) as device:
            yield _writer(device.fileno(), str(output))
        return
    fresh = output.with_name(f".{output.name}.{os.getpid()}.unfinished")
    try:
        with _said(output):
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        try:
            yield _writer(fd, str(output))
            with _said(output):
                os.fsync(fd)
        finally:
            os.close(fd)
        with _said(output):
            fresh.replace(output)
    except BaseException:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise


def _writer(fd: int, where: str) -> Write:
    """Writes all of what it is given. No buffer is left that Python would write at its end."""

    def write(content: bytes) -> None:
        rest = memoryview(content)
        try:
            while rest:
                rest = rest[os.write(fd, rest) :]
        except BrokenPipeError:
            raise ReaderGoneError(f"{where}: the reader is gone") from None
        except OSError as error:
            raise ExportError(f"{where}: {error.strerror or error}") from None

    return write


@contextmanager
def _said(output: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{output}: {error.strerror or error}") from None
