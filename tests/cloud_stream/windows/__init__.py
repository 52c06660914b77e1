"""Windows of shards and fleet."""
