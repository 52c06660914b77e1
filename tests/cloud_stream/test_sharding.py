"""The shard of a site is a promise: state and stored rows are keyed by it."""

import pytest

from cloud_stream.sharding import SHARDS, shard_of


@pytest.mark.parametrize(
    ("site", "shard"),
    [("house", "shard-29"), ("site-1", "shard-05"), ("Gebäude 7", "shard-01"), ("", "shard-00")],
)
def test_the_shard_of_a_site_never_changes(site: str, shard: str) -> None:
    assert shard_of(site) == shard


def test_sites_spread_over_all_shards() -> None:
    assert len({shard_of(f"site-{n}") for n in range(500)}) == SHARDS
