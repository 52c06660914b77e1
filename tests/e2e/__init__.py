"""The whole product as processes, given what it should never be given."""
