"""Measures a run over a whole survey: simulated London files become days, forecasts and unusual days.

Every engine is a process of its own, started after all files have been read once, so that both find them in memory.
"""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from wattline.errors import WattlineError
from wattline.process_usage import TreeUsage

_BYTES_PER_ROW: Final = 55
"""Of a file and of the results, rounded up."""
_TIMEOUT_S: Final = 4 * 3600.0
_READ_BYTES: Final = 1 << 20
_MOST_HEAP_GB: Final = 8
_GB: Final = 1 << 30
_RESULT: Final = ("seconds", "rows_per_s", "peak_mb", "cpu_s", "start_s", "engine", "steps_s")


class BatchBenchError(WattlineError):
    """The measurement could not be made; the message says why."""


def run_batch_bench(
    rows: int, *, data: Path | None = None, versus: str = "", progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Make files, run over them, and run another engine over the same files.

    Args:
        rows: Rows of all files.
        data: Where the files are kept for the next time; None for a temporary folder that is removed.
        versus: The other engine: "pyspark", or "" for none.
        progress: Is told what is done.

    Returns:
        `rows`, `files`, `bytes`; of the run `seconds` (from the first file to the last result), `rows_per_s`, `peak_mb`
        and `cpu_s` (of all its processes together, from start to end), `start_s` (of its processes; not in `seconds`),
        `engine` and `steps_s`; `counts`: rows left out by reason, and `counts_as_made`: whether these are what the
        generator put in; `homes`, `days`, `mae_kwh`, `week_ago_mae_kwh`, `anomalies`; with another engine its figures
        under `<engine>_<figure>`, `ratio` of the seconds, `cpu_ratio` (which other work on the machine changes less),
        and `agreement` of the results; `machine`, as it was before.

    Raises:
        BatchBenchError: An engine is missing or failed, or the disk is too small.
    """
    machine = _machine()
    engines = ["polars", *([versus] if versus else [])]
    for engine in engines:
        _asked(["model_export.batch", "check", "--engine", engine])
    with _folder(data) as folder, tempfile.TemporaryDirectory(prefix="wattline-bench-", dir=folder) as results:
        files = _files(folder, rows, progress)
        runs = [_measured(engine, files, Path(results) / engine, rows, progress) for engine in engines]
        figures = _figures(files, rows, runs[0])
        if versus:
            figures |= {f"{versus}_{name}": runs[1][name] for name in _RESULT}
            for ratio, figure in {"ratio": "seconds", "cpu_ratio": "cpu_s"}.items():
                figures[ratio] = round(runs[1][figure] / runs[0][figure], 2)
            progress("comparing the results")
            compared = ["model_export.batch", "compare", *(str(Path(results) / engine) for engine in engines)]
            figures["agreement"] = json.loads(_asked(compared))
    return figures | {"machine": machine}


def is_sound(figures: dict[str, Any]) -> bool:
    """Whether the run found what the generator had put in, and both engines the same."""
    return bool(figures["counts_as_made"] and figures.get("agreement", {}).get("agrees", True))


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is None:
        with tempfile.TemporaryDirectory(prefix="wattline-bench-") as name:
            yield Path(name)
        return
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BatchBenchError(f"{data}: {error.strerror}") from None
    yield data


def _files(folder: Path, rows: int, progress: Callable[[str], None]) -> Path:
    """The folder of the generated files."""
    needed, free = rows * _BYTES_PER_ROW, shutil.disk_usage(folder).free
    if free < needed:
        raise BatchBenchError(
            f"{folder}: {needed / _GB:.1f} GiB are needed and {free / _GB:.1f} are free; --data names another folder"
        )
    command = ["simulators.london_files", "--out", str(folder), "--rows", str(rows)]
    return Path(_asked(command, progress).strip())


def _measured(engine: str, files: Path, out: Path, rows: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """One run: its summary, with wall-clock figures and memory."""
    _read_once(files)
    progress(f"{engine} runs over {rows:,} rows")
    begun_s = time.perf_counter()
    heap_gb = max(1, min(_MOST_HEAP_GB, _memory_bytes() // 2 // _GB))
    arguments = ["--engine", engine, "--data", str(files), "--out", str(out), "--memory-gb", str(heap_gb)]
    usage: list[TreeUsage] = []

    def watch(pid: int) -> TreeUsage:
        usage.append(TreeUsage(pid))
        return usage[-1]

    run: dict[str, Any] = json.loads(_asked(["model_export.batch", "run", *arguments], watching=watch))
    wall_s = time.perf_counter() - begun_s
    progress(f"{engine}: {run['seconds']:.2f} s, {usage[0].peak_mb:.0f} MiB")
    return run | {
        "rows_per_s": round(rows / run["seconds"]),
        "peak_mb": round(usage[0].peak_mb, 1),
        "cpu_s": round(usage[0].cpu_s, 2),
        "start_s": round(wall_s - run["seconds"], 2),
    }


def _figures(files: Path, rows: int, run: dict[str, Any]) -> dict[str, Any]:
    tables = sorted(files.glob("*.csv"))
    truth = json.loads((files / "truth.json").read_text())
    return {
        "rows": rows,
        "files": len(tables),
        "bytes": sum(table.stat().st_size for table in tables),
        **{name: run[name] for name in (*_RESULT, "counts")},
        "counts_as_made": run["counts"] == {"unreadable": 0} | truth,
        "homes": run["homes"],
        "days": run["days"],
        "mae_kwh": run["forecast"] and run["forecast"]["mae_kwh"],
        "week_ago_mae_kwh": run["forecast"] and run["forecast"]["week_ago_mae_kwh"],
        "anomalies": run["clusters"] and run["clusters"]["anomalies"],
    }


def _read_once(files: Path) -> None:
    """So that no engine waits for the disk."""
    for table in files.glob("*.csv"):
        with table.open("rb") as stream:
            while stream.read(_READ_BYTES):
                pass


def _asked(
    command: list[str],
    progress: Callable[[str], None] = lambda _: None,
    watching: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> str:
    """Run a module to its end.

    Args:
        command: The module and its arguments.
        progress: Is told its lines on stderr.
        watching: Is entered with the process's id while it runs.

    Returns:
        What it printed.

    Raises:
        BatchBenchError: It failed; in its own words.
    """
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with _ended(process), watching(process.pid):
            last = _followed(process, progress)
        if process.returncode:
            raise BatchBenchError(last.removeprefix("error: ") or f"{command[0]} ended with {process.returncode}")
        out.seek(0)
        return out.read()


def _followed(process: subprocess.Popen[str], progress: Callable[[str], None]) -> str:
    """Wait for the end and return the last line on stderr."""
    last = ""
    for line in process.stderr or ():
        last = line.strip() or last
        progress(last)
    process.wait()
    return last


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever happens, nothing that the process started is left, and it does not run for ever."""
    timer = threading.Timer(_TIMEOUT_S, _kill, [process])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _kill(process)
        if process.stderr is not None:
            process.stderr.close()


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        # It leads a group of its own: an engine may be a process of a process.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(_memory_bytes() / _GB, 1),
        "load_1m": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
