"""Mapping to the primitives of an FPGA: the steps of Yosys's ``synth_*``, with ``abc`` in place of ``abc9``.

With abc9, their default, Yosys 0.70 stops on an assertion where a carry chain feeds logic.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """A family of FPGAs as Yosys knows it."""

    command: str  #: ``synth_*``
    multipliers: tuple[str, str]  #: its options for logic in place of multipliers, and for multipliers
    after_luts: tuple[str, ...] = ()  #: steps of the family between LUTs and cells
    lut_words: int = 0  #: memories of up to so many words are LUT RAM, where nothing else is said: it is read faster


FAMILIES = {
    "ecp5": Family("synth_ecp5", ("-nodsp", ""), lut_words=64),
    # carry chains are wrapped with the LUT beside them until here
    "ice40": Family(
        "synth_ice40",
        ("", "-dsp"),
        ("ice40_wrapcarry -unwrap", "techmap -map +/ice40/ff_map.v", "clean", "opt_lut -tech ice40"),
    ),
    "gowin": Family("synth_gowin -family gw1n", ("-nodsp", "")),
}
#: A memory with more read ports goes to LUT RAM or flip-flops: the search for block RAM takes a machine's memory.
BLOCK_RAM_READ_PORTS = 8


def gates(family: str, top: str, block_ram: bool = True, multipliers: bool = True) -> list[str]:
    """Yosys commands from RTL to gates, carry chains and flip-flops, with block RAM and multipliers where allowed."""
    known = FAMILIES[family]
    command = f"{known.command} -top {top} {known.multipliers[multipliers]}".rstrip()
    if not block_ram:
        return [f"{command} -nobram -run begin:map_luts"]
    return [
        f"{command} -run begin:map_ram",
        f'setattr -set ram_style "distributed" t:$mem_v2 r:RD_PORTS>{BLOCK_RAM_READ_PORTS} %i',
        f'setattr -set ram_style "distributed" t:$mem_v2 r:SIZE<={known.lut_words} %i r:WR_PORTS>0 %i a:ram_style %d',
        # Yosys itself heeds the attribute only where it makes a clocked port of one that is not
        "setparam -set RD_COLLISION_X_MASK 1'1 t:$mem_v2 a:no_rw_check %i",
        f"{command} -run map_ram:map_luts",
    ]


def luts(family: str, top: str) -> list[str]:
    """Yosys commands from gates to the family's primitives.

    LUTs of 4 inputs for all: larger ones, which an ECP5 makes of several, took more LUTs and were no faster.
    """
    known = FAMILIES[family]
    return [
        "abc -dress -lut 4",
        "clean",
        *known.after_luts,
        f"{known.command} -top {top} -run map_cells:",
    ]
