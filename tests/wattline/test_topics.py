"""Topics: one place builds them, and nothing foreign is taken for one of ours."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattline import topics
from wattline.errors import DecodeError
from wattline.topics import Down, Up, UpTopic, is_gateway_id, parse_up


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("gw-0001", True),
        ("0", True),
        ("-", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("all", False),
        ("all2", True),
        ("GW-1", False),
        ("gw_1", False),
        ("gw.1", False),
        ("gw/1", False),
        ("+", False),
        ("#", False),
        ("gw 1", False),
        ("gw-1\n", False),
        ("gẅ", False),
        ("gw-\u0661", False),
    ],
)
def test_a_gateway_id_is_plain(text: str, *, valid: bool) -> None:
    assert is_gateway_id(text) is valid


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (topics.up("gw-1", Up.READINGS), "wattline/v1/gw-1/up/readings"),
        (topics.up("gw-1", Up.EVENTS), "wattline/v1/gw-1/up/events"),
        (topics.up("gw-1", Up.STATUS), "wattline/v1/gw-1/up/status"),
        (topics.up("gw-1", Up.MODEL), "wattline/v1/gw-1/up/model"),
        (topics.up("gw-1", Up.FETCH), "wattline/v1/gw-1/up/fetch"),
        (topics.down("gw-1", Down.ACK), "wattline/v1/gw-1/down/ack"),
        (topics.down("gw-1", Down.BLOCK), "wattline/v1/gw-1/down/block"),
        (topics.down("gw-1", Down.COMMAND), "wattline/v1/gw-1/down/command"),
        (topics.up_filter(Up.READINGS), "wattline/v1/+/up/readings"),
        (topics.ANNOUNCE, "wattline/v1/all/announce"),
    ],
)
def test_topics_are_the_ones_of_the_access_list(topic: str, expected: str) -> None:
    assert topic == expected


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "/",
        "wattline",
        "wattline/v1/gw-1/up",
        "wattline/v1/gw-1/up/readings/more",
        "/wattline/v1/gw-1/up/readings",
        "wattline/v1/gw-1/up/readings/",
        "wattline/v1//up/readings",
        "wattline/v1/gw-1/down/ack",
        "wattline/v1/gw-1/up/colour",
        "wattline/v1/gw-1/up/READINGS",
        "wattline/v1/gw-1/up/",
        "wattline/v2/gw-1/up/readings",
        "other/v1/gw-1/up/readings",
        "wattline/v1/all/up/readings",
        "wattline/v1/all/announce",
        "wattline/v1/GW-1/up/readings",
        "wattline/v1/+/up/readings",
        "wattline/v1/gw-1\n/up/readings",
        "wattline/v1/gw-1/up/readings\n",
        "x" * 65_535,
    ],
)
def test_a_foreign_topic_is_refused(topic: str) -> None:
    with pytest.raises(DecodeError) as raised:
        parse_up(topic)
    assert raised.value.reason == "bad_topic"
    assert raised.value.detail == topic[:200]


@given(st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True).filter(is_gateway_id), st.sampled_from(Up))
def test_what_is_built_is_read(gateway: str, channel: Up) -> None:
    assert parse_up(topics.up(gateway, channel)) == UpTopic(gateway, channel)


@given(st.text(max_size=100) | st.lists(st.sampled_from(["wattline", "v1", "gw", "up", "readings", ""])).map("/".join))
def test_any_topic_is_read_or_refused(topic: str) -> None:
    try:
        found = parse_up(topic)
    except DecodeError as error:
        assert error.reason == "bad_topic"  # noqa: PT017 (both ends are right)
    else:
        assert topics.up(found.gateway, found.channel) == topic
