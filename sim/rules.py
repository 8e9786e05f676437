"""The rules of a chip's ports, as a test bench sees them kept or broken."""

from cocotb.types import Logic, LogicArray
from cocotb.utils import get_sim_time

PERIOD = 10  #: simulator steps of a clock cycle


def clock_cycle() -> int:
    """The clock cycle that is under way, counted from the first rising edge."""
    return int(get_sim_time("step")) // PERIOD - 1


class Rules:
    """Notes every rule that a chip breaks, once, with the clock cycle in which it first did."""

    def __init__(self) -> None:
        self._broken: dict[str, int] = {}

    def broke(self, sentence: str) -> None:
        self._broken.setdefault(sentence, clock_cycle())

    def sentences(self) -> list[str]:
        return [f"{sentence} (clock cycle {cycle})" for sentence, cycle in self._broken.items()]

    def number(self, value: LogicArray | Logic, what: str) -> int:
        """``value`` as a number; where bits of it are unknown, a rule is broken and they count as 0."""
        try:
            return int(value)
        except ValueError:
            self.broke(f"{what} unknown (X)")
            return int("".join(bit if bit in "01" else "0" for bit in str(value)), 2)
