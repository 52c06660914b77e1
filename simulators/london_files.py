"""Simulated homes in the files of the Low Carbon London project: 168 of them, cut by rows, one home after another.

The layout is the original one: `LCLid,stdorToU,DateTime,KWH/hh (per half hour) ` with the blank at its end, times such
as `2012-10-12 00:30:00.0000000`, values between blanks, lines ending in CR LF; and so are its blemishes: "Null" at odd
seconds, rows sent twice, holes. Negative and impossible values, which the original does not have, are added.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from simulators.errors import SimulationError
from simulators.london_homes import Stay, Truth, count_kinds, home_at, stays_in, year_wh
from simulators.london_lines import HEADER, lines_of

_FILES_A_TASK: Final = 2


class LondonFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Which files to make.

    Attributes:
        rows: Rows of all files together, without the headers.
        files: How many files.
        seed: Decides every byte.
        homes: Homes that the simulator lives through, a year each; every home in the files is one of them with its own
            size, weeks and noise.
    """

    rows: int = 16_800_000
    files: int = 168
    seed: int = 1
    homes: int = 128


def make_files(options: LondonFiles, folder: Path, progress: Callable[[str], None] = lambda _: None) -> Path:
    """Make the files, or find them made by an earlier call.

    Args:
        options: Which.
        folder: Where they are kept: in a folder whose name tells the options.
        progress: Is told how far it is.

    Returns:
        The folder with the files and `truth.json`.

    Raises:
        SimulationError: The files cannot be written, or there are fewer rows than files.
    """
    if not 1 <= options.files <= options.rows:
        raise SimulationError(f"{options.rows} rows do not fill {options.files} files")
    made = folder / f"london-{options.rows}-{options.files}-{options.seed}-{options.homes}"
    if made.is_dir():
        progress(f"{options.rows:,} rows of an earlier run are used")
        return made
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".london-", dir=folder) as name:
            fresh = Path(name) / "files"
            fresh.mkdir()
            truth = _write_all(options, fresh, progress)
            (fresh / "truth.json").write_bytes(msgspec.json.encode(truth))
            fresh.rename(made)
    except OSError as error:
        raise SimulationError(f"{folder}: {error.strerror or error}") from error
    return made


def read_truth(folder: Path) -> Truth:
    """What `make_files` put into the files of that folder."""
    return msgspec.json.decode((folder / "truth.json").read_bytes(), type=Truth)


def _write_all(options: LondonFiles, folder: Path, progress: Callable[[str], None]) -> Truth:
    stays = stays_in(options.seed, options.rows)
    lived = min(options.homes, len(stays))
    years_file = folder.parent / "years.npy"
    truth = Truth()
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        progress(f"{lived} homes live for a year")
        np.save(years_file, np.stack(list(pool.map(year_wh, [options.seed] * lived, range(lived)))))
        firsts = range(0, options.files, _FILES_A_TASK)
        tasks = [pool.submit(_write_some, options, stays, years_file, folder, first) for first in firsts]
        for done, task in enumerate(as_completed(tasks), 1):
            truth += task.result()
            if done * 10 // len(tasks) != (done - 1) * 10 // len(tasks):
                progress(f"{done * 100 // len(tasks)} % of {options.rows:,} rows written")
    return truth


def _write_some(options: LondonFiles, stays: list[Stay], years_file: Path, folder: Path, first: int) -> Truth:
    """Write a few files; counts the homes that begin in them."""
    years = np.load(years_file, mmap_mode="r")
    truth = Truth()
    for number in range(first, min(first + _FILES_A_TASK, options.files)):
        begin, end = (options.rows * border // options.files for border in (number, number + 1))
        with (folder / f"LCL-June2015v2_{number}.csv").open("wb") as stream:
            stream.write(HEADER)
            for stay in _between(stays, begin, end):
                home = home_at(options.seed, stay, years)
                if stay.first_row >= begin:
                    truth += count_kinds(home.part(0, options.rows - stay.first_row))
                part = home.part(begin - stay.first_row, end - stay.first_row)
                stream.write(lines_of(part))
    return truth


def _between(stays: list[Stay], begin: int, end: int) -> Iterator[Stay]:
    return (stay for stay in stays if stay.first_row < end and stay.first_row + stay.rows > begin)


def main(arguments: Sequence[str]) -> int:
    """Make the files and print their folder; progress and errors go to stderr."""
    parser = argparse.ArgumentParser(prog="python -m simulators.london_files", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder in which the files get a folder of their own")
    for name, default in msgspec.structs.asdict(LondonFiles()).items():
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = vars(parser.parse_args(arguments))
    folder = asked.pop("out")
    try:
        made = make_files(LondonFiles(**asked), folder, _say)
    except SimulationError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{made}\n")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
