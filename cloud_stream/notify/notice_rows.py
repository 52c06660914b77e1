"""Notices in the queue: the flow writes them, the notifier reads them."""

import msgspec

from cloud_stream.records import Notice
from wattline.errors import DecodeError


def notice_row(notice: Notice) -> tuple[str, bytes]:
    """A notice as a row of the queue: its key and its bytes."""
    return notice.key, msgspec.json.encode(notice)


def read_notice(payload: bytes) -> Notice:
    """The notice of a row.

    Raises:
        DecodeError: `bad_notice`.
    """
    try:
        return msgspec.json.decode(payload, type=Notice)
    except (msgspec.DecodeError, ValueError) as error:
        raise DecodeError("bad_notice", str(error)) from None
