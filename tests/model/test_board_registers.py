"""The board's own registers: their map, and the page that has it."""

from pathlib import Path

import pytest

from ohmgate.model.board_registers import BOARD_BASE, FLASH_REGISTERS, NOISE_AMPLITUDES, NOISE_REGISTERS
from ohmgate.model.registers import DATA_REGISTERS, REGISTERS, table


def test_the_map_is_what_hosts_were_written_for():
    """By hand, as for the chip's registers: name, address, access, fields as NAME high:low."""
    found = [
        f"{r.name} 0x{r.address:03X} {r.access}"
        + "".join(f" {f.name} {f.lsb + f.width - 1}:{f.lsb}" for f in r.fields)
        for r in NOISE_REGISTERS + FLASH_REGISTERS
    ]
    assert found == [
        "NOISE_SEED 0x400 rw",
        "NOISE_AMPLITUDES 0x404 rw PROGRAMMING 7:0 ADC 15:8",
        "FLASH_STATUS 0x420 ro FIRST 7:0 SLOT 15:8 STARTED 17:16",
        "FLASH_COMMAND 0x424 wo",
        "FLASH_SELECT 0x428 rw SELECT 0:0",
        "FLASH_DATA 0x42C rw",
    ]
    assert max(register.address for register in REGISTERS + DATA_REGISTERS) < BOARD_BASE


def test_the_page_of_the_link_has_the_tables():
    page = (Path(__file__).parents[2] / "docs" / "link.md").read_text(encoding="utf-8")
    for registers in (NOISE_REGISTERS, FLASH_REGISTERS):
        assert table(registers) in page


def test_an_amplitude_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"^register NOISE_AMPLITUDES has no field ADC that holds 256$"):
        NOISE_AMPLITUDES.pack(ADC=256)
