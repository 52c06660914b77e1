"""What is missing for an engine is said before anything is done."""

import importlib.util
from pathlib import Path

import pytest

from model_export.batch.engines import Engine, EngineError, check_engine
from wattline.errors import MissingExtraError


@pytest.fixture
def pyspark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of that name, whether it is installed or not."""
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)


def _java(folder: Path, says: str, status: int = 0) -> Path:
    """A JAVA_HOME whose java says this on stderr."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    program.chmod(0o755)
    return folder


def test_polars_needs_nothing_more() -> None:
    check_engine(Engine.POLARS)


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyspark" else found(name))
    with pytest.raises(MissingExtraError, match=r"pip install 'wattline\[spark\]'"):
        check_engine(Engine.PYSPARK)


@pytest.mark.usefixtures("pyspark")
@pytest.mark.parametrize(
    "says", ['openjdk version "17.0.15" 2025-04-15', 'java version "21" 2023-09-19', 'openjdk version "26-ea"']
)
def test_a_java_that_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java(tmp_path / "jdk", says)))
    check_engine(Engine.PYSPARK)


@pytest.mark.usefixtures("pyspark")
@pytest.mark.parametrize(
    ("says", "found"),
    [('openjdk version "11.0.2" 2019-01-15', "Java 11"), ('java version "1.8.0_292"', "Java 1"), ("what?", "no Java")],
)
def test_another_java_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, found: str) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_java(tmp_path / "jdk", says)))
    with pytest.raises(EngineError, match=f"PySpark needs Java 17 or later, .*; {found} is there") as error:
        check_engine(Engine.PYSPARK)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("pyspark")
def test_no_java_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="no Java is there"):
        check_engine(Engine.PYSPARK)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(EngineError, match="no Java is there"):
        check_engine(Engine.PYSPARK)
