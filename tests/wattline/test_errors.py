"""The error family: one base, and groups by what the caller does next."""

import inspect

import pytest

from wattline import errors
from wattline.errors import ConfigError, DecodeError, LogBrokenError, LogError, LogFullError, WattlineError

FAMILY = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", FAMILY, ids=lambda kind: str(kind.__name__))
def test_everything_raised_on_purpose_is_a_wattline_error(kind: type[Exception]) -> None:
    assert issubclass(kind, WattlineError)
    assert not issubclass(kind, OSError | ValueError), "callers tell our errors from bugs"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError("meter[2].id", "is missing"), "meter[2].id: is missing"),
        (ConfigError("", "is empty"), "is empty"),
        (DecodeError("bad_json"), "bad_json"),
        (DecodeError("bad_json", "byte 0"), "bad_json: byte 0"),
        (
            errors.MissingExtraError("edge", "onnxruntime"),
            "'onnxruntime' is not installed: pip install 'wattline[edge]' brings it",
        ),
    ],
)
def test_an_error_reads_as_one_line(error: WattlineError, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("kind", [LogFullError, LogBrokenError])
def test_whoever_catches_log_errors_gets_both(kind: type[LogError]) -> None:
    assert issubclass(kind, LogError)
    assert not issubclass(LogFullError, LogBrokenError)
    assert not issubclass(LogBrokenError, LogFullError)
