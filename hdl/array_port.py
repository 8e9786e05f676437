"""The port between the periphery and an array macro."""

from dataclasses import replace

from amaranth.hdl import Cat, Module, Mux, Value, ValueLike
from amaranth.lib import data
from amaranth.lib.wiring import In, Member, Out, Signature

from ..model.layers import Layer
from ..model.network import MULT_BITS, SHIFT_BITS


class _LayerSignature(Signature):
    """A signature decided by a layer; equal for equal layers."""

    def __init__(self, layer: Layer):
        self.layer = layer
        super().__init__(self.members_of(layer))

    @staticmethod
    def members_of(layer: Layer) -> dict[str, Member]:
        raise NotImplementedError

    def __eq__(self, other):
        return type(self) is type(other) and self.layer == other.layer


def row_layout(layer: Layer) -> data.Layout:
    """Codes of the rows but bias: one vector, or one of inputs and one of hidden units where their widths differ."""
    if not layer.own_input_bits:
        return data.ArrayLayout(layer.dac_bits, layer.inputs + layer.hidden)
    inputs = data.ArrayLayout(layer.input_bits, layer.inputs)
    return data.StructLayout({"inputs": inputs, "hidden": data.ArrayLayout(layer.dac_bits, layer.hidden)})


def _programmed(layer: Layer) -> dict[str, Member]:
    if layer.programming == "level":
        return {"program_level": Out(layer.weight_bits)}
    return {
        #: 0 the positive, 1 the negative cell of the pair
        "program_cell": Out(1),
        #: 1 SET, more conductance; 0 RESET
        "program_up": Out(1),
        #: 1 a pulse of full strength, 0 the finest one
        "program_strong": Out(1),
    }


class ReadSignature(_LayerSignature):
    """Reading, named from the periphery's side.

    ``convert`` is high for one cycle; from that cycle until ``done``, ``row_codes``, ``hidden_drive`` and
    ``select`` do not change. The macro raises ``done`` for one cycle, at the earliest in the cycle after
    ``convert``, and ``codes`` holds the result in that cycle. A conversion of t cycles counts the cycle of
    ``convert`` and that of ``done``. With ``conversion_cycles`` set there is no ``done``: ``codes`` is taken in
    the last of these cycles. Codes use the wire patterns of ``model.formats.to_wire``; ADC codes are two's
    complement.
    """

    @staticmethod
    def members_of(layer: Layer) -> dict[str, Member]:
        members = {
            #: inputs first, then hidden units; bias rows are tied to full scale inside the macro
            "row_codes": Out(row_layout(layer)),
            #: column that each multiplexer connects
            "select": Out(range(max(layer.conversions, 2))),
            "convert": Out(1),
            #: of each row tile's K converters, one tile after the other
            "codes": In(data.ArrayLayout(layer.adc_bits, layer.codes_at_once)),
        }
        if layer.conversion_cycles == 0:
            members["done"] = In(1)
        if layer.hidden:
            #: 0 on the first step of a sequence: the hidden rows are at 0 V
            members["hidden_drive"] = Out(1)
        if layer.diagnostics and layer.bias_rows:
            #: 0, in diagnostics only: the bias rows are at 0 V
            members["bias_drive"] = Out(1)
        return members


class SetupSignature(_LayerSignature):
    """Programming and references, named from the periphery's side.

    ``program_strobe`` is high for one cycle; row, physical column and level (wire pattern) are held until the
    macro answers ``program_done`` for one cycle, at the earliest in the cycle after the strobe.

    With ``programming`` "pulse" a strobe is one pulse to one cell of the pair, and each has its answer.

    The seal is one bit beside the cells. Like them it keeps without power and through ``rst``. It says that they were
    loaded to the end. ``seal`` and ``unseal`` are strobes as ``program_strobe`` is, with the same answer; only one of
    the three is high. In the cycle after ``program_done``, at the latest, ``sealed`` shows what was written.

    Of a layer with diagnostics, ``adjust_strobe`` is high for one cycle, never during a conversion. In it the macro
    takes ``adjust_value`` into a register of its own, which ``rst`` sets to 0 or, of a spare, to
    :data:`~ohmgate.model.diagnostic_registers.NO_STEP`. There is no answer. The spare of the highest number wins.
    ``program_column`` counts on into the spares: :attr:`~ohmgate.model.layers.ArrayLayer.all_columns`.
    """

    @staticmethod
    def members_of(layer: Layer) -> dict[str, Member]:
        members = {
            #: gain of each gate's ADCs: mult / 2^shift
            "mult": Out(data.ArrayLayout(MULT_BITS, layer.gates)),
            "shift": Out(data.ArrayLayout(SHIFT_BITS, layer.gates)),
            "program_row": Out(range(max(layer.rows, 2))),
            "program_column": Out(range(max(layer.all_columns, 2))),
            **_programmed(layer),
            "program_strobe": Out(1),
            "program_done": In(1),
            "seal": Out(1),
            "unseal": Out(1),
            "sealed": In(1),
            #: cancels a conversion in flight; cells and programming go on
            "cancel": Out(1),
        }
        if layer.diagnostics:
            members |= {
                "adjust_strobe": Out(1),
                "adjust_adc": Out(range(max(layer.adcs, 2))),
                #: 0 offset trim, 1 gain trim, 2 + s the step of spare s
                "adjust_what": Out(range(2 + layer.spares)),
                "adjust_value": Out(16),
            }
        return members


def by_level(layer: Layer) -> Layer:
    """The layer as the register bus sees it: its weights are programmed by their levels."""
    return replace(layer, programming="level")


class ArraySignature(_LayerSignature):
    """Everything that an array macro is connected to, except clock and reset."""

    @staticmethod
    def members_of(layer: Layer) -> dict[str, Member]:
        return {"read": Out(ReadSignature(layer)), "setup": Out(SetupSignature(layer))}


def take_over(
    m: Module, core, array, mine: Value, rows: list[Value], select: Value, convert: Value, bias: ValueLike
) -> None:
    """Read ``array`` from here while ``mine`` is high, and from a layer's ``core`` otherwise.

    Both are :class:`ReadSignature` of one layer. ``rows`` are the codes of inputs and hidden units, none of which is
    at ground; ``bias`` drives the bias rows.
    """
    layer = array.signature.layer
    m.d.comb += [
        Value.cast(array.row_codes).eq(Mux(mine, Cat(rows), Value.cast(core.row_codes))),
        array.select.eq(Mux(mine, select, core.select)),
        array.convert.eq(Mux(mine, convert, core.convert)),
        core.codes.eq(array.codes),
    ]
    if not layer.conversion_cycles:
        m.d.comb += core.done.eq(array.done)
    if layer.hidden:
        m.d.comb += array.hidden_drive.eq(mine | core.hidden_drive)
    if layer.bias_rows:
        m.d.comb += array.bias_drive.eq(Mux(mine, bias, core.bias_drive))
