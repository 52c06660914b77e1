"""A secret is the first line of its file, and nothing of it is told."""

from pathlib import Path

import pytest

from wattline.errors import ConfigError
from wattline.secret_file import read_secret


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"hunter2", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" s3 cret \n", " s3 cret "),
        (b"hunter2\nsecond line\n", "hunter2"),
        ("grüße\n".encode(), "grüße"),
        (b"", ""),
    ],
)
def test_it_is_the_first_line(tmp_path: Path, content: bytes, secret: str) -> None:
    file = tmp_path / "password"
    file.write_bytes(content)
    assert read_secret(file) == secret


@pytest.mark.parametrize(("content", "problem"), [(None, "No such file"), (b"hunter\xff2", "is not UTF-8")])
def test_a_file_that_cannot_be_read_is_named_and_nothing_in_it(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret(file, "here")
    assert str(caught.value).startswith(f"here: cannot be read: {file}: ")
    assert problem in caught.value.problem
    assert "hunter" not in str(caught.value)
    assert "ff" not in str(caught.value)
