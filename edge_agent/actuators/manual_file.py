"""How a person at the gateway switches a load: a small file that the agent takes away.

`wattline edge load boiler --manual off` writes it; anything else that can write a file may do the same.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import quote

import msgspec

from wattline.errors import ConfigError

_log: Final = logging.getLogger("edge_agent.loads")
_MAX_BYTES: Final = 1024
LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999: later times cannot be written."""


class HandWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person wants.

    Attributes:
        manual: `on`, `off`, or `auto`: nobody switches by hand any more.
        until_ms: When a switch by hand ends, ms UTC; 0 lasts until `auto`.
    """

    manual: Literal["on", "off", "auto"]
    until_ms: Annotated[int, msgspec.Meta(ge=0, le=LAST_MS)] = 0


def wish_file(state_dir: Path, load: str) -> Path:
    """Where the wish for a load is left."""
    return state_dir / "loads" / f"{quote(load, safe='')}.manual.json"


def leave_wish(state_dir: Path, load: str, wish: HandWish) -> None:
    """Leave a wish for the agent; what root leaves belongs to whom the folder belongs, who has to take it away.

    Raises:
        ConfigError: The folder cannot be written.
    """
    path = wish_file(state_dir, load)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.encode(wish))
        if os.geteuid() == 0:
            owner = state_dir.stat()
            for made in (path.parent, fresh):
                os.chown(made, owner.st_uid, owner.st_gid)
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise ConfigError("gateway.state_dir", f"{path}: {error.strerror}") from error


class Wishes:
    """The wishes that wait for an agent, each heard once, also where a file cannot be taken away.

    Args:
        state_dir: The agent's folder.
        loads: Whose wishes.
    """

    def __init__(self, state_dir: Path, loads: Iterable[str]) -> None:
        self._files = {load: wish_file(state_dir, load) for load in loads}
        self._stuck: dict[str, int] = {}

    def waiting(self) -> Iterator[tuple[str, HandWish]]:
        """The wishes by load; each stays until `forget`. One that cannot be read is taken away, logged."""
        for load, path in self._files.items():
            try:
                with open(path, "rb", opener=_open_at_once) as file:
                    if os.fstat(file.fileno()).st_mtime_ns == self._stuck.get(load):
                        continue
                    yield load, msgspec.json.decode(file.read(_MAX_BYTES), type=HandWish)
            except FileNotFoundError:
                continue
            except (OSError, ValueError, RecursionError) as error:
                if load not in self._stuck:
                    _log.warning("bad_manual_wish file=%s error=%s", path, error)
                self.forget(load)

    def forget(self, load: str) -> None:
        """Take a wish away; one that cannot be is not heard again."""
        path = self._files[load]
        self._stuck.pop(load, None)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.error("manual_wish_stays file=%s error=%s", path, error)
            with suppress(OSError):
                self._stuck[load] = path.stat().st_mtime_ns


def _open_at_once(path: str, flags: int) -> int:
    """A pipe that somebody has left there would be waited for."""
    return os.open(path, flags | os.O_NONBLOCK)
