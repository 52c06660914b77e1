"""The cloud side: ingest, journal, dataflow, stores, alerts."""
