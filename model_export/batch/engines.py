"""What a run can be made on, and what is missing for it."""

import importlib.util
import os
import re
import shutil
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Final

from model_export.errors import ModelExportError
from wattline.errors import MissingExtraError

_OLDEST_JAVA: Final = 17
_JAVA_TIMEOUT_S: Final = 30.0


class Engine(StrEnum):
    """What a run can be made on."""

    POLARS = "polars"
    PYSPARK = "pyspark"


class EngineError(ModelExportError):
    """An engine needs a program that is not there; a person installs it."""


def check_engine(engine: Engine) -> None:
    """Say what is missing before anything has been done.

    Raises:
        MissingExtraError: A package is not installed.
        EngineError: There is no Java, or one that is too old.
    """
    if engine is Engine.POLARS:
        return
    if importlib.util.find_spec("pyspark") is None:
        raise MissingExtraError("spark", "pyspark")
    version = _java_version()
    if version < _OLDEST_JAVA:
        found = f"Java {version}" if version else "no Java"
        raise EngineError(
            f"PySpark needs Java {_OLDEST_JAVA} or later, in JAVA_HOME or on the PATH; {found} is there "
            "(on Debian: apt-get install openjdk-17-jre-headless)"
        )


def _java_version() -> int:
    """The number before the first dot; 0 where there is no Java."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None:
        return 0
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=_JAVA_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found else 0
