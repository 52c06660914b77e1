"""Runs an agent as a process: logging, signals, the end."""

import fcntl
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from edge_agent.bootstrap import load_plan, make_agent
from wattline.errors import ConfigError
from wattline.stop_signals import called_on_stop

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
    plan = load_plan(path)
    try:
        with _alone(plan.config.gateway.state_dir):
            agent = make_agent(plan)
            with called_on_stop(agent.stop):
                agent.run(until_sent=until_sent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.where}", error.problem) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two agents on one outbox would throw each other off the broker for ever."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "agent.lock").open("w")
    except OSError as error:
        raise ConfigError("gateway.state_dir", f"{folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError("gateway.state_dir", f"{folder} is in use by another agent") from None
        yield
