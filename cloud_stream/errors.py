"""The cloud's errors, grouped by what the caller does next.

```
CloudError
├── StoreError
│   ├── StoreUnavailableError   wait and try the same again
│   └── StoreRejectedError      never try the same again: a dead letter
└── RegistryError               wait and try again
```
"""

from wattline.errors import WattlineError


class CloudError(WattlineError):
    """Base of the cloud's errors."""


class StoreError(CloudError):
    """Base of what a store may raise."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached, is full or overloaded; later it may answer.

    Attributes:
        retry_after_s: How long the server asked us to wait; 0 when it did not.
    """

    def __init__(self, problem: str, retry_after_s: float = 0.0) -> None:
        super().__init__(problem)
        self.retry_after_s = retry_after_s


class StoreRejectedError(StoreError):
    """The store refuses this very write or question, whoever asks again."""


class RegistryError(CloudError):
    """The registry of gateways cannot be read or written now."""
