"""The rim of the dataflow: what is written, and how a slow or absent store is waited for."""
