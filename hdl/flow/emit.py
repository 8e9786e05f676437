"""Amaranth to Verilog: the one place where Verilog is emitted."""

from amaranth.back import verilog

from ...model.caches import cache_home
from ...model.formats import DesignError
from ..component import Component
from .keywords import KEYWORDS


def emit(component: Component, name: str) -> str:
    """Verilog of ``component`` as module ``name``; the same bytes on every machine.

    Source locations are left out (``emit_src=False``): they hold absolute paths. Raises
    :class:`~ohmgate.model.formats.DesignError` for a name that Verilog does not allow for a module.
    """
    if name in KEYWORDS or name in ("clk", "rst", "std"):  # std: the package that every SystemVerilog tool has
        raise DesignError(f"the name of a Verilog module must not be a keyword, clk, rst or std, not {name!r}")
    cache_home()  # Amaranth's Yosys needs one
    return verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
