"""The queue between the network's thread and the writer's."""

import threading

from cloud_stream.inbox import GROUP_BYTES, GROUP_MESSAGES, Inbox, Incoming
from tests.cloud_stream.waiting import wait_until


def _message(number: int, size: int = 1) -> Incoming:
    return Incoming(1, number, "t", bytes(size))


def test_messages_come_out_in_order_and_once() -> None:
    inbox = Inbox()
    for number in range(5):
        inbox.put(_message(number))
    assert [message.mid for message in inbox.take(timeout_s=0, linger_s=0)] == [0, 1, 2, 3, 4]
    assert inbox.take(timeout_s=0, linger_s=0) == []


def test_a_large_group_does_not_wait_for_the_linger() -> None:
    inbox = Inbox()
    inbox.put(_message(1, GROUP_BYTES))
    assert len(inbox.take(timeout_s=0, linger_s=3600)) == 1


def test_groups_are_bounded_by_bytes_and_by_number() -> None:
    inbox = Inbox()
    for number in range(3):
        inbox.put(_message(number, GROUP_BYTES // 2))
    for number in range(GROUP_MESSAGES + 1):
        inbox.put(_message(number))
    sizes = [len(inbox.take(timeout_s=0, linger_s=0)) for _ in range(4)]
    assert sizes == [2, GROUP_MESSAGES, 2, 0]


def test_it_is_full_by_bytes_or_by_number_until_something_is_taken() -> None:
    for inbox, message in [(Inbox(max_bytes=10), _message(1, 10)), (Inbox(max_messages=1), _message(1))]:
        states = [inbox.full]
        inbox.put(message)
        states.append(inbox.full)
        inbox.take(timeout_s=0, linger_s=0)
        states.append(inbox.full)
        assert states == [False, True, False]
        assert inbox.held_bytes == 0


def test_nothing_is_lost_or_repeated_between_two_threads() -> None:
    inbox = Inbox()
    taken: list[int] = []
    finished = threading.Event()

    def consume() -> None:
        while not finished.is_set() or len(inbox):
            taken.extend(message.mid for message in inbox.take(timeout_s=0.05, linger_s=0.001))

    consumer = threading.Thread(target=consume)
    consumer.start()
    for number in range(20_000):
        inbox.put(_message(number))
    wait_until(lambda: len(taken) == 20_000, "all are taken, without a further put")
    finished.set()
    consumer.join()
    assert taken == list(range(20_000))
