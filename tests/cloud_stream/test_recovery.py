"""The recovery folder is made whole, whatever an earlier attempt was cut short by."""

import errno
import os
import shutil
import sys
from pathlib import Path
from subprocess import Popen

import pytest
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import run_main

from cloud_stream.errors import CloudError
from cloud_stream.recovery import PARTITIONS, part_file, prepare_recovery
from tests.cloud_stream.waiting import wait_until
from wattline.errors import ConfigError

NAMES = [f"part-{number}.sqlite3" for number in range(PARTITIONS)]


def _names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def _assert_the_engine_takes_it(folder: Path) -> None:
    from bytewax import operators as op
    from bytewax.dataflow import Dataflow
    from bytewax.testing import TestingSink, TestingSource

    seen: list[int] = []
    flow = Dataflow("any")
    op.output("seen", op.input("numbers", flow, TestingSource([1, 2])), TestingSink(seen))
    run_main(flow, recovery_config=RecoveryConfig(str(folder)))  # type: ignore[no-untyped-call]
    assert seen == [1, 2]


@pytest.mark.parametrize("parts", range(PARTITIONS))
@pytest.mark.parametrize("half_made", [True, False])
def test_what_a_cut_attempt_left_does_not_stop_the_next(tmp_path: Path, parts: int, *, half_made: bool) -> None:
    init_db_dir(tmp_path, PARTITIONS)  # type: ignore[no-untyped-call]
    for name in NAMES[parts:]:
        (tmp_path / name).unlink()
    if half_made:
        shutil.copytree(tmp_path, tmp_path / "being-made")
        (tmp_path / "being-made" / NAMES[parts]).write_bytes(b"half of it")
    prepare_recovery(tmp_path, 0)
    assert _names(tmp_path) == NAMES
    _assert_the_engine_takes_it(tmp_path)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    prepare_recovery(tmp_path / "new" / "folder", 0)
    before = {file: file.read_bytes() for file in (tmp_path / "new" / "folder").iterdir()}
    prepare_recovery(tmp_path / "new" / "folder", 0)
    assert {file: file.read_bytes() for file in (tmp_path / "new" / "folder").iterdir()} == before


def test_parts_that_were_used_are_not_thrown_away_because_the_last_is_gone(tmp_path: Path) -> None:
    prepare_recovery(tmp_path, 0)
    (tmp_path / "commit-0.json").write_text('{"at_ms": 1}')
    part_file(tmp_path, PARTITIONS - 1).unlink()
    with pytest.raises(ConfigError, match=r"was in use, and .*part-7.sqlite3 is gone"):
        prepare_recovery(tmp_path, 0)
    assert _names(tmp_path) == ["commit-0.json", *NAMES[:-1]]


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, CloudError), (errno.EDQUOT, CloudError), (errno.EACCES, ConfigError)]
)
def test_a_full_disk_passes_and_a_forbidden_folder_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as failing:
        failing.setattr("cloud_stream.recovery.init_db_dir", fail)
        with pytest.raises(kind):
            prepare_recovery(tmp_path, 0)
    prepare_recovery(tmp_path, 0)
    assert _names(tmp_path) == NAMES


def test_another_process_waits_for_the_first(tmp_path: Path) -> None:
    code = (
        f"from pathlib import Path; from cloud_stream.recovery import *; prepare_recovery(Path({str(tmp_path)!r}), 1)"
    )
    with Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as other:
        prepare_recovery(tmp_path, 0)
        wait_until(lambda: other.poll() is not None, "it sees the parts")
        assert other.returncode == 0


def test_one_that_waits_in_vain_says_for_whom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloud_stream.recovery.WAIT_S", 0.0)
    with pytest.raises(ConfigError, match="never prepared by process 0"):
        prepare_recovery(tmp_path, 1)
