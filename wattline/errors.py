"""The error family of the shared language, grouped by what the caller does next.

```
WattlineError
├── ConfigError            a person fixes the file; exit status 2
├── DecodeError            the bytes become a dead letter with a reason
├── MissingExtraError      a person installs an extra
└── LogError
    ├── LogFullError       keep what you have and try again later
    └── LogBrokenError     the disk or the file is at fault; try again later
```
"""


class WattlineError(Exception):
    """Base of every error that Wattline raises on purpose."""


class ConfigError(WattlineError):
    """A configuration file cannot be used.

    Attributes:
        where: The path inside the file, such as ``meter[2].options.port``.
        problem: What is wrong there, for a person.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}" if where else problem)
        self.where = where
        self.problem = problem


class DecodeError(WattlineError):
    """A payload does not keep the wire's rules.

    Attributes:
        reason: One short word of a closed set; the label of the counter.
        detail: What exactly, for a person.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class MissingExtraError(WattlineError):
    """A part of the product needs packages that are not installed."""

    def __init__(self, extra: str, module: str) -> None:
        super().__init__(f"{module!r} is not installed: pip install 'wattline[{extra}]' brings it")
        self.extra = extra


class LogError(WattlineError):
    """Base of the durable log's errors."""


class LogFullError(LogError):
    """The log holds as much as it may, or the disk is full; nothing was appended."""


class LogBrokenError(LogError):
    """The log cannot be read or written now; nothing was appended."""
