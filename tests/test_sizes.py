"""A function fits on a screen and a module in a head: the sizes that the packages keep."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[1]
_PACKAGES = ("wattline", "edge_agent", "cloud_stream", "model_export", "simulators")
_MOST_LINES_OF_A_MODULE = 400
_MOST_LINES_OF_A_FUNCTION = 60
_VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
_MODULES = sorted(file for package in _PACKAGES for file in (_CHECKOUT / package).rglob("*.py"))


def _name(file: Path) -> str:
    return str(file.relative_to(_CHECKOUT))


def _long_functions(source: str) -> Iterator[str]:
    """Name the functions that are too long; a docstring does not count."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            first = body[0].lineno if body else node.lineno
            lines = (node.end_lineno or first) - first + 1
            if lines > _MOST_LINES_OF_A_FUNCTION:
                yield f"{node.name}: {lines} lines"


def test_the_packages_are_found() -> None:
    assert {file.relative_to(_CHECKOUT).parts[0] for file in _MODULES} == set(_PACKAGES)


@pytest.mark.parametrize("file", _MODULES, ids=_name)
def test_a_module_is_short_and_named_for_what_it_holds(file: Path) -> None:
    source = file.read_text()
    assert len(source.splitlines()) <= _MOST_LINES_OF_A_MODULE
    assert list(_long_functions(source)) == []
    assert file.stem not in _VAGUE_NAMES


def test_a_long_function_is_noticed() -> None:
    lines = ["def f():", '    """Doc."""', *["    pass"] * _MOST_LINES_OF_A_FUNCTION]
    assert list(_long_functions("\n".join(lines))) == []
    lines.append("    pass")
    assert list(_long_functions("\n".join(lines))) == ["f: 61 lines"]
