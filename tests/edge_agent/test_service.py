"""What systemd is told, and that nothing happens where there is no systemd."""

import socket
from pathlib import Path

import pytest

from edge_agent.service import ServiceNotifier


@pytest.mark.parametrize("abstract", [False, True])
def test_states_arrive_at_the_socket(tmp_path: Path, *, abstract: bool) -> None:
    address = f"@wattline-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind("\0" + address[1:] if abstract else address)
        notifier = ServiceNotifier(address)
        notifier.ready()
        notifier.alive()
        notifier.stopping()
        assert [systemd.recv(64) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]
        notifier.close()


@pytest.mark.parametrize("address", ["", "/nowhere/notify"])
def test_without_a_listener_nothing_happens(address: str) -> None:
    notifier = ServiceNotifier(address)
    notifier.ready()
    notifier.alive()
    notifier.close()
