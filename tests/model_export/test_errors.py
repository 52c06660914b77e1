"""What is told of a problem fits on one line of any terminal."""

import pytest

from model_export.errors import one_line


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        ("no such file", "no such file"),
        ("two\nlines,  and blanks", "two lines, and blanks"),
        ("\x1b[31mred\x07\x00 of a binary file", "[31mred of a binary file"),
        ("Zähler ✓", "Zähler ✓"),
        ("x" * 5_000, "x" * 500 + " .. " + "x" * 500),
    ],
)
def test_a_problem_is_one_line_without_orders_to_the_terminal(problem: str, line: str) -> None:
    assert one_line(problem) == line
