"""What tells synthesis that a memory is block RAM."""

#: Yosys builds no logic for a word that is read in the cycle in which it is written: no part of a board uses one.
#: Without ``ram_style``, Gowin's small memories become LUT RAM.
BLOCK_RAM = {"ram_style": "block", "no_rw_check": "1"}
