"""How a person at the gateway switches a load: a small file that the agent takes away.

`wattline edge load boiler --manual off` writes it; anything else that can write a file may do the same.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from wattline.errors import ConfigError

_log: Final = logging.getLogger("edge_agent.loads")
_MAX_BYTES: Final = 1024


class HandWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person wants.

    Attributes:
        manual: `on`, `off`, or `auto`: nobody switches by hand any more.
        until_ms: When a switch by hand ends, ms UTC; 0 with `auto` only.
    """

    manual: Literal["on", "off", "auto"]
    until_ms: int = 0


def wish_file(state_dir: Path, load: str) -> Path:
    """Where the wish for a load is left."""
    return state_dir / "loads" / f"{quote(load, safe='')}.manual.json"


def leave_wish(state_dir: Path, load: str, wish: HandWish) -> None:
    """Leave a wish for the agent.

    Raises:
        ConfigError: The folder cannot be written.
    """
    path = wish_file(state_dir, load)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.encode(wish))
        fresh.replace(path)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise ConfigError("gateway.state_dir", f"{path}: {error.strerror}") from error


def read_wishes(state_dir: Path, loads: Iterable[str]) -> Iterator[tuple[str, HandWish]]:
    """The wishes that wait; each stays until `forget_wish`. One that cannot be read is taken away, logged."""
    for load in loads:
        path = wish_file(state_dir, load)
        try:
            with path.open("rb") as file:
                yield load, msgspec.json.decode(file.read(_MAX_BYTES), type=HandWish)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError) as error:
            _log.warning("bad_manual_wish file=%s error=%s", path, error)
            forget_wish(state_dir, load)


def forget_wish(state_dir: Path, load: str) -> None:
    """Take a wish away."""
    with suppress(OSError):
        wish_file(state_dir, load).unlink()
