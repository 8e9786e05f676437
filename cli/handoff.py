"""``ohmgate handoff``."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..model.design import Design
from ..model.formats import DesignError
from ..model.network import Network
from ..model.prerequisites import missing
from . import runs
from .console import Steps, say
from .inputs import dataset_of, inputs_of, sent_of
from .options import Data, Dataset, Source
from .training import bench_of, write_hardware

EXAMPLES = """Examples: `ohmgate handoff vowels --out build/vowels`;

`ohmgate handoff vowels --technology-lef sky130.tlef --cell-pitch 0.38 --out build/vowels` puts the macros' pins on
the tracks of a technology and makes them as large as their cells are;

`ohmgate handoff runs/demo --liberty nangate45_typ.lib.gz --out build/demo` adds the netlist, its timing, and the
energy of the run's network."""

SEQUENCES = 4  #: of the energy


def command(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for the files, made if it is not there.")],
    liberty: Annotated[
        Path | None,
        typer.Option(
            help="Standard cells, .lib or .lib.gz: adds the netlist and its timing, and the energy of an image or a "
            "run folder.",
        ),
    ] = None,
    technology_lef: Annotated[
        Path | None,
        typer.Option(
            help="LEF with the technology's layers, tracks and grid, for the macros' pins.",
            show_default="placeholders, marked in the files",
        ),
    ] = None,
    cell_pitch: Annotated[
        float | None,
        typer.Option(
            help="Pitch of the arrays' cells in um, rows and columns alike.",
            show_default="0.5, marked as a placeholder",
        ),
    ] = None,
    period: Annotated[
        float | None,
        typer.Option(help="Period of the clock in ns.", show_default="10, marked as a placeholder"),
    ] = None,
    dataset: Dataset = None,
    data: Data = None,
) -> None:
    """Write what a chip flow starts from: Verilog, constraints, settings of flows, five views of each array's macro.

    The views come from one description, and are read back and compared before they are written. With a library, a
    clock that is missed is an error, told when all is written.
    """
    from ..hdl.flow import synthesis
    from ..hdl.handoff.folder import handoff_files

    design, network = runs.read_source(source)
    if liberty is not None:
        synthesis.check("liberty", liberty)
    if dataset is not None and None in (liberty, network):
        raise DesignError("--dataset is for the energy, which needs --liberty and an image or a run folder")
    inputs = None
    if liberty is not None and network is not None:
        named = dataset_of(network, dataset, Path(source))
        inputs = sent_of(network, *inputs_of(network, named, SEQUENCES, 0, Path(source), data))
    told, missed = [], []
    with Steps() as steps:
        with steps.step(f"Generating {design.name}"):
            files = handoff_files(design, technology_lef, cell_pitch, period, bench_of(design, network))
        if liberty is not None:
            with steps.step(f"Mapping {design.name} to {liberty.name}"):
                more, told, missed = in_cells(design, liberty, period, network, inputs)
                files |= more
    for file in write_hardware(design, out, more=files):
        say(f"{file}: {file.stat().st_size} bytes")
    for sentence in told:
        say(sentence)
    if missed:
        raise DesignError(f"the timing of {design.name} is missed: {'; '.join(missed)}")


def in_cells(
    design: Design,
    liberty: Path,
    period: float | None,
    network: Network | None,
    inputs: tuple[np.ndarray, np.ndarray] | None,
) -> tuple[dict[str, str], list[str], list[str]]:
    """Files of the chip in a library's cells by their names, a sentence for each that is left out, and what is missed
    of the clock. ``inputs`` are DAC codes and lengths for the energy of ``network``."""
    from ..hdl.flow import synthesis, timing
    from ..hdl.handoff.netlist import netlist_files
    from ..sim import power

    chip = synthesis.map_chip(design, liberty)
    if chip.report.faults():
        raise DesignError(f"the netlist of {design.name} has faults: {'; '.join(chip.report.faults())}")
    files, told, missed = netlist_files(design, chip), [], []
    lacking = missing("static timing", timing.NEEDS)
    if lacking:
        told.append(f"no timing.json: {lacking}; synthesis.json has a lower bound")
    else:
        report = timing.time_chip(chip, period)
        files["timing.json"], missed = report.json(), report.faults()
    if network is None or inputs is None:
        told.append("no power.json: the energy is that of a network; give an image or a run folder")
    elif lacking := missing("a power estimate", power.NEEDS):
        told.append(f"no power.json: {lacking}")
    else:
        files["power.json"] = power.power_of(chip, network, *inputs).json()
    return files, told, missed
