"""Runs an agent as a process: logging, signals, the end."""

import logging
import signal
import sys
from pathlib import Path
from typing import Final

from edge_agent.bootstrap import load_plan, make_agent

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


def run_agent(path: Path, *, until_sent: bool = False, log_level: str = "info") -> None:
    """Run the agent of a file until SIGTERM or SIGINT.

    Args:
        path: `agent.toml`.
        until_sent: End also when every sensor has ended and everything is acknowledged.
        log_level: debug, info, warning or error; lines go to stderr.

    Raises:
        ConfigError: Something in the file is wrong.
        WattlineError: The agent cannot start now.
    """
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT, stream=sys.stderr)
    agent = make_agent(load_plan(path))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run(until_sent=until_sent)
