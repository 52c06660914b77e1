"""Readings as the bytes of a spool's row: columns again, so that neither side looks at a single reading."""

from typing import Final

import msgspec
import numpy as np

from cloud_stream.records import Columns


class _Batch(msgspec.Struct, array_like=True):
    """`Columns` with arrays as little-endian bytes; the places of messages have done their work."""

    quantities: tuple[str, ...]
    interval_ms: int
    site: list[str]
    gateway: list[str]
    meter: list[str]
    length: bytes
    t_ms: bytes
    values: bytes


def encode(columns: Columns) -> bytes:
    """The bytes that `decode` reads."""
    return _ENCODER.encode(
        _Batch(
            columns.quantities,
            columns.interval_ms,
            list(columns.site),
            list(columns.gateway),
            list(columns.meter),
            np.ascontiguousarray(columns.length, dtype="<i8").tobytes(),
            np.ascontiguousarray(columns.t_ms, dtype="<i8").tobytes(),
            np.ascontiguousarray(columns.values, dtype="<f8").tobytes(),
        )
    )


def decode(raw: bytes) -> Columns | None:
    """What `encode` was given; None when the bytes are something else."""
    try:
        batch = _DECODER.decode(raw)
        length = np.frombuffer(batch.length, dtype="<i8")
        t_ms = np.frombuffer(batch.t_ms, dtype="<i8")
        values = np.frombuffer(batch.values, dtype="<f8").reshape(len(batch.quantities), len(t_ms))
    except (msgspec.DecodeError, ValueError):
        return None
    frames = {len(length), len(batch.site), len(batch.gateway), len(batch.meter)}
    if len(frames) != 1 or (length < 0).any() or int(length.sum()) != len(t_ms):
        return None
    places = np.zeros(len(length), dtype=np.int64)
    return Columns(
        batch.quantities,
        batch.interval_ms,
        places,
        batch.site,
        batch.gateway,
        batch.meter,
        length,
        t_ms,
        values,
    )


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(_Batch)
