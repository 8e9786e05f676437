"""The data registers in numbers: what an access answers, which steps leave and which results are taken."""

from ..model.design import Design
from ..model.registers import DATA_ID_VALUE, DATA_REGISTERS, data_words

BY_ADDRESS = {register.address: register for register in DATA_REGISTERS}


class DataTwin:
    """A device's data registers, one access at a time.

    ``step`` is what waits to be taken: (codes as one number, first, last). ``result`` is what the last layer offers,
    in the same form. Either is None where nothing waits.
    """

    def __init__(self, design: Design):
        self.input_words, self.result_words = data_words(design)
        self.by_bus = 0
        self.words: list[int] = []  #: of the step that is being written
        self.shown = 0  #: the word that RESULT reads next
        self.step: tuple[int, int, int] | None = None
        self.result: tuple[int, int, int] | None = None

    def restart(self) -> None:
        """What CONTROL.RESET does."""
        self.words, self.shown, self.step = [], 0, None

    def access(self, address: int, value: int | None = None, select: int = 0xF) -> int | None:
        """Read, or write ``value`` with byte selects ``select``: the word read, 0 for a write, None for ``err``."""
        register = BY_ADDRESS.get(address)
        if register is None:
            return None
        if value is None:
            return 0 if register.access == "wo" else self._read(register.name)
        if register.access == "ro" or select != 0xF:
            return None
        return self._write(register.name, value)

    def _read(self, name: str) -> int | None:
        waits = self.result if self.by_bus else None
        match name:
            case "DATA_ID":
                return DATA_ID_VALUE
            case "DATA_SIZE":
                return self.result_words << 16 | self.input_words
            case "DATA_CONTROL":
                return self.by_bus
            case "DATA_STATUS":
                free = int(self.by_bus and self.step is None)
                return free | (2 | waits[1] << 2 | waits[2] << 3 if waits else 0)
        if waits is None:
            return None
        word = waits[0] >> 32 * self.shown & 0xFFFFFFFF
        self.shown = (self.shown + 1) % self.result_words
        return word

    def _write(self, name: str, value: int) -> int | None:
        match name:
            case "DATA_CONTROL":
                self.restart()
                self.by_bus = value & 1
            case _ if not self.by_bus:
                return None
            case "INPUT" if self.step is None and len(self.words) < self.input_words:
                self.words.append(value)
            case "INPUT_PUSH" if self.step is None and len(self.words) == self.input_words:
                codes = sum(word << 32 * k for k, word in enumerate(self.words))
                self.step, self.words = (codes, value & 1, value >> 1 & 1), []
            case "RESULT_TAKE" if self.result is not None:
                self.result, self.shown = None, 0
            case _:
                return None
        return 0
