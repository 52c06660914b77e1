"""What an alert is called: the thing that fires and resolves, whichever of its notices speaks of it."""

import hashlib
import re
from typing import Final, NamedTuple

from cloud_stream.records import Notice

FIRING: Final = "firing"
RESOLVED: Final = "resolved"
INFO: Final = "info"
SEVERITIES: Final = ("info", "warning", "critical")
"""From the least to the most severe."""


class AlertName(NamedTuple):
    """One rule (or intent) at one place. `meter` is "" for a site, both are "" for the fleet."""

    group: str
    level: str
    site: str
    meter: str

    @property
    def id(self) -> str:
        """The same for ever for the same alert, and no other's; its first eight characters nearly always do."""
        return hashlib.blake2b("\x1f".join(self).encode(errors="replace"), digest_size=12).hexdigest()

    @property
    def place(self) -> str:
        """Where it is, for a person."""
        return "/".join(part for part in (self.site, self.meter) if part) or "all sites"

    def headline(self, title: str) -> str:
        """A title with its place before it, unless it names its place already, or there is none to name."""
        named = (part for part in (self.site, self.meter) if part)
        return title if all(_names(title, part) for part in named) else f"{self.place}: {title}"


def _names(title: str, part: str) -> bool:
    """Whether a site or meter stands in a title as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(part)}(?![\w-])", title) is not None


SHORT_ID: Final = 8
"""So many characters of an id are shown to a person."""


def name_of(notice: Notice) -> AlertName:
    """The alert that a notice speaks of."""
    return AlertName(notice.group, notice.level, notice.site, notice.meter)


def rank(severity: str) -> int:
    """How severe: 0 for the least, and for a word that is not known."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0
