"""Amaranth to Verilog: the one place where Verilog is emitted."""

from amaranth.back import verilog
from amaranth.lib import wiring


def emit(component: wiring.Component, name: str) -> str:
    """Verilog of ``component`` as module ``name``; the same bytes on every machine.

    Source locations are left out (``emit_src=False``): they hold absolute paths.
    """
    return verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
