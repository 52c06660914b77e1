"""The durable log between ingest and flow: a folder with a fixed number of partitions.

A gateway's messages always go to the same partition, so that they stay in order. Ingest appends to a partition, the
flow reads and truncates it; each opens its own handle. A row holds the messages of one commit, at most about 500 kB.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from cloud_stream.records import Envelope
from wattline.durable_log import DurableLog, WhenFull
from wattline.errors import ConfigError, DecodeError, LogBrokenError

MAX_ROW_BYTES: Final = 500_000
"""A larger row would make one step of the flow hold too many readings at once."""
ENVELOPE_BYTES: Final = 64
"""What an envelope takes beside its payload and topic, rounded up."""
_FACTS: Final = "journal.json"
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(list[Envelope])


class Journal:
    """The folder; makes and checks it, and opens its partitions.

    Attributes:
        dir: The folder.
        partitions: How many partitions it has, for ever.
    """

    def __init__(self, folder: Path, *, partitions: int, max_bytes: int) -> None:
        """Make the folder, or check that it has as many partitions.

        Args:
            folder: Where the partitions lie, `part-00.db` and on.
            partitions: How many.
            max_bytes: Of all partitions together.

        Raises:
            ConfigError: The folder was made with another number of partitions, or its description is unreadable.
            LogBrokenError: The folder can be neither made nor read.
        """
        self.dir = folder
        self.partitions = partitions
        self._max_bytes = max_bytes // partitions
        try:
            self._check_or_make(folder / _FACTS)
        except OSError as error:
            raise LogBrokenError(f"{folder}: {error}") from error

    def path(self, partition: int) -> Path:
        """The file of a partition."""
        return self.dir / f"part-{partition:02d}.db"

    def open_partition(self, partition: int) -> DurableLog:
        """A new handle on a partition, which the caller closes.

        Raises:
            LogBrokenError: The file can neither be opened nor made.
        """
        return DurableLog(self.path(partition), max_bytes=self._max_bytes, when_full=WhenFull.REFUSE)

    def partition_of(self, gateway: str) -> int:
        """The partition that holds a gateway's messages: the same in every process and release."""
        return partition_of(gateway, self.partitions)

    def _check_or_make(self, file: Path) -> None:
        if not file.exists():
            if self.path(0).exists():
                raise ConfigError("journal.dir", f"{file} is missing beside partitions that are there")
            self.dir.mkdir(parents=True, exist_ok=True)
            _write_durably(file, json.dumps({"partitions": self.partitions}))
        made_with = _read_partitions(file)
        if made_with != self.partitions:
            problem = f"{self.dir} was made with {made_with} partitions, and that number cannot change"
            raise ConfigError("journal.partitions", problem)


def partition_of(gateway: str, partitions: int) -> int:
    """A stable spread of gateway ids over partitions."""
    return zlib.crc32(gateway.encode("utf-8", "replace")) % partitions


def encode_row(envelopes: Sequence[Envelope]) -> bytes:
    """The bytes of one journal row."""
    return _encoder.encode(envelopes)


def decode_row(row: bytes) -> list[Envelope]:
    """The messages of one journal row.

    Raises:
        DecodeError: `bad_row`: the bytes are not what `encode_row` writes.
    """
    try:
        return _decoder.decode(row)
    except msgspec.DecodeError as error:
        raise DecodeError("bad_row", str(error)) from None


def rows_of(envelopes: Iterable[Envelope]) -> Iterator[bytes]:
    """Cut messages into rows of at most `MAX_ROW_BYTES`, or one message if that alone is larger."""
    row: list[Envelope] = []
    size = 0
    for envelope in envelopes:
        cost = len(envelope.payload) + len(envelope.topic) + ENVELOPE_BYTES
        if row and size + cost > MAX_ROW_BYTES:
            yield encode_row(row)
            row, size = [], 0
        row.append(envelope)
        size += cost
    if row:
        yield encode_row(row)


def _read_partitions(file: Path) -> int:
    try:
        number = json.loads(file.read_bytes())["partitions"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError("journal.dir", f"{file} is unreadable: {error}") from None
    if not isinstance(number, int):
        raise ConfigError("journal.dir", f"{file} does not say how many partitions there are")
    return number


def _write_durably(file: Path, text: str) -> None:
    """Make the file appear whole or not at all, whoever else does the same at this moment."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    with part.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    try:
        os.link(part, file)
    except FileExistsError:
        pass
    finally:
        part.unlink()
    folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
