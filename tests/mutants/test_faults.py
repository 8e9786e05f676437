"""The list of faults fits the tree, and mutants of Python are programs that differ in one place."""

import ast
from pathlib import Path

import pytest

from .faults import faults
from .mutant import Mutant
from .operators import candidates, make

ROOT = Path(__file__).parents[2]


def test_every_fault_of_the_list_fits_the_tree():
    found = faults(ROOT)
    assert len({fault.key for fault in found}) == len(found) > 150
    for fault in found:
        assert fault.text != fault.original
        if fault.file.endswith(".py"):
            ast.parse(fault.text)
        for test in fault.tests:
            assert (ROOT / test.split("::")[0]).is_file(), test


def changes(text: str) -> dict[str, list[str]]:
    """All mutants of ``text``: operator -> changed lines."""
    found: dict[str, list[str]] = {}
    for candidate in candidates(text):
        mutant = make("model/example.py", text, candidate)
        if mutant is not None:
            found.setdefault(mutant.operator, []).extend(line for line in mutant.change() if line[0] == "+")
    return found


@pytest.mark.parametrize(
    "text, operator, change",
    [
        ("y = a < b\n", "ReplaceComparisonOperator_Lt_LtE", "+y = a <= b"),
        ("y = a + b\n", "ReplaceBinaryOperator_Add_Sub", "+y = a - b"),
        ("y = a and b\n", "ReplaceAndWithOr", "+y = a or b"),
        ("y = not a\n", "ReplaceUnaryOperator_Delete_Not", "+y = a"),
        ("if a:\n    y = b\n", "AddNot", "+if not a:"),
        ("y = é(a, b)\n", "SwapArguments", "+y = é(b, a)"),
        ("def f():\n    return é + 1\n", "ReturnNone", "+    return None"),
        ("m.d.sync += [é, b]\n", "DeleteElement", "+m.d.sync += [é, *()]"),
        ("f(a)\n", "DeleteStatement", "+pass"),
    ],
)
def test_each_operator_makes_its_mutant(text, operator, change):
    assert change.replace(" ", "") in [line.replace(" ", "") for line in changes(text)[operator]]


@pytest.mark.parametrize(
    "text", ["x: int | None = a\n", "def f(x: int = a) -> int | str:\n    pass\n", "@f(1)\ndef g():\n    pass\n"]
)
def test_annotations_and_decorators_have_no_mutants(text):
    assert changes(text) == {}


def test_of_an_exception_only_the_whole_goes():
    assert changes("raise ValueError(f'{a + 1}')\n") == {"DeleteStatement": ["+pass"]}


def test_a_mutant_says_what_changed():
    mutant = Mutant("model/a.py", 2, "a\nb\nc\n", "a\nB\nc\n", "hand")
    assert (mutant.package, mutant.change()) == ("model", ["-b", "+B"])
