"""The journal's folder and rows."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_stream.journal import MAX_ROW_BYTES, Journal, decode_row, encode_row, partition_of, rows_of
from cloud_stream.records import Envelope
from wattline.errors import ConfigError, DecodeError, LogBrokenError, LogFullError

ENVELOPES = st.builds(
    Envelope,
    received_ms=st.integers(0, 2**53),
    topic=st.text(max_size=200).filter(lambda text: text.isprintable()),
    reject=st.sampled_from(["", "bad_json"]),
    payload=st.binary(max_size=2000),
)


@given(st.lists(ENVELOPES, max_size=20))
def test_a_row_comes_back_as_it_went(envelopes: list[Envelope]) -> None:
    assert decode_row(encode_row(envelopes)) == envelopes


@pytest.mark.parametrize("row", [b"", b"\xc1", b"{}", encode_row([])[:-1] + b"\xff"])
def test_a_row_of_something_else_is_refused_with_a_reason(row: bytes) -> None:
    with pytest.raises(DecodeError) as raised:
        decode_row(row)
    assert raised.value.reason == "bad_row"


@pytest.mark.parametrize("size", [0, 1, 1000, 100_000, 131_072, 600_000])
def test_rows_are_bounded_and_keep_every_message_in_order(size: int) -> None:
    envelopes = [Envelope(i, "t", "", bytes(size)) for i in range(30)]
    rows = list(rows_of(envelopes))
    assert [envelope for row in rows for envelope in decode_row(row)] == envelopes
    assert all(len(row) <= MAX_ROW_BYTES or len(decode_row(row)) == 1 for row in rows)


def test_no_messages_are_no_rows() -> None:
    assert list(rows_of([])) == []


def test_the_partition_of_a_gateway_is_its_crc_32_for_ever() -> None:
    published_check_value = 0xCBF43926
    assert partition_of("123456789", 64) == published_check_value % 64
    assert partition_of("not a gateway \udcff", 4) in range(4)


def test_gateways_spread_evenly_over_partitions() -> None:
    counts = Counter(partition_of(f"gw-{n:04d}", 4) for n in range(1000))
    assert min(counts.values()) > 200


def test_the_folder_is_made_once_and_opened_again(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "journal"
    first = Journal(folder, partitions=3, max_bytes=1 << 30)
    log = first.open_partition(2)
    log.append_many([b"row"], 1)
    log.close()
    again = Journal(folder, partitions=3, max_bytes=1 << 30).open_partition(2)
    assert [row.payload for row in again.read_after(0, max_rows=9, max_bytes=99)] == [b"row"]
    again.close()
    assert sorted(file.name for file in folder.iterdir() if file.suffix in (".json", ".db")) == [
        "journal.json",
        "part-02.db",
    ]


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ('{"partitions": 3}', "made with 3 partitions"),
        ('{"partitions": "4"}', "does not say"),
        ("{}", "unreadable"),
        ("[", "unreadable"),
    ],
)
def test_another_number_of_partitions_is_refused(tmp_path: Path, facts: str, problem: str) -> None:
    (tmp_path / "journal.json").write_text(facts)
    with pytest.raises(ConfigError, match=problem):
        Journal(tmp_path, partitions=4, max_bytes=1 << 30)


def test_partitions_without_their_description_are_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "part-00.db").touch()
    with pytest.raises(ConfigError, match="missing beside partitions"):
        Journal(tmp_path, partitions=4, max_bytes=1 << 30)


def test_a_folder_that_cannot_be_made_is_a_broken_log(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LogBrokenError):
        Journal(tmp_path / "file" / "journal", partitions=1, max_bytes=1 << 30)


def test_a_partition_refuses_beyond_its_share(tmp_path: Path) -> None:
    log = Journal(tmp_path, partitions=2, max_bytes=2 << 20).open_partition(0)
    log.append_many([bytes(500_000)], 1)
    with pytest.raises(LogFullError):
        log.append_many([bytes(600_000)], 1)
    log.close()
