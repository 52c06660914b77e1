"""The demo's parts start and end whole, whenever somebody presses Ctrl-C."""

import signal

import pytest

from wattline.demo.processes import signals_held


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_waits_for_the_end_of_the_block(number: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(number, lambda number, _: heard.append(number))
    try:
        with signals_held():
            signal.raise_signal(number)
            assert heard == []
        assert heard == [number]
    finally:
        signal.signal(number, before)


def test_ctrl_c_during_a_start_still_interrupts() -> None:
    reached = []
    with pytest.raises(KeyboardInterrupt), signals_held():  # noqa: PT012 (what the block reaches is the point)
        signal.raise_signal(signal.SIGINT)
        reached.append("the end")
    assert reached == ["the end"]
