"""The archive: raw readings as Parquet, one folder a UTC day, each reading once."""
