"""The register table: one source for the RTL, the loader, the C header, the Markdown and the JSON.

32-bit registers at byte addresses, little-endian words. The table is the same for every design: what differs
(number of layers, geometry) is read from the device, so one driver serves all. Only designs with ``data_registers``
have those of :data:`DATA_REGISTERS`, only those with layers in reverse have :data:`SEQUENCES`, only those with
``diagnostics`` those of :data:`~ohmgate.model.diagnostic_registers.DIAG_REGISTERS`. Access: ``ro`` read only, ``rw``
read and write, ``wo`` write only (reads as 0).
"""

from typing import Any

from .design import Design
from .diagnostic_registers import DIAG_BASE, DIAG_REGISTERS
from .layers import Layer
from .pulses import PULSE_REGISTERS
from .register import Field, Register, flag

ID_VALUE = 0x4F484D47  #: "OHMG"
VERSION_VALUE = (2 << 24) | (0 << 16) | 0  #: major, minor, patch of this table


REGISTERS = (
    Register("ID", 0x00, "ro", "0x4F484D47, 'OHMG'."),
    Register(
        "VERSION",
        0x04,
        "ro",
        "Version of this register table.",
        (
            Field("MAJOR", 24, 8, "Changes when a driver must change."),
            Field("MINOR", 16, 8, "Changes when registers are added."),
            Field("PATCH", 0, 16, "Changes for corrections."),
        ),
    ),
    Register("FINGERPRINT_LOW", 0x08, "ro", "Bits 31..0 of the design's fingerprint."),
    Register("FINGERPRINT_HIGH", 0x0C, "ro", "Bits 63..32 of the design's fingerprint."),
    Register("LAYERS", 0x10, "ro", "Number of layers."),
    Register(
        "CONTROL",
        0x14,
        "rw",
        "Run control; RESET and CLEAR read as 0.",
        (
            flag(
                "ENABLE", 0, "Accept inputs. Refused (bus error) while locked, without SEALED, and with PROGRAMMING."
            ),
            flag("RESET", 1, "Write 1: abandon sequences in flight and results not yet taken; data stay loaded."),
            flag("CLEAR", 2, "Write 1: set the counters and STATUS.ERROR to 0."),
        ),
    ),
    Register(
        "STATUS",
        0x18,
        "ro",
        "State of the device.",
        (
            flag("UNLOCKED", 0, "The right fingerprint was written to UNLOCK."),
            flag("REFUSED", 1, "A wrong fingerprint was written to UNLOCK."),
            flag("BUSY", 2, "A time step is being computed or a result waits."),
            flag("PROGRAMMING", 3, "A cell or a seal is being programmed."),
            flag("ERROR", 4, "An access was answered with a bus error since the last CLEAR."),
            flag("SEALED", 5, "Every layer has its seal: its cells were loaded to the end. It keeps without power."),
        ),
    ),
    Register("CYCLES", 0x1C, "ro", "Clock cycles with BUSY set; stops at 0xFFFFFFFF."),
    Register("STEPS", 0x20, "ro", "Time steps accepted; stops at 0xFFFFFFFF."),
    Register("CELL_SATURATIONS", 0x24, "ro", "Cell-state updates that saturated; stops at 0xFFFFFFFF."),
    Register("ADC_SATURATIONS", 0x28, "ro", "ADC codes at either end of the range; stops at 0xFFFFFFFF."),
    Register("SCRATCH", 0x2C, "rw", "No function; for testing the bus."),
    Register("UNLOCK_LOW", 0x30, "rw", "Bits 31..0 of the image's fingerprint."),
    Register(
        "UNLOCK_HIGH",
        0x34,
        "rw",
        "Bits 63..32 of the image's fingerprint. Writing compares both words with FINGERPRINT: equal unlocks, "
        "unequal locks, clears ENABLE and sets STATUS.REFUSED.",
    ),
    Register("LAYER", 0x40, "rw", "Layer that the registers below address. A layer that does not exist is refused."),
    Register(
        "GEOMETRY",
        0x44,
        "ro",
        "Array of the selected layer.",
        (Field("ROWS", 0, 16, "Rows, bias rows included."), Field("COLUMNS", 16, 16, "Columns.")),
    ),
    Register(
        "FORMAT",
        0x48,
        "ro",
        "Formats of the selected layer.",
        (
            Field("DAC_BITS", 0, 4, "D, of a DAC code."),
            Field("WEIGHT_BITS", 4, 4, "W, of a weight's code."),
            Field("ADC_BITS", 8, 4, "N, of an ADC code."),
            Field("TABLE_BITS", 12, 5, "Bits of a table entry; 0: no table is loaded."),
            Field("GATES", 17, 3, "Gain groups: 4 for an LSTM, 1 for a dense layer."),
            Field("INPUT_DAC_BITS", 20, 4, "Dx, of a DAC code on an input row; 0: as DAC_BITS."),
            Field("MORE_TILES", 24, 4, "R - 1: row tiles besides the first, whose codes are added up."),
            Field("INPUT_TILE_SHIFT", 28, 3, "Codes of row tiles with inputs count 2^this."),
        ),
    ),
    Register(
        "GAIN",
        0x4C,
        "wo",
        "Sets the ADC gain mult / 2^shift of one gate.",
        (Field("MULT", 0, 8, "1..255."), Field("SHIFT", 8, 6, "0..63."), Field("GATE", 16, 2, "f, i, o, g.")),
    ),
    Register(
        "TABLE_ADDRESS",
        0x50,
        "rw",
        "Entry that the next TABLE_DATA writes.",
        (Field("ENTRY", 0, 16, "Index, ascending with the code."), Field("GATE", 16, 2, "f, i, o, g.")),
    ),
    Register(
        "TABLE_DATA",
        0x54,
        "wo",
        "Writes an entry's bit pattern, then advances TABLE_ADDRESS: to the next entry, after the last one of a "
        "gate to the next gate.",
    ),
    Register("ROW", 0x58, "rw", "Row of the cell that the next LEVEL programs."),
    Register("COLUMN", 0x5C, "rw", "Physical column of the cell that the next LEVEL programs."),
    Register(
        "LEVEL",
        0x60,
        "wo",
        "Programs the cell pair at ROW, COLUMN with a weight's bit pattern (W bits), then advances to the next "
        "column, after the last one to the next row. The bus waits while the cell before is being programmed. A "
        "layer that has its seal loses it first.",
    ),
    Register(
        "SEAL",
        0x64,
        "wo",
        "Writing any word gives the selected layer its seal: after its last cell. The bus waits while that is being "
        "programmed.",
    ),
)

DATA_ID_VALUE = 0x44415441  #: "DATA"
DATA_BASE = 0x80  #: first address of the data registers, of a design that has them
DATA_REGISTERS = (
    Register("DATA_ID", 0x80, "ro", "0x44415441, 'DATA'."),
    Register(
        "DATA_SIZE",
        0x84,
        "ro",
        "Words of a time step and of a result.",
        (Field("INPUT_WORDS", 0, 16, "ceil(m * Dx / 32)."), Field("RESULT_WORDS", 16, 16, "ceil(bits / 32).")),
    ),
    Register(
        "DATA_CONTROL",
        0x88,
        "rw",
        "Where time steps come from. A write drops the words in INPUT, and the step that waits there.",
        (flag("BY_BUS", 0, "1: from INPUT, and results go to RESULT; the streams x and y stand still."),),
    ),
    Register(
        "DATA_STATUS",
        0x8C,
        "ro",
        "What waits.",
        (
            flag("INPUT_FREE", 0, "INPUT takes words."),
            flag("RESULT_VALID", 1, "A result waits in RESULT."),
            flag("RESULT_FIRST", 2, "It is of a sequence's first step."),
            flag("RESULT_LAST", 3, "It is of a sequence's last step."),
        ),
    ),
    Register(
        "INPUT",
        0x90,
        "wo",
        "The next word of a time step: its DAC codes, Dx bits each, the first in the lowest bits of the first word. "
        "Refused without BY_BUS, while a step waits to be taken, and after its last word.",
    ),
    Register(
        "INPUT_PUSH",
        0x94,
        "wo",
        "Hands the step on. Refused unless all its words are in INPUT.",
        (flag("FIRST", 0, "First step of its sequence."), flag("LAST", 1, "Last step of its sequence.")),
    ),
    Register(
        "RESULT",
        0x98,
        "ro",
        "The next word of the result, packed as INPUT is; after the last word the first again. Refused unless "
        "RESULT_VALID.",
    ),
    Register("RESULT_TAKE", 0x9C, "wo", "Takes the result away. Refused unless RESULT_VALID."),
)

SEQUENCES = Register(
    "SEQUENCES",
    0x68,
    "ro",
    "Sequences that layers in reverse keep; of a design that has such layers.",
    (
        Field("MAX_STEPS", 0, 16, "Steps of the longest one."),
        flag("TOO_LONG", 16, "A longer one was refused since the last CLEAR: it has no results."),
    ),
)

BY_NAME = {
    register.name: register
    for register in (*REGISTERS, SEQUENCES, *DATA_REGISTERS, *DIAG_REGISTERS, *PULSE_REGISTERS)
}
ADDRESS_BITS = 7  #: of byte addresses; the RTL's bus has the word address, two bits less
DATA_ADDRESS_BITS = 5  #: of byte addresses from DATA_BASE
LOAD_REGISTERS = ("GAIN", "TABLE_ADDRESS", "TABLE_DATA", "ROW", "COLUMN", "LEVEL", "SEAL")
"""Registers whose writes are refused (bus error) while locked, enabled or busy."""


def main_registers(design: Design) -> tuple[Register, ...]:
    """Registers of the register bus itself, without those of blocks beside it."""
    return (*REGISTERS, SEQUENCES) if design.max_steps else REGISTERS


def bus_address_bits(design: Design) -> int:
    """Bits of a byte address on the register bus of ``design``."""
    return DIAG_BASE.bit_length() if design.diagnostics else ADDRESS_BITS + design.data_registers


def data_words(design: Design) -> tuple[int, int]:
    """Words of a time step in INPUT, and of a result in RESULT."""
    first, last = design.layers[0], design.layers[-1]
    return -(-first.inputs * first.input_bits // 32), -(-last.result_bits // 32)


def layer_fields(layer: Layer) -> dict[str, dict[str, int]]:
    """Fields of the registers that tell what the selected layer is, by register."""
    return {
        "GEOMETRY": {"ROWS": layer.rows, "COLUMNS": layer.columns},
        "FORMAT": {
            "DAC_BITS": layer.dac_bits,
            "WEIGHT_BITS": layer.weight_bits,
            "ADC_BITS": layer.adc_bits,
            "TABLE_BITS": layer.loaded_table_bits,
            "GATES": layer.gates,
            "INPUT_DAC_BITS": layer.own_input_bits,
            "MORE_TILES": layer.row_tiles - 1,
            "INPUT_TILE_SHIFT": layer.input_tile_shift,
        },
    }


def registers_of(design: Design) -> tuple[Register, ...]:
    """The registers that a chip of ``design`` has."""
    data = DATA_REGISTERS if design.data_registers else ()
    diagnostics = DIAG_REGISTERS if design.diagnostics else ()
    return main_registers(design) + data + diagnostics + (PULSE_REGISTERS if design.pulsed else ())


def describe(design: Design) -> dict[str, Any]:
    """The design's table as plain data, for JSON."""
    return {
        "id": ID_VALUE,
        "version": VERSION_VALUE,
        "registers": [
            {
                "name": r.name,
                "address": r.address,
                "access": r.access,
                "doc": r.doc,
                "fields": [{"name": f.name, "lsb": f.lsb, "width": f.width, "doc": f.doc} for f in r.fields],
            }
            for r in registers_of(design)
        ],
    }


def markdown(design: Design) -> str:
    """The design's table as a Markdown page body, generated into its documentation."""
    return table(registers_of(design))


def table(registers: tuple[Register, ...]) -> str:
    """``registers`` as a Markdown table."""
    lines = ["| address | name | access | what |", "| --- | --- | --- | --- |"]
    for r in registers:
        lines.append(f"| 0x{r.address:02X} | {r.name} | {r.access} | {r.doc} |")
        for f in r.fields:
            bits = f"{f.lsb + f.width - 1}:{f.lsb}" if f.width > 1 else f"{f.lsb}"
            lines.append(f"| | ...{f.name} [{bits}] | | {f.doc} |")
    return "\n".join(lines) + "\n"
