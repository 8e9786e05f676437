"""All the mutants of a Python file: cosmic-ray's operators, and four that it has not.

No mutants in what no test should fix: annotations, decorators, the words of an exception, warnings.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import accumulate

import parso
from cosmic_ray.ast import ast_nodes
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from .mutant import Mutant

#: Near misses, as slips of the hand are; cosmic-ray's other replacements (+ by **) fall to any test.
REPLACED = {
    "Comparison": (
        "Eq_NotEq NotEq_Eq Eq_GtE NotEq_Lt Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is"
    ),
    "Binary": (
        "Add_Sub Sub_Add Mul_Add Mul_FloorDiv Div_Mul FloorDiv_Mul Mod_FloorDiv Pow_Mul RShift_LShift LShift_RShift "
        "BitAnd_BitOr BitOr_BitAnd BitXor_BitOr"
    ),
    "Unary": "Delete_USub Delete_Invert Delete_Not",
}
OPERATORS = [f"Replace{kind}Operator_{change}" for kind, changes in REPLACED.items() for change in changes.split()]
OPERATORS += [
    "AddNot", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer", "ZeroIterationForLoop",
]  # fmt: skip

Place = tuple[int, int]  #: line from 1, column from 0
OBVIOUS = ("ReturnNone", "SwapArguments")  #: fall to any test that runs the line, mostly: fewer of them are tried
SYMMETRIC = ("min", "max", "getattr", "hasattr", "isinstance")  #: or with arguments that nobody swaps


@dataclass(frozen=True)
class Candidate:
    """A mutant that is not made yet: where it begins, and how to make the file's text."""

    place: Place
    operator: str
    make: Callable[[], str | None]


@cache
def _operator(name: str):
    return get_operator(f"core/{name}")()


def candidates(text: str) -> Iterator[Candidate]:
    """Every candidate of a file's ``text``; some may turn out as no legal Python, or as the same program."""
    module = ast.parse(text)
    spared = _spared(module)
    yield from (c for c in _replaced(text) if not spared(c.place))
    yield from _own(text, module, spared)


def make(file: str, text: str, candidate: Candidate) -> Mutant | None:
    """The mutant; None for one that is no legal Python or the same program."""
    mutated = candidate.make()
    try:
        different = mutated is not None and ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))
    except SyntaxError:
        return None
    return Mutant(file, candidate.place[0], text, mutated, candidate.operator) if different else None


def _replaced(text: str) -> Iterator[Candidate]:
    nodes = list(ast_nodes(parso.parse(text)))
    for name in OPERATORS:
        positions = [start for node in nodes for start, _ in _operator(name).mutation_positions(node)]
        for occurrence, start in enumerate(positions):
            yield Candidate(start, name, partial(mutate_code, text, _operator(name), occurrence))


def _own(text: str, module: ast.Module, spared) -> Iterator[Candidate]:
    """Deleted statements and elements, swapped arguments, and functions that return nothing."""
    for node in ast.walk(module):
        place = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        if isinstance(node, ast.Raise):
            yield Candidate(place, "DeleteStatement", partial(_put, text, (node, "pass")))
        elif not place[0] or spared(place):
            continue
        elif isinstance(node, ast.AugAssign) and isinstance(node.value, ast.List) and len(node.value.elts) > 1:
            for element in node.value.elts:  # of the statements that Amaranth gets
                at = element.lineno, element.col_offset
                yield Candidate(at, "DeleteElement", partial(_put, text, (element, "*()")))
        elif _deletable(node):
            yield Candidate(place, "DeleteStatement", partial(_put, text, (node, "pass")))
        elif isinstance(node, ast.Return) and node.value is not None:
            yield Candidate(place, "ReturnNone", partial(_put, text, (node, "return None")))
        elif isinstance(node, ast.Call) and len(node.args) > 1 and ast.unparse(node.func) not in SYMMETRIC:
            first, second = node.args[:2]
            if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
                swap = (second, ast.get_source_segment(text, first)), (first, ast.get_source_segment(text, second))
                yield Candidate(place, "SwapArguments", partial(_put, text, *swap))


def _deletable(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Call | ast.Await | ast.YieldFrom)
    if isinstance(node, ast.Assign):  # without a plain name's assignment nothing runs
        return all(isinstance(target, ast.Attribute | ast.Subscript) for target in node.targets)
    return isinstance(node, ast.AugAssign)


def _put(text: str, *changes: tuple[ast.AST, str]) -> str:
    """``text`` with a new text for each node, the last node first."""
    whole = text.encode()  # ast counts bytes
    begins = [0, *accumulate(len(line) + 1 for line in whole.split(b"\n"))]
    for node, new in changes:
        start = begins[node.lineno - 1] + node.col_offset
        end = begins[node.end_lineno - 1] + node.end_col_offset
        whole = whole[:start] + new.encode() + whole[end:]
    return whole.decode()


def _spared(module: ast.Module):
    """A function that says whether a place lies in what is left alone."""
    ranges: list[tuple[Place, Place]] = []

    def leave(*nodes) -> None:
        for node in nodes:
            if node is not None:
                ranges.append(((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)))

    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            leave(node.returns, *node.decorator_list)
        elif isinstance(node, ast.ClassDef):
            leave(*node.decorator_list)
        elif isinstance(node, ast.arg | ast.AnnAssign):
            leave(node.annotation)
        elif isinstance(node, ast.Raise) or (
            isinstance(node, ast.Call) and ast.unparse(node.func) == "warnings.warn"
        ):
            leave(node)
    return lambda place: any(start <= place < end for start, end in ranges)
