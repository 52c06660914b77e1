"""When each job last succeeded, kept through restarts: one small JSON file a job."""

import logging
import os
from pathlib import Path
from typing import Final

import msgspec

_log: Final = logging.getLogger("cloud_stream.jobs")
MAX_BYTES: Final = 4096


class _Kept(msgspec.Struct):
    last_ms: int


class JobMemory:
    """The last successful run of each job.

    A file that cannot be read counts as a job that never ran; one that cannot be written is logged, and the job's run
    is remembered until the process ends.

    Args:
        folder: Made when it is first written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, int] = {}

    def last_ms(self, name: str) -> int | None:
        """When a job's last successful run began, ms UTC; None when there was none."""
        if name not in self._known:
            read = self._read(name)
            if read is None:
                return None
            self._known[name] = read
        return self._known[name]

    def hold(self, name: str, at_ms: int) -> None:
        """Take note of a run until the process ends."""
        self._known[name] = at_ms

    def remember(self, name: str, at_ms: int) -> None:
        """Take note of a successful run that began at `at_ms`; durable on return, if the disk takes it."""
        self._known[name] = at_ms
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._file(name), msgspec.json.encode(_Kept(at_ms)))
        except OSError as error:
            _log.warning("job_not_remembered name=%s problem=%r", name, str(error))

    def _read(self, name: str) -> int | None:
        try:
            with self._file(name).open("rb") as file:
                return msgspec.json.decode(file.read(MAX_BYTES), type=_Kept).last_ms
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            _log.warning("job_memory_unreadable name=%s problem=%r", name, str(error))
            return None

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def write_whole(file: Path, content: bytes) -> None:
    """Replace a file: whoever reads it sees the old or the new content, whatever happens meanwhile.

    Raises:
        OSError: The disk does not take it; the old content stays.
    """
    part = file.with_name(f"{file.name}.part")
    try:
        with part.open("wb") as output:
            output.write(content)
            output.flush()
            os.fsync(output.fileno())
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise
