"""Which shard a site belongs to: fixed for ever, the key of the dataflow's state."""

import zlib
from functools import lru_cache
from typing import Final

SHARDS: Final = 32
FLEET: Final = "fleet"


@lru_cache(maxsize=65536)
def shard_of(site: str) -> str:
    """The shard of a site, "shard-00" to "shard-31"."""
    return f"shard-{zlib.crc32(site.encode()) % SHARDS:02d}"
