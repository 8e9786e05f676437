"""Ports as plain data: names, directions, widths, and the bit positions of the fields within."""

from collections.abc import Callable
from typing import Any, NamedTuple

from amaranth.hdl import Shape, Value
from amaranth.lib import data
from amaranth.lib.wiring import FlippedSignature, Out, Signature


class Port(NamedTuple):
    """A port of a Verilog module."""

    name: str
    direction: str  #: ``input`` or ``output``
    width: int  #: in bits
    fields: tuple[dict[str, str | int], ...] = ()  #: of a vector or structure: see :func:`fields_of`


def clock_and_reset() -> list[Port]:
    """The ports that every module with registers has."""
    return [Port("clk", "input", 1), Port("rst", "input", 1)]


def ports_of(
    signature: "Signature | FlippedSignature[Any]", name: Callable[[tuple[str | int, ...]], str]
) -> list[Port]:
    """All ports of a component with ``signature``; ``name`` makes a port's name of its path."""
    ports = []
    for path, member, value in signature.flatten(signature.create()):
        direction = "output" if member.flow == Out else "input"
        fields = fields_of(member.shape, str(path[-1])) if isinstance(member.shape, data.Layout) else ()
        ports.append(Port(name(path), direction, len(Value.cast(value)), fields))
    return ports


def fields_of(shape, name: str, lsb: int = 0) -> tuple[dict[str, str | int], ...]:
    """Fields of a layout: ``name``, ``lsb``, ``width``; of an array also ``elements`` and ``element_width``.

    Element k of an array is at bits ``lsb + k * element_width`` and up. ``name`` is that of a plain number or array.
    """
    if isinstance(shape, data.ArrayLayout):
        width = Shape.cast(shape.elem_shape).width
        return ({"name": name, "lsb": lsb, "width": shape.size, "elements": shape.length, "element_width": width},)
    if isinstance(shape, data.Layout):
        parts = [fields_of(field.shape, str(key), lsb + field.offset) for key, field in shape]
        return tuple(field for part in parts for field in part)
    return ({"name": name, "lsb": lsb, "width": Shape.cast(shape).width},)
