"""``ohmgate array``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..analog.circuit.netlist import write_netlist
from ..analog.circuit.processes import PROCESSES, with_process
from ..analog.circuit.wires import WireConfig
from ..analog.config_file import load_config
from ..analog.studies.advice import LIMIT, advise
from ..analog.studies.datasheet import CELL_PRESETS, Datasheet, characterise
from ..analog.studies.small_effects import small_effects, table
from ..model.formats import DesignError, check_integer
from ..model.prerequisites import require_place
from ..report.array import write_report
from . import runs
from .console import Steps, say
from .options import Source

EXAMPLES = """Examples: `ohmgate array runs/demo` tells what the first layer's array is made of and how well it reads;

`ohmgate array runs/demo --preset reram --report array.html` shows it on a page that opens in any browser;

`ohmgate array vowels --wire 1 --spice array.cir`, then `ngspice -b array.cir`, reads it as a circuit;

`ohmgate array names --preset paper_cells --advice` says what to change in the paper's array, and why;

`ohmgate array names --wire 1 --report wires.html` shows what 1 ohm a cell does to a large array."""


def command(
    source: Source,
    layer: Annotated[int, typer.Option(help="Which layer's array, counted from 0.")] = 0,
    row_tile: Annotated[int, typer.Option(help="Which row tile of a layer that is cut into several, from 0.")] = 0,
    preset: Annotated[
        str, typer.Option(help=f"What it is made of: {', '.join(CELL_PRESETS)}, or a .toml file (docs/array.md).")
    ] = "paper_wires",
    wire: Annotated[
        str | None,
        typer.Option(
            help=f"Ohm of wire from one cell to the next, in rows and columns; or that of {', '.join(PROCESSES)}.",
            show_default="the preset's",
        ),
    ] = None,
    spice: Annotated[Path | None, typer.Option(help="SPICE netlist to write, of one plane of cells.")] = None,
    plane: Annotated[int, typer.Option(help="Which plane of cells the netlist holds.")] = 0,
    drive: Annotated[
        str, typer.Option(help="Input of the netlist: random, full, or a text file with one DAC code a line.")
    ] = "random",
    report: Annotated[Path | None, typer.Option(help="Page to write (HTML, everything inside).")] = None,
    advice: Annotated[
        bool,
        typer.Option(
            "--advice", help="Say what to change: read voltage, DACs, waiting columns, drivers, gains set anew."
        ),
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the chip, of random weights and of a random input.")] = 0,
) -> None:
    """Program one layer's array of cells: its conductances, wires, noise budget; as a SPICE netlist; as a report.

    A design alone has random weights.
    """
    check_integer("seed", seed, 0, 2**31 - 1)
    for file in filter(None, (spice, report)):
        require_place(file)
    if spice and report and spice.resolve() == report.resolve():
        raise DesignError(f"--spice and --report must be two files, not both {str(spice)!r}")
    config = load_config(preset, "array preset with cells", CELL_PRESETS)
    if config.cells is None:
        raise DesignError(f"{preset!r} must have [cells], which this command looks at")
    preset = Path(preset).name
    if wire is not None:
        config = replace(config, cells=replace(config.cells, wires=wires_of(wire, config.cells.wires)))
    design, network = runs.read_source(source)
    sheet = characterise(design, network, layer, config, seed, row_tile)
    planes = sheet.plane_names()
    check_integer("plane", plane, 0, len(planes) - 1)
    if spice and sheet.unselected != "grounded":
        raise DesignError(f"--spice has all columns at ground, so they must be 'grounded', not {sheet.unselected!r}")
    if spice and sheet.pulsed:
        raise DesignError("--spice has one voltage a row, so DACs must be 'amplitude', not 'pulse_width'")
    volts = sheet.volts(codes_of(drive, sheet)) if spice else None
    with Steps() as steps, steps.step("Solving the array"):
        facts = describe(sheet, preset, "the image" if network else f"random, seed {seed}")
        cures, budget = sheet.cures, sheet.budget
        changes = advise(sheet) if advice or report else []
    title, tiles = f"{design.name}, layer {layer}", design.layers[layer].row_tiles
    title += f", row tile {row_tile} of {tiles}" if tiles > 1 else ""
    say(title)
    for name, text in facts.items():
        say(f"  {name:<16}{text}")
    say()
    say(budget.table().rstrip("\n"))
    say()
    say(table(small_effects(sheet)))
    say("| against the wires | worst column loses | largest error of a weight | error of a reading, LSB rms |")
    say("| --- | --- | --- | --- |")
    for cure in cures:
        say(f"| {cure.name} | {cure.loss:.2%} | {cure.error:.3%} | {sheet.reading_error(cure):.2g} |")
    say()
    if advice:
        say(f"| what to change, limit {LIMIT:g} LSB | is | change | why |")
        say("| --- | --- | --- | --- |")
        for each in changes:
            say(f"| {each.part} | {each.now} | {each.change or 'nothing'} | {each.reason} |")
        say()
    if spice and volts is not None:
        told = f"{title}, plane {plane} of {len(planes)}: {planes[plane]}; preset {preset}"
        spice.parent.mkdir(parents=True, exist_ok=True)
        write_netlist(
            spice,
            sheet.conductances[plane],
            sheet.wires,
            volts,
            told,
            tile=sheet.array.cell_array.cells.tile,
            law=sheet.law,
        )
        current = sheet.column_current(plane, volts)[0]
        say(f"{spice}: plane {plane} of {len(planes)} ({planes[plane]}), input {drive}")
        if len(planes) > 1:
            say("the other planes are arrays of their own, see --plane; currents of a pair are subtracted")
        say(f"column 0 carries {current:.6e} A; compare: ngspice -b {spice}")
    if report:
        write_report(report, sheet, title, preset, facts, changes)
        say(f"report: {report}")


def describe(sheet: Datasheet, preset: str, weights: str) -> dict[str, str]:
    """What there is to say about the array in a line each."""
    mapping, wires, cells = sheet.array.cell_array.mapping, sheet.wires, sheet.conductances
    layer, device = sheet.layer, sheet.array.cell_array.cells.device
    plane, column = np.unravel_index(sheet.losses.argmax(), sheet.losses.shape)
    most, usual = sheet.power
    nanojoule, driver = usual * sheet.conversion_seconds * 1e9, sheet.driver_currents.sum(axis=0).max()
    limit = sheet.wires.row_limit * wires.driver_ends
    warning = f"; more than the {limit * 1e6:g} uA that a row's wire may carry" if driver > limit else ""
    left_out = ""
    if sheet.one_ohm_loss is not None:
        left_out = f"; 1 ohm a cell would take {sheet.one_ohm_loss:.2%} of the worst column's current"
    settling = "not known, as the wires have no capacitance"
    if sheet.settling:
        late = sheet.settling > sheet.array.cell_array.cells.conversion_seconds
        settling = f"{sheet.settling * 1e9:.3g} ns to half a code{'; more than a conversion has' if late else ''}"
    ends = "both ends" if wires.driver_ends == 2 else "one end"
    return {
        "size": f"{layer.rows} rows x {layer.columns} columns of {layer.weight_bits}-bit weights",
        "cells": f"{cells.size}, in {len(cells)} planes; {mapping.base} levels a cell, preset {preset}",
        "weights": weights,
        "conductance": f"{device.g_min * 1e6:g} to {device.g_max * 1e6:g} uS; programmed: "
        f"{cells.min() * 1e6:.3g} to {cells.max() * 1e6:.3g} uS, mean {cells.mean() * 1e6:.3g} uS",
        "wires": f"{wires.row_segment:.4g} ohm a cell in rows, {wires.column_segment:.4g} ohm in columns; rows "
        f"driven at {ends}{left_out}",
        "worst column": f"number {column} of plane {plane}: the wires take {sheet.losses.max():.2%} of its current",
        "read power": f"{most * 1e3:.4g} mW with every row at full scale, {usual * 1e3:.4g} mW on random inputs",
        "read energy": f"{nanojoule:.3g} nJ a conversion of {sheet.conversion_seconds * 1e9:g} ns, "
        f"{nanojoule * layer.conversions:.3g} nJ a time step of {layer.conversions}; on random inputs",
        "settling": settling,
        "row drivers": f"{driver * 1e6:.4g} uA at most, with every row at full scale{warning}",
        "effective bits": f"{sheet.budget.enob:.2f} of {sheet.budget.bits}",
    }


def wires_of(wire: str, wires: WireConfig | None) -> WireConfig:
    """``wires`` with the segments of the option ``--wire``."""
    if wire in PROCESSES:
        return with_process(wire, wires)
    try:
        ohm = float(wire)
    except ValueError:
        raise DesignError(f"--wire must be a number of ohm or one of {', '.join(PROCESSES)}, not {wire!r}") from None
    return replace(wires or WireConfig(), row_segment=ohm, column_segment=ohm)


def codes_of(drive: str, sheet: Datasheet) -> np.ndarray:
    """DAC codes (rows,) of the option ``--drive``."""
    if drive in ("random", "full"):
        return sheet.drive(drive)
    try:
        return np.array([int(word) for word in Path(drive).read_text(encoding="utf-8").split()])
    except ValueError:
        raise DesignError(f"the input in {drive!r} must be one whole DAC code a line") from None
