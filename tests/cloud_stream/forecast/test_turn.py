"""How many series may be forecast in a second, whoever asks."""

from cloud_stream.forecast.turn import Turn


class Step:
    """Somebody who asks."""


def test_steps_share_a_second_and_the_next_one_is_new() -> None:
    turn, first, second = Turn(100), Step(), Step()
    assert [turn.take(first, 60, 5000), turn.take(second, 60, 5500), turn.take(second, 20, 6000)] == [60, 40, 20]


def test_who_had_no_turn_learns_how_long_the_others_need() -> None:
    turn, first, second, third = Turn(100), Step(), Step(), Step()
    turn.take(first, 350, 0)
    turn.take(second, 10, 0)
    turn.take(third, 10, 0)
    assert [turn.wait_s(step) for step in (first, second, third)] == [1.0, 3.0, 3.0]
    assert turn.take(first, 250, 3000) == 100
    assert turn.wait_s(second) == 1.0
    turn.take(second, 0, 3000)
    assert turn.wait_s(second) == 0.0


def test_a_step_that_is_gone_is_waited_for_no_longer() -> None:
    turn, gone, here = Turn(100), Step(), Step()
    turn.take(gone, 1000, 0)
    turn.take(here, 1, 0)
    del gone
    assert turn.wait_s(here) == 1.0
