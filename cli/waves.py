"""A GTKWave save file: opens a co-simulation's waves with the signals worth seeing, in groups."""

from pathlib import Path

from ..hdl.array_macro import macro_ports
from ..hdl.chip import chip_ports
from ..model.design import Design
from ..model.files import write_text
from ..sim.wrapper import TOP

GROUPS = (
    ("input stream", "x__"),
    ("output stream", "y__"),
    ("register bus", "bus__"),
    ("gates, cell and hidden state", "trace_"),
)
HEX, BEGIN, END = "@22", "@800200", "@1000200"  #: GTKWave's flags of the lines that follow


def written(design: Design, trace: bool, waves: Path) -> str:
    """Writes the save file beside ``waves``; a line that says how to open both."""
    beside = waves.with_suffix(".gtkw")
    write_text(beside, save_file(design, trace, waves))
    return f"waves: {waves}; open them with: gtkwave {beside}"


def save_file(design: Design, trace: bool, waves: Path) -> str:
    """Text of the save file for the only chip in ``waves``: clock, streams, bus, traces, each array's port."""
    ports = [port for port in chip_ports(design, trace) if port.name != "clk"]
    top, chip = f"{TOP}.", f"{TOP}.d0__"
    lines = [f'[dumpfile] "{waves.name}"', "[timestart] 0", HEX, f"{top}clk", f"{chip}rst"]
    for title, prefix in GROUPS:
        lines += _group(title, chip, [port for port in ports if port.name.startswith(prefix)])
    for index, layer in enumerate(design.layers):
        inside = [port for port in macro_ports(layer) if port.name not in ("clk", "rst")]
        lines += _group(f"array {index}: {layer.macro_name}", f"{top}d0.array_{index}.macro.", inside)
    return "\n".join(lines) + "\n"


def _group(title: str, prefix: str, ports) -> list[str]:
    if not ports:
        return []
    names = [f"{prefix}{port.name}{f'[{port.width - 1}:0]' if port.width > 1 else ''}" for port in ports]
    return [BEGIN, f"-{title}", HEX, *names, END, f"-{title}"]
