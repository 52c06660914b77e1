"""The run over a whole survey."""
