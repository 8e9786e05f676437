"""Settings of LibreLane 3."""

from ...model.design import Design
from ...model.layers import Layer
from ..macro_views import GROUND, POWER, unique_layers, view_file
from .chip import Clock, instances
from .compare import physical_file


def librelane(design: Design, clock: Clock) -> str:
    """``config.yaml`` of LibreLane's flow Classic; paths are relative to the file."""
    guess = "# PLACEHOLDER: the period is a guess, as none was given.\n" if clock.placeholder else ""
    found = instances(design)
    macros = "".join(_macro(layer, found[layer.macro_name]) for layer in unique_layers(design))
    connections = "".join(
        f"  - {name} {POWER} {GROUND} {POWER} {GROUND}\n" for names in found.values() for name in names
    )
    return f"""# LibreLane 3: librelane config.yaml
meta:
  version: 2
  flow: Classic

DESIGN_NAME: {design.name}
VERILOG_FILES: [dir::{design.name}.v]
LINTER_VLT: dir::{design.name}.vlt
CLOCK_PORT: clk
{guess}CLOCK_PERIOD: {clock.period:g}
PNR_SDC_FILE: dir::{design.name}.sdc
SIGNOFF_SDC_FILE: dir::{design.name}.sdc

# The supply: nets of the chip, and pins of every macro, by patterns of the instances' names in the flat netlist.
VDD_NETS: [{POWER}]
GND_NETS: [{GROUND}]
# Where an instance has no location, LibreLane finds one.
MACROS:
{macros}PDN_MACRO_CONNECTIONS: # instance, nets of the chip, pins of the macro
{connections}"""


def _macro(layer: Layer, names: list[str]) -> str:
    placed = "".join(f"      {name}: {{location: null, orientation: N}}\n" for name in names)
    return f"""  {layer.macro_name}:
    gds: [dir::{physical_file("gds", layer)}]
    lef: [dir::{physical_file("lef", layer)}]
    vh: [dir::{view_file("blackbox", layer)}]
    lib: {{"*": [dir::{physical_file("liberty", layer)}]}}
    instances:
{placed}"""
