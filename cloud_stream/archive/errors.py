"""What the archive may raise: one error, for all that calls for the same."""

from cloud_stream.errors import CloudError


class ArchiveError(CloudError):
    """The archive cannot be read or written now; what waits in the spool stays there: try again later."""
