"""The diagnostic registers' twin: what the register table says in words, one sentence after the other."""

import numpy as np
import pytest

from ohmgate.hdl.diagnostics_twin import DiagnosticsTwin
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.registers import BY_NAME

DESIGN = Design("diagnosed", (
    LstmLayer(inputs=3, hidden=6, adcs=12, adc_bits=5, dac_bits=4, input_dac_bits=3, bias_rows=2, diagnostics=True,
              spares=2),
    DenseLayer(inputs=6, outputs=6, adcs=2, adc_bits=3, dac_bits=4, output="codes", diagnostics=True),
))  # fmt: skip
ACTIVE, BIAS, ADVANCE, CLEAR = 1, 2, 4, 8
REGISTERS = [name for name in BY_NAME if name.startswith("DIAG_")]


class Twins:
    """Both twins; ``seen`` has what was converted, ``adjusted`` what was adjusted."""

    def __init__(self):
        self.seen, self.adjusted, self.rng = [], [], np.random.default_rng(1)
        self.registers = RegisterTwin(DESIGN)
        self.diagnostics = DiagnosticsTwin(self.registers, self.convert, lambda *what: self.adjusted.append(what))

    def convert(self, index: int, drive: np.ndarray, step: int) -> np.ndarray:
        layer = DESIGN.layers[index]
        codes = self.rng.integers(-(2 ** (layer.adc_bits - 1)), 2 ** (layer.adc_bits - 1), layer.adcs)
        self.seen.append((index, drive.tolist(), step, codes.tolist()))
        return codes

    def access(self, name: str, value: int | None = None, select: int = 0xF) -> int | None:
        twin = self.diagnostics if name.startswith("DIAG_") else self.registers
        return twin.access(BY_NAME[name].address, value, select)

    def write(self, **values: int) -> None:
        for name, value in values.items():
            assert self.access(name, value) == 0, name

    def unlock(self) -> None:
        fingerprint = int(DESIGN.fingerprint, 16)
        self.write(UNLOCK_LOW=fingerprint & 0xFFFFFFFF, UNLOCK_HIGH=fingerprint >> 32)

    def begin(self, flags: int = ACTIVE) -> "Twins":
        self.unlock()
        self.write(DIAG_CONTROL=flags)
        return self

    def words(self, count: int) -> list[int]:
        """Of DIAG_RESULT."""
        return [self.access("DIAG_RESULT") for _ in range(count)]

    def codes(self, words: list[int], at: int = -1) -> None:
        """Assert that ``words`` hold the codes of a conversion, bit for bit."""
        index, _, _, codes = self.seen[at]
        bits = DESIGN.layers[index].adc_bits
        wanted = "".join(np.binary_repr(code, bits) for code in reversed(codes)).zfill(32 * len(words))
        assert "".join(f"{word:032b}" for word in reversed(words)) == wanted


def test_what_reads_after_a_reset():
    twins = Twins()
    found = {name: twins.access(name) for name in REGISTERS}
    assert found == dict.fromkeys(REGISTERS, 0) | {
        "DIAG_ID": 0x44494147, "DIAG_SIZE": 2 << 16 | 2, "DIAG_ADCS": 2 << 16 | 12, "DIAG_RESULT": None,
    }  # fmt: skip
    twins.write(LAYER=1)
    assert (twins.access("DIAG_SIZE"), twins.access("DIAG_ADCS")) == (1 << 16 | 3, 2)
    assert [twins.diagnostics.access(address) for address in (0xFC, 0x12C, 0x102)] == [None] * 3


@pytest.mark.parametrize("name", REGISTERS)
def test_writes_of_part_of_a_word_and_of_what_is_read_only_are_refused(name):
    twins = Twins().begin()
    legal = BY_NAME[name].access != "ro"
    for select in range(16):
        assert twins.access(name, 0, select) == (0 if legal and select == 15 else None)


def test_active_needs_a_device_that_is_unlocked_not_enabled_and_not_busy():
    twins = Twins()
    for flags in (0, BIAS, BIAS | ADVANCE):
        twins.write(DIAG_CONTROL=flags)
        assert twins.access("DIAG_CONTROL") == flags
    assert twins.access("DIAG_CONTROL", ACTIVE) is None
    assert twins.access("DIAG_CONTROL") == BIAS | ADVANCE, "a refused write does nothing"
    twins.unlock()
    for index in (0, 1):
        twins.write(LAYER=index, SEAL=1)
    twins.write(CONTROL=1)
    assert twins.access("DIAG_CONTROL", ACTIVE) is None
    twins.write(CONTROL=0)
    twins.registers.status["BUSY"] = 1
    assert twins.access("DIAG_CONTROL", ACTIVE) is None
    twins.registers.status["BUSY"] = 0
    twins.write(DIAG_CONTROL=ACTIVE)
    for word in (0b001, 0b011, 0b101):
        assert twins.access("CONTROL", word) is None, "ENABLE is refused while ACTIVE"
    assert twins.access("DIAG_CONTROL") == ACTIVE
    twins.write(CONTROL=0b100, DIAG_CONTROL=0)
    twins.write(CONTROL=1)


def test_what_is_refused_unless_active():
    twins = Twins()
    twins.unlock()
    for name in ("DIAG_ROW", "DIAG_CODE", "DIAG_CONVERT", "DIAG_ADJUST_AT", "DIAG_ADJUST"):
        assert twins.access(name, 0) is None, name
        twins.write(DIAG_CONTROL=ACTIVE)
        assert twins.access(name, 0) == 0, name
        twins.write(DIAG_CONTROL=0)


def test_codes_drive_their_rows():
    twins = Twins().begin()
    twins.write(DIAG_CODE=0b1011, DIAG_CONVERT=1)
    assert twins.access("DIAG_ROW") == 1, "the next row"
    assert twins.seen[-1][:3] == (0, [3, *[0] * 8, 0, 0], 1), "three of its bits, and bias rows at 0 V"
    twins.write(DIAG_ROW=8, DIAG_CODE=0xFFFFFFF8, DIAG_CONTROL=ACTIVE | BIAS, DIAG_CONVERT=0)
    assert twins.seen[-1][:3] == (0, [3, *[0] * 7, -8, 7, 7], 0)
    assert twins.access("DIAG_CODE", 1) is None, "a bias row"
    twins.write(LAYER=1, DIAG_ROW=5, DIAG_CODE=4)
    assert twins.access("DIAG_CODE", 1) is None
    twins.write(DIAG_CONVERT=2)
    assert twins.seen[-1][:3] == (1, [-5, 0, 0, 0, 0, 4, 7], 2), "layers share the codes"
    twins.write(DIAG_CONTROL=ACTIVE | CLEAR)
    assert twins.access("DIAG_CONTROL") == ACTIVE
    twins.write(DIAG_CONVERT=2)
    assert twins.seen[-1][:3] == (1, [0] * 7, 2)


def test_a_step_that_the_layer_does_not_have_is_refused():
    twins = Twins().begin()
    assert [twins.access("DIAG_CONVERT", step) for step in (0, 1, 2, 0xFFFF)] == [0, 0, None, None]
    twins.write(LAYER=1)
    assert [twins.access("DIAG_CONVERT", step) for step in (2, 3)] == [0, None]
    twins.registers.status["PROGRAMMING"] = 1
    assert twins.access("DIAG_CONVERT", 0) is None
    assert len(twins.seen) == 3


def test_words_of_a_result_come_again():
    twins = Twins().begin()
    twins.write(DIAG_CONVERT=1)
    assert twins.access("DIAG_STATUS") == 2
    words = twins.words(4)
    twins.codes(words[:2])
    assert words[:2] == words[2:]
    twins.write(LAYER=1)
    assert twins.words(2) == words[:2], "of the layer that was converted"
    twins.words(1)
    twins.write(DIAG_CONVERT=0)
    twins.codes(twins.words(1))
    twins.write(DIAG_CONTROL=ADVANCE)
    first = twins.words(2)
    twins.codes(first[:1])
    assert first[0] == first[1], "without ACTIVE nothing is converted"
    assert len(twins.seen) == 2


def test_a_burst_ends_with_the_last_step():
    twins = Twins().begin(ACTIVE | ADVANCE)
    twins.write(LAYER=1, DIAG_CONVERT=0)
    twins.write(LAYER=0)
    for step in range(3):
        twins.codes(twins.words(1), step)
    assert [(index, step) for index, _, step, _ in twins.seen] == [(1, 0), (1, 1), (1, 2)]
    twins.codes(twins.words(1), 2)
    assert len(twins.seen) == 3
    twins.write(DIAG_CONVERT=0)
    twins.words(1)
    assert len(twins.seen) == 4, "only the last word begins the next step"


def test_adjustments():
    twins = Twins().begin()
    twins.write(DIAG_ADJUST_AT=1 << 16 | 10, DIAG_ADJUST=0xFF80)
    assert twins.access("DIAG_ADJUST_AT") == 1 << 16 | 11, "the next ADC"
    twins.write(DIAG_ADJUST=0x7F)
    assert twins.access("DIAG_ADJUST", 1) is None, "there are 12"
    twins.write(DIAG_ADJUST_AT=3 << 16, DIAG_ADJUST=1)
    twins.write(DIAG_ADJUST=0xFFFF)
    twins.write(DIAG_ADJUST_AT=4 << 16)
    assert twins.access("DIAG_ADJUST", 1) is None, "spares 0 and 1 are 2 and 3"
    twins.write(LAYER=1, DIAG_ADJUST_AT=1)
    twins.write(DIAG_ADJUST=0x1FF)
    twins.write(DIAG_ADJUST_AT=2 << 16)
    assert twins.access("DIAG_ADJUST", 1) is None, "a layer without spares"
    assert twins.adjusted == [(0, 10, 1, -128), (0, 11, 1, 127), (0, 0, 3, 1), (0, 1, 3, 0xFFFF), (1, 1, 0, -1)]


def test_reset_ends_diagnostics():
    twins = Twins().begin(ACTIVE | BIAS | ADVANCE)
    twins.write(DIAG_ROW=2, DIAG_CODE=1, DIAG_CONVERT=0, CONTROL=2)
    assert twins.access("DIAG_CONTROL") == BIAS | ADVANCE
    assert (twins.access("DIAG_STATUS"), twins.access("DIAG_RESULT")) == (0, None)
    twins.write(DIAG_CONTROL=ACTIVE, DIAG_CONVERT=0)
    assert twins.seen[-1][1] == [0, 0, 1, *[0] * 8], "row codes stay"
    twins.write(CONTROL=4)
    assert twins.access("DIAG_STATUS") == 2, "CLEAR is of the counters"


def test_a_lock_ends_diagnostics_and_drops_codes():
    twins = Twins().begin()
    twins.write(DIAG_CONVERT=0, UNLOCK_HIGH=0)
    assert (twins.access("DIAG_STATUS"), twins.access("DIAG_RESULT")) == (0, None)
    assert twins.access("DIAG_CONTROL", ACTIVE | BIAS) is None
    assert twins.access("DIAG_CONVERT", 0) is None
    twins.unlock()
    twins.write(DIAG_CONTROL=ACTIVE, DIAG_CONVERT=0)
    assert twins.access("DIAG_STATUS") == 2


def test_cells_of_spares_follow_the_columns():
    twins = Twins()
    twins.unlock()
    assert twins.access("GEOMETRY") == 24 << 16 | 11
    twins.write(COLUMN=23, LEVEL=1)
    assert (twins.access("ROW"), twins.access("COLUMN")) == (1, 0)
    twins.write(COLUMN=24, LEVEL=2)
    assert (twins.access("ROW"), twins.access("COLUMN")) == (1, 25)
    twins.write(COLUMN=47, LEVEL=3)
    assert (twins.access("ROW"), twins.access("COLUMN")) == (2, 0)
    twins.write(COLUMN=48)
    assert twins.access("LEVEL", 4) is None
    levels = twins.registers.levels[0]
    assert levels.shape == (11, 48)
    assert (levels[0, 23], levels[1, 24], levels[1, 47], levels.sum()) == (1, 2, 3, 6)
