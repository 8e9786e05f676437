"""Counterexamples as a table: a column for each cycle, a row for each port."""

import re
from dataclasses import dataclass
from pathlib import Path

PERIOD = 10  #: of the simulator's clock: cycle k is at time 10 k


@dataclass(frozen=True)
class Trace:
    """Values (signal: one for each cycle, in hexadecimal); ``failed`` names the claims that the last cycle breaks."""

    values: dict[str, list[str]]
    failed: tuple[str, ...]

    @property
    def cycles(self) -> int:
        return len(next(iter(self.values.values())))

    def table(self) -> str:
        """Text: signals down, cycles across; a value that is as in the cycle before is a dot."""
        rows, still = [["cycle", *map(str, range(self.cycles))]], []
        for name, values in self.values.items():
            if len(set(values)) > 1:
                rows.append([name, *(now if now != before else "." for before, now in zip(["", *values], values))])
            else:
                still.append(f"{name} {values[0]}")
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = [f"fails in cycle {self.cycles - 1}: {what}" for what in self.failed]
        for name, *cells in rows:
            lines.append(f"{name:<{widths[0]}}  " + " ".join(f"{c:>{w}}" for c, w in zip(cells, widths[1:])))
        return "\n".join([*lines, f"the same in all cycles: {', '.join(still) or 'nothing'}"])


def read_trace(file: Path, cycles: int, names: list[str], claims: list[str]) -> Trace:
    """Ports ``names`` of a VCD file of Yosys's simulator, and which of ``claims`` fail in the last of ``cycles``.

    The simulator does not take over what registers without a name begin with, such as words of memories: they are x.
    Where a failure comes from them, the claims that are x are named.
    """
    wanted = ["rst", *names, *(f"failed_{k}" for k in range(len(claims)))]
    code_of, now, at = {}, {}, []
    for line in file.read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\$var \w+ \d+ (\S+) (\S+)", line):
            code_of.setdefault(found[2].lstrip("\\"), found[1])
        elif found := re.match(r"#(\d+)$", line):
            at.append((int(found[1]), dict(now)))
        elif found := re.match(r"b([01xz]+) (\S+)$", line):
            now[found[2]] = found[1]
    at.append((at[-1][0] + 1, dict(now)))
    table: dict[str, list[str]] = {name: [] for name in wanted}
    for cycle in range(cycles):
        state = next(values for time, values in at if time > cycle * PERIOD)  # what the times up to it have left
        for name in wanted:
            table[name].append(_hexadecimal(state[code_of[name]]))
    last = [table[f"failed_{k}"][-1] for k in range(len(claims))]
    seen = "1" if "1" in last else "x"
    failed = tuple(what for what, value in zip(claims, last) if value == seen)
    return Trace({name: table[name] for name in ["rst", *names]}, failed)


def _hexadecimal(bits: str) -> str:
    return "x" if set(bits) - {"0", "1"} else f"{int(bits, 2):x}"
