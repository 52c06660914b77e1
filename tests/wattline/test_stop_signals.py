"""SIGTERM and SIGINT call back where locks may be taken."""

import signal
import threading

import pytest

from wattline.stop_signals import STOP_SIGNALS, called_on_stop, interrupted_when_ended


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_callback_may_wait_for_a_lock_that_the_interrupted_code_holds(number: signal.Signals) -> None:
    lock, called = threading.Lock(), threading.Event()

    def callback() -> None:
        with lock:
            called.set()

    with called_on_stop(callback):
        with lock:
            signal.raise_signal(number)
            assert not called.wait(0.05)
        assert called.wait(10)


def test_two_quick_signals_are_two_calls() -> None:
    calls: list[int] = []
    twice = threading.Event()

    def callback() -> None:
        calls.append(1)
        if len(calls) == 2:
            twice.set()

    with called_on_stop(callback):
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert twice.wait(10)


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with called_on_stop(lambda: None):
        assert [signal.getsignal(number) for number in STOP_SIGNALS] != before
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before
    assert not [thread for thread in threading.enumerate() if thread.name == "stop-signals"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_block_that_is_ended_unwinds_as_after_ctrl_c(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interrupted_when_ended():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before
