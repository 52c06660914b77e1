"""Noise on a serial line: bounded memory, the meter beside it goes on, and telegrams after it are read."""

import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.chaos.waiting import wait_for
from tests.e2e.agent import SITE, Agent, replayed, replayed_rows
from tests.e2e.cloud import Cloud
from tests.edge_agent.sensors.p1_samples import telegram
from tests.services.serial_pair import SerialPair
from wattline.local_servers import MosquittoServer

MIB = 1 << 20
NOISE_BYTES = 4 * MIB
"""So much that memory which grows with it would be seen."""
GROWTH_BYTES = 2 * MIB
NOW_S = int(time.time())
WINTER_S = 3600


def p1(t_s: int, power_kw: float) -> bytes:
    """The telegram of one second."""
    stamp = time.strftime("%y%m%d%H%M%S", time.gmtime(t_s + WINTER_S)) + "W"
    return telegram(["1-3:0.2.8(50)", f"0-0:1.0.0({stamp})", f"1-0:1.7.0({power_kw:06.3f}*kW)"])


def stretch(pattern: bytes) -> bytes:
    return (pattern * (NOISE_BYTES // len(pattern) + 1))[:NOISE_BYTES]


def flipped(t_s: int) -> bytes:
    """A telegram with one digit changed: only its sum shows it."""
    return p1(t_s, 1.234).replace(b"01.234", b"91.234")


NOISE = {
    "random bytes": random.Random(7).randbytes(NOISE_BYTES),
    "a telegram without an end": b"/" + stretch(b"1-0:1.7.0(01.234*kW)\r\n"),
    "telegrams with a wrong sum": stretch(flipped(NOW_S - 500)),
}
BESIDE_MS = range((NOW_S - 3000) * 1000, (NOW_S - 3000) * 1000 + 300_000, 20)


@pytest.fixture(scope="module")
def cloud(folder: Path, shared_broker: MosquittoServer) -> Iterator[Cloud]:
    with Cloud(folder / "cloud", shared_broker.url) as running:
        yield running


def said(cloud: Cloud, meter: str) -> set[tuple[str, str, int, float]]:
    return {row for row in cloud.readings() if row[1] == meter}


def rows(meter: str, seconds: Sequence[int], power_w: float) -> set[tuple[str, str, int, float]]:
    return {(SITE, meter, t_s * 1000, power_w) for t_s in seconds}


@pytest.mark.parametrize(("number", "noise"), list(enumerate(NOISE.values())), ids=list(NOISE))
def test_noise_costs_no_memory_and_no_telegram_that_is_good(
    tmp_path: Path, cloud: Cloud, shared_broker: MosquittoServer, serial_pair: SerialPair, number: int, noise: bytes
) -> None:
    noisy, beside = f"noisy-{number}", f"beside-{number}"
    before, after = range(NOW_S - 1000, NOW_S - 990), range(NOW_S - 100, NOW_S - 90)
    meters = {
        noisy: f'sensor = "dsmr"\n[meter.options]\nport = "{serial_pair.device}"',
        beside: replayed(tmp_path, beside, BESIDE_MS, speed="100"),
    }
    agent = Agent(tmp_path / "agent", shared_broker.url, meters)
    agent.start()
    try:
        wait_for(lambda: bool(said(cloud, beside)), "the agent runs")
        for t_s in before:
            serial_pair.write(p1(t_s, 1.0))
        cloud.wait_for(lambda: said(cloud, noisy) == rows(noisy, before, 1000.0), "telegrams before the noise")
        memory = agent.peak_rss_bytes()
        serial_pair.write(noise)
        serial_pair.write(b"\r\n")
        for t_s in after:
            serial_pair.write(p1(t_s, 2.0))
        wanted = rows(noisy, before, 1000.0) | rows(noisy, after, 2000.0)
        cloud.wait_for(lambda: said(cloud, noisy) >= wanted, "telegrams after the noise")
        assert said(cloud, noisy) == wanted
        assert agent.peak_rss_bytes() - memory < GROWTH_BYTES
        wait_for(lambda: said(cloud, beside) == replayed_rows(beside, BESIDE_MS), "every reading of the other meter")
        assert len(agent.log_text().splitlines()) < 50
        assert agent.stop() == 0
    finally:
        agent.end()
