"""Effects that the array model leaves out, with their sizes from a design's own numbers."""

import math
from dataclasses import dataclass

import numpy as np

from ..memory.noise import BOLTZMANN
from .budget import random_drives
from .datasheet import INPUTS, Datasheet

WORTH_MODELLING = 0.05  #: LSB, above which an effect deserves more than a line


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """What the sizes need of a chip beyond the array's configuration: round numbers, to be replaced by your own."""

    swing: float = 1.0  #: V, to which the reading at the end of the range takes an integrator (Ma et al., section V)
    charge: float = 1e-15  #: C, injected by a switch: 10 fF/um^2, 0.1 um^2 and 1 V above threshold
    density: float = 10e-9  #: V/sqrt(Hz), of an amplifier's noise at its input
    supply: float = 0.1  #: ohm, from the voltage regulator to the row drivers
    hold: float = 3.15e8  #: s at the read voltage after which a cell has lost its level: ten years
    steps: float = 1e9  #: time steps for which cells are read


@dataclass(frozen=True)
class SmallEffect:
    """One effect: its size in LSB of the converter, how it comes about, and who takes it up, if anybody does."""

    name: str
    lsb: float
    law: str
    taken_up: str = ""


def small_effects(sheet: Datasheet, circuit: Circuit | None = None) -> list[SmallEffect]:
    """Sizes of the effects in a layer's array: rms of noise; at the end of the ADC's range for what scales.

    - kT/C: a capacitor that is reset holds sqrt(k T C) of charge (Johnson, Phys. Rev. 32, 97, 1928).
    - Charge injection: a switch that opens leaves W L Cox (Vgs - Vt) of its channel behind, part of it on the
      integrator (Razavi, Design of Analog CMOS Integrated Circuits, section 12.2.3).
    - Amplifiers: noise at a column's end drives a current through its cells, as an offset does.
    - Reference: noise of the voltage that all DACs share moves all readings of a conversion alike.
    - Droop: row drivers share a supply of some resistance. Its mean is a gain, its deviation from input to input not.
    - Read disturb: each read takes a cell t / ``hold`` of the way to another level.
    """
    circuit, layer = circuit or Circuit(), sheet.layer
    cells, mapping = sheet.array.cell_array.cells, sheet.array.cell_array.mapping
    band, seconds = cells.noise_bandwidth(layer), cells.conversion_time(layer)
    ampere = mapping.unit_current / float(np.sqrt((sheet.array.scale**2).mean()))  # of 1 LSB
    end = 2.0 ** (layer.adc_bits - 1)
    farad = end * ampere * seconds / circuit.swing
    columns = np.sqrt((sheet.conductances.sum(axis=1) ** 2).sum(axis=0).mean())
    noise, volt = circuit.density * math.sqrt(band), cells.device.read_voltage
    amperes = _rail_currents(sheet)
    droop = circuit.supply * amperes / volt
    read = seconds * (1 if cells.unselected == "cut_off" else layer.conversions)
    share = -math.expm1(-circuit.steps * read / circuit.hold)
    held, injected = math.sqrt(BOLTZMANN * cells.kelvin * farad), circuit.charge
    return [
        SmallEffect(
            "kT/C",
            held / (ampere * seconds),
            f"sqrt(k T C) over I T of an LSB; C = {farad * 1e15:.3g} fF, {circuit.swing:g} V at the end of the range",
        ),
        SmallEffect(
            "charge injection",
            injected / (ampere * seconds),
            f"{injected * 1e15:.3g} fC of a switch over I T of an LSB, {ampere * seconds * 1e15:.3g} fC",
            "the converters' trims",
        ),
        SmallEffect(
            "noise of sense amplifiers",
            noise * columns / ampere,
            f"{noise * 1e6:.3g} uV times the column's {columns * 1e6:.3g} uS over I of an LSB, {ampere * 1e9:.3g} nA",
        ),
        SmallEffect(
            "common reference noise",
            noise / volt * end,
            f"{noise * 1e6:.3g} uV of {volt:g} V, at the end of the range",
        ),
        SmallEffect(
            "supply droop, mean",
            float(droop.mean()) * end,
            f"{circuit.supply:g} ohm times {amperes.mean() * 1e3:.3g} mA of {volt:g} V, at the end of the range",
            "the gain registers",
        ),
        SmallEffect(
            "supply droop, from input to input",
            float(droop.std()) * end,
            f"{circuit.supply:g} ohm times {amperes.std() * 1e3:.3g} mA rms of {volt:g} V, at the end of the range",
        ),
        SmallEffect(
            "read disturb",
            share * end,
            f"{circuit.steps:g} steps of {read * 1e6:.3g} us over {circuit.hold:.3g} s, at the end of the range",
            "programming again",
        ),
    ]


def _rail_currents(sheet: Datasheet) -> np.ndarray:
    """Current (A) that the rows of positive voltage take, for random inputs: (``INPUTS``,); without wires."""
    drives = random_drives(sheet.layer, INPUTS, np.random.default_rng(sheet.seed))
    mapping = sheet.array.cell_array.mapping
    rows = sheet.conductances.sum(axis=(0, 2))
    if sheet.unselected != "grounded":
        rows = rows / sheet.layer.conversions
    return np.maximum(sheet.cell_volts(mapping.volts(drives)), 0.0) @ rows


def table(effects: list[SmallEffect]) -> str:
    """Markdown table."""
    lines = ["| left out of the model | LSB | by | taken up by |", "| --- | --- | --- | --- |"]
    for e in effects:
        mark = " (!)" if e.lsb > WORTH_MODELLING and not e.taken_up else ""
        lines.append(f"| {e.name} | {e.lsb:.2g}{mark} | {e.law} | {e.taken_up} |")
    return "\n".join(lines) + "\n"
