"""The errors of jobs: all of them mean that the job is tried again after a while."""

from cloud_stream.errors import CloudError


class JobError(CloudError):
    """A job could not do all of its work; what it did stays done."""


class FetchError(JobError):
    """An answer was not got, or is none that can be used; the message names no credentials."""
