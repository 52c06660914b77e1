"""What an export may raise of its own; a wrong option is a `ConfigError`."""

from cloud_stream.errors import CloudError


class ExportError(CloudError):
    """The result cannot be written; a person makes room or names another place."""


class ReaderGoneError(ExportError):
    """Whoever read the output wants no more of it."""
