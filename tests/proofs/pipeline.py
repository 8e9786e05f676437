"""How long a circuit remembers: registers that feed only registers behind them forget."""

import re
from pathlib import Path

#: Of the bench: they say that it has begun and that its assumptions hold; the claims do not look further back.
OWN = ("proof_begun", "proof_held")


def pipeline_depth(graph: Path, names: Path) -> int | None:
    """Cycles after which no input has any influence left; None where registers feed each other in a loop.

    ``graph`` is an AIGER file (ascii), ``names`` Yosys's map of it.
    """
    lines = graph.read_text(encoding="utf-8").splitlines()
    _, inputs, latches, outputs, ands = map(int, lines[0].split()[1:6])
    gates: dict[int, list[int]] = {}
    following: dict[int, int] = {}
    for line in lines[1 + inputs : 1 + inputs + latches]:
        latch, source = map(int, line.split()[:2])
        following[latch // 2] = source // 2
    body = 1 + inputs + latches + outputs
    for line in lines[body : body + ands]:
        gate, *operands = map(int, line.split())
        gates[gate // 2] = [operand // 2 for operand in operands]
    pattern = rf"^(?:inv)?latch (\d+) 0 (?:{'|'.join(OWN)})$"
    order = list(following)
    own = {order[int(number)] for number in re.findall(pattern, names.read_text(encoding="utf-8"), re.MULTILINE)}
    own.add(order[-1])  # the first cycle's mark, which -zinit adds

    age: dict[int, int] = {}
    running: set[int] = set()
    stack = [(latch, False) for latch in following if latch not in own]
    while stack:
        node, finished = stack.pop()
        before = gates.get(node, [following[node]] if node in following and node not in own else [])
        if finished:
            running.discard(node)
            age[node] = max((age[b] for b in before), default=0) + (node in following)
        elif node not in age:
            if node in running:
                return None
            running.add(node)
            stack.append((node, True))
            stack += [(b, False) for b in before if b not in age]
    return max(age.values(), default=0)
