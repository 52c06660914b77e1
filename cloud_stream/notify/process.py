"""The notifier as a process: one desk that decides, one courier for each channel."""

import fcntl
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from cloud_stream.config import CloudConfig
from cloud_stream.config_sections import NotifyConfig
from cloud_stream.engine import now_ms
from cloud_stream.errors import CloudError
from cloud_stream.keyed_queue import KeyedQueue
from cloud_stream.metrics import serving
from cloud_stream.notify.channels import open_channels
from cloud_stream.notify.courier import Courier
from cloud_stream.notify.delivery import Channel
from cloud_stream.notify.desk import Desk
from cloud_stream.notify.ledger import Ledger
from cloud_stream.notify.metrics import NotifyCollector
from cloud_stream.sites import load_sites
from cloud_stream.stores import open_store
from wattline.backoff import Backoff
from wattline.errors import ConfigError, LogError
from wattline.stop_signals import called_on_stop

_log: Final = logging.getLogger("cloud_stream.notify")
TURN_S: Final = 0.5
TIDY_EVERY_MS: Final = 60_000
STOP_S: Final = 10.0


def run_notify(config: CloudConfig) -> int:
    """Tell people until SIGTERM or SIGINT.

    Args:
        config: The cloud's configuration, with a `[notify]` section.

    Returns:
        The exit status.

    Raises:
        ConfigError: The section is missing, or an address or file in it cannot be used.
        StoreRejectedError: A file with the store's secret cannot be read.
        CloudError: Another notifier uses the same folder.
    """
    if config.notify is None:
        raise ConfigError("notify", "the section is missing: there is nobody to tell")
    stop = threading.Event()
    sites = load_sites(config.sites.file)
    channels = open_channels(config.notify)
    with called_on_stop(stop.set), _alone(config.notify.dir), ExitStack() as stack:
        queue = open_queue(config.notify)
        stack.callback(queue.close)
        ledger = Ledger(config.notify.dir)
        stack.callback(ledger.close)
        store = open_store(config.store)
        stack.callback(store.close)
        registry = CollectorRegistry()
        registry.register(NotifyCollector(ledger, queue, [channel.name for channel in channels]))
        stack.enter_context(serving(registry, config.metrics.bind, config.metrics.notify_port))
        desk = Desk(config.notify, channels, queue, ledger, store, sites)
        couriers = _start_couriers(channels, ledger, config.notify)
        _log.info("notify_started channels=%s", ",".join(channel.name for channel in channels) or "none")
        try:
            _run(desk, couriers, stop)
        finally:
            _stop(couriers)
    _log.info("notify_stopped")
    return 0


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock: two notifiers would send each message twice."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "notifier.lock").open("w")
    except OSError as error:
        raise ConfigError("notify.dir", f"{folder}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudError(f"{folder}: another notifier uses this folder") from None
        yield


def open_queue(config: NotifyConfig) -> KeyedQueue:
    """The queue of notices, which the flow fills."""
    return KeyedQueue(config.queue_file, config.max_bytes)


def _start_couriers(channels: Sequence[Channel], ledger: Ledger, config: NotifyConfig) -> list[Courier]:
    couriers = [Courier(channel, ledger, config.give_up_after, now_ms) for channel in channels]
    for courier in couriers:
        courier.start()
    return couriers


def _stop(couriers: Sequence[Courier]) -> None:
    for courier in couriers:
        courier.stop()
    end_s = time.monotonic() + STOP_S
    for courier in couriers:
        courier.join(max(0.0, end_s - time.monotonic()))


def _run(desk: Desk, couriers: Sequence[Courier], stop: threading.Event) -> None:
    backoff = Backoff(TURN_S, 30.0)
    tidied_ms = 0
    while not stop.is_set():
        pause_s = TURN_S
        try:
            if desk.turn(now_ms()):
                for courier in couriers:
                    courier.wake()
            if abs(now_ms() - tidied_ms) >= TIDY_EVERY_MS:
                tidied_ms = now_ms()
                desk.tidy(tidied_ms)
            backoff.reset()
        except LogError as error:
            pause_s = backoff.next_s()
            _log.error("notify_waits problem=%r", str(error))
        stop.wait(pause_s)
