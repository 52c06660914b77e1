"""A skipped test is a remark on a desk and a failure on CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[1]
_PASSES = "def test_passes(): assert True\n"
_SKIPS = "def test_needs_data(corpus): assert corpus\n"
_SKIPS_WHOLE = "import pytest\npytest.skip('nothing to test', allow_module_level=True)\n"


def _run(file: Path, environment: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-c", str(_CHECKOUT / "pyproject.toml"), "-p", "tests.conftest"]
    clean = {key: value for key, value in os.environ.items() if key not in {"CI", "PYTEST_ADDOPTS"}}
    return subprocess.run(
        [*command, *options, str(file)],
        cwd=_CHECKOUT,
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("options", [(), ("--numprocesses=1",)], ids=["one process", "split"])
@pytest.mark.parametrize(
    ("source", "ci", "status"),
    [
        (_PASSES, "true", pytest.ExitCode.OK),
        (_SKIPS, "true", pytest.ExitCode.TESTS_FAILED),
        (_PASSES + _SKIPS, "", pytest.ExitCode.OK),
        (_PASSES + _SKIPS, "true", pytest.ExitCode.TESTS_FAILED),
    ],
)
def test_a_skip_fails_the_run_on_ci_only(
    tmp_path: Path, source: str, ci: str, status: pytest.ExitCode, options: tuple[str, ...]
) -> None:
    file = tmp_path / "test_sample.py"
    file.write_text(source)
    run = _run(file, {"CI": ci, "WATTLINE_CORPUS": str(tmp_path / "absent")}, *options)
    assert run.returncode == status, run.stdout
    assert ("no meter data at" in run.stdout) == (_SKIPS in source)


def test_a_module_skipped_whole_counts_too(tmp_path: Path) -> None:
    (tmp_path / "test_whole.py").write_text(_SKIPS_WHOLE)
    (tmp_path / "test_sample.py").write_text(_PASSES)
    run = _run(tmp_path, {"CI": "true"})
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout
