"""What may be an id of the wire, for whoever reads a file with ids in it."""

import re
from typing import Final

from wattline.wire import ID_PATTERN, MAX_ID_LENGTH

_ID: Final = re.compile(ID_PATTERN)


def id_problem(text: str) -> str:
    """Why a text is no id or name of the wire; "" when it is one."""
    if len(text) <= MAX_ID_LENGTH and _ID.match(text) is not None:
        return ""
    return f"not a printable name of 1 to {MAX_ID_LENGTH} characters"
