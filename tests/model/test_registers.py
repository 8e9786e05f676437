"""The register table: consistent, and its words pack and unpack."""

from dataclasses import replace

import pytest

from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer
from ohmgate.model.registers import (
    ADDRESS_BITS,
    BY_NAME,
    DATA_ADDRESS_BITS,
    DATA_BASE,
    DATA_ID_VALUE,
    DATA_REGISTERS,
    ID_VALUE,
    LOAD_REGISTERS,
    REGISTERS,
    VERSION_VALUE,
    Field,
    bus_address_bits,
    describe,
    markdown,
)

#: The map that drivers out there were compiled for, written by hand: name, address, access, fields as NAME high:low.
MAP = """
ID 0x00 ro
VERSION 0x04 ro MAJOR 31:24 MINOR 23:16 PATCH 15:0
FINGERPRINT_LOW 0x08 ro
FINGERPRINT_HIGH 0x0C ro
LAYERS 0x10 ro
CONTROL 0x14 rw ENABLE 0:0 RESET 1:1 CLEAR 2:2
STATUS 0x18 ro UNLOCKED 0:0 REFUSED 1:1 BUSY 2:2 PROGRAMMING 3:3 ERROR 4:4 SEALED 5:5
CYCLES 0x1C ro
STEPS 0x20 ro
CELL_SATURATIONS 0x24 ro
ADC_SATURATIONS 0x28 ro
SCRATCH 0x2C rw
UNLOCK_LOW 0x30 rw
UNLOCK_HIGH 0x34 rw
LAYER 0x40 rw
GEOMETRY 0x44 ro ROWS 15:0 COLUMNS 31:16
FORMAT 0x48 ro DAC_BITS 3:0 WEIGHT_BITS 7:4 ADC_BITS 11:8 TABLE_BITS 16:12 GATES 19:17 INPUT_DAC_BITS 23:20 MORE_TILES 27:24 INPUT_TILE_SHIFT 30:28
GAIN 0x4C wo MULT 7:0 SHIFT 13:8 GATE 17:16
TABLE_ADDRESS 0x50 rw ENTRY 15:0 GATE 17:16
TABLE_DATA 0x54 wo
ROW 0x58 rw
COLUMN 0x5C rw
LEVEL 0x60 wo
SEAL 0x64 wo
"""
DATA_MAP = """
DATA_ID 0x80 ro
DATA_SIZE 0x84 ro INPUT_WORDS 15:0 RESULT_WORDS 31:16
DATA_CONTROL 0x88 rw BY_BUS 0:0
DATA_STATUS 0x8C ro INPUT_FREE 0:0 RESULT_VALID 1:1 RESULT_FIRST 2:2 RESULT_LAST 3:3
INPUT 0x90 wo
INPUT_PUSH 0x94 wo FIRST 0:0 LAST 1:1
RESULT 0x98 ro
RESULT_TAKE 0x9C wo
"""
PLAIN = Design("plain", (DenseLayer(inputs=1, outputs=1, adcs=1),))
DATA = replace(PLAIN, data_registers=True)


def test_the_map_is_the_one_that_drivers_know():
    """A change here breaks drivers: raise VERSION_VALUE with it. (A field that older designs have as 0 breaks none.)"""
    assert lines_of(REGISTERS) == MAP.split("\n")[1:-1]
    assert ID_VALUE.to_bytes(4, "big") == b"OHMG"
    assert VERSION_VALUE == 0x02000000
    assert ADDRESS_BITS == 7


def test_the_data_registers_are_those_that_drivers_know():
    assert lines_of(DATA_REGISTERS) == DATA_MAP.split("\n")[1:-1]
    assert DATA_ID_VALUE.to_bytes(4, "big") == b"DATA"
    assert (DATA_BASE, DATA_ADDRESS_BITS, bus_address_bits(PLAIN), bus_address_bits(DATA)) == (0x80, 5, 7, 8)


def lines_of(registers) -> list[str]:
    return [
        " ".join([r.name, f"0x{r.address:02X}", r.access, *(f"{f.name} {f.lsb + f.width - 1}:{f.lsb}" for f in r.fields)])
        for r in registers
    ]  # fmt: skip


def test_loading_is_all_that_a_lock_refuses():
    """Every register that changes data, and none that a locked device needs."""
    assert LOAD_REGISTERS == ("GAIN", "TABLE_ADDRESS", "TABLE_DATA", "ROW", "COLUMN", "LEVEL", "SEAL")


def test_masks_and_words_of_fields():
    assert [Field("F", lsb, width, "").mask for lsb, width in ((0, 1), (8, 6), (16, 16), (31, 1))] == [
        1, 0x3F00, 0xFFFF0000, 0x80000000,
    ]  # fmt: skip
    gain = BY_NAME["GAIN"]
    assert gain.pack(MULT=255, SHIFT=1, GATE=2) == 0x201FF
    assert gain.pack() == gain.pack(MULT=0) == 0
    assert gain.unpack(0xFFFFFFFF) == {"MULT": 255, "SHIFT": 63, "GATE": 3}
    assert gain.unpack(0x201FF) == {"MULT": 255, "SHIFT": 1, "GATE": 2}


@pytest.mark.parametrize("register", [r for r in REGISTERS + DATA_REGISTERS if r.fields], ids=lambda r: r.name)
def test_every_value_of_a_field_comes_back_alone(register):
    for field in register.fields:
        for value in {0, 1, (1 << field.width) - 1}:
            values = register.unpack(register.pack(**{field.name: value}))
            assert values == {f.name: value if f is field else 0 for f in register.fields}


def test_pack_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="^register GAIN has no field SHIFT that holds 64$"):
        BY_NAME["GAIN"].pack(SHIFT=64)
    with pytest.raises(ValueError, match="^register GAIN has no field SHIFT that holds -1$"):
        BY_NAME["GAIN"].pack(SHIFT=-1)
    with pytest.raises(ValueError, match="^register GAIN has no field COLOUR that holds 1$"):
        BY_NAME["GAIN"].pack(COLOUR=1)


@pytest.mark.parametrize("design, registers", [(PLAIN, REGISTERS), (DATA, REGISTERS + DATA_REGISTERS)])
def test_documents_name_every_register_and_field(design, registers):
    text, data = markdown(design), describe(design)
    for register, entry in zip(registers, data["registers"]):
        assert f"| 0x{register.address:02X} | {register.name} | {register.access} | {register.doc} |" in text
        assert {name: entry[name] for name in ("name", "address", "access", "doc")} == {
            name: getattr(register, name) for name in ("name", "address", "access", "doc")
        }
        assert entry["fields"] == [
            {name: getattr(field, name) for name in ("name", "lsb", "width", "doc")} for field in register.fields
        ]
    assert (data["id"], data["version"], len(data["registers"])) == (ID_VALUE, VERSION_VALUE, len(registers))
    for line in ("| | ...MULT [7:0] | | 1..255. |", "| | ...SHIFT [13:8] | | 0..63. |", "| | ...BUSY [2] | |"):
        assert line in text
    assert text.count("\n") == 2 + len(registers) + sum(len(r.fields) for r in registers)
