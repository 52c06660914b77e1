"""`python -m model_export.batch`: one run in a process of its own, so that its memory can be measured."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from model_export.batch.engines import Engine, check_engine
from model_export.errors import ModelExportError, one_line
from wattline.errors import WattlineError

_EXIT_USAGE: Final = 2


def main(arguments: Sequence[str]) -> int:
    """Check an engine, run, or compare two runs; prints JSON, or one line on stderr and ends with 2."""
    asked = _parser().parse_args(arguments)
    try:
        result = asked.do(asked)
    except (ModelExportError, WattlineError) as error:
        sys.stderr.write(f"error: {one_line(str(error))}\n")
        return _EXIT_USAGE
    sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m model_export.batch", description=__doc__)
    words = parser.add_subparsers(required=True)
    check = words.add_parser("check", help="say what is missing for an engine")
    check.set_defaults(do=_check)
    run = words.add_parser("run", help="one run")
    run.set_defaults(do=_run)
    run.add_argument("--data", type=Path, required=True, help="folder of CSV files")
    run.add_argument("--out", type=Path, required=True, help="folder of the results")
    run.add_argument("--memory-gb", type=int, default=4, help="heap of the JVM, for pyspark")
    for parser_of_engine in (check, run):
        parser_of_engine.add_argument("--engine", type=Engine, choices=tuple(Engine), default=Engine.POLARS)
    compare = words.add_parser("compare", help="two folders of results")
    compare.set_defaults(do=_compare)
    compare.add_argument("runs", type=Path, nargs=2)
    return parser


def _check(asked: argparse.Namespace) -> object:
    check_engine(asked.engine)
    return {"engine": asked.engine}


def _run(asked: argparse.Namespace) -> object:
    check_engine(asked.engine)
    if asked.engine is Engine.PYSPARK:
        from model_export.batch.spark import run_spark

        return run_spark(asked.data, asked.out, asked.memory_gb)
    from model_export.batch.pipeline import run_batch

    return run_batch(asked.data, asked.out)


def _compare(asked: argparse.Namespace) -> object:
    from model_export.batch.comparing import compare_runs

    return compare_runs(*asked.runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
