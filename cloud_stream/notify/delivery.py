"""What a channel is to those who send over it."""

from typing import Protocol

from cloud_stream.errors import CloudError
from cloud_stream.notify.ledger_rows import Message


class DeliveryError(CloudError):
    """A message did not arrive, as far as anybody knows.

    Attributes:
        permanent: Whether the other side says that this message will never be taken.
    """

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Channel(Protocol):
    """A way to one recipient or room. Called from one thread at a time.

    Attributes:
        name: Such as "mailto:1": its scheme, and the place of its address in the configuration.
        takes_charts: Whether a picture can come with a message.
    """

    name: str
    takes_charts: bool

    def send(self, message: Message) -> None:
        """Deliver a message; the other side has it on return.

        Raises:
            DeliveryError: It may or may not have it. The text is for a person and holds nothing of the address.
        """
