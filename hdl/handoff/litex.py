"""A LiteX module: the chip's registers on Wishbone, its time steps and results as streams."""

from ...model.design import Design
from ...model.registers import BY_NAME, bus_address_bits
from ..chip import chip_ports
from ..macro_views import unique_layers, view_file


def litex(design: Design) -> str:
    """``NAME_litex.py``, which uses LiteX and Migen alone."""
    width = {port.name: port.width for port in chip_ports(design, False)}
    x, y = width["x__payload"] - 2, width["y__payload"] - 2  # the marks are the two top bits
    address = bus_address_bits(design) - 2  # of words
    control = BY_NAME["CONTROL"]
    [reset] = [field.lsb for field in control.fields if field.name == "RESET"]
    views = {
        view: ", ".join(f'"{view_file(view, layer)}"' for layer in unique_layers(design))
        for view in ("behavioural", "blackbox")
    }
    name = "".join(part.capitalize() for part in design.name.split("_")) + "Chip"
    return f'''"""{design.name}, fingerprint {design.fingerprint}, for LiteX:

    self.lstm = {name}(platform)
    self.bus.add_slave("lstm", self.lstm.bus, SoCRegion(origin=0x90000000, size={4 << address:#x}, cached=False))
"""

from pathlib import Path

from litex.gen import LiteXModule
from litex.soc.interconnect import stream, wishbone
from migen import Cat, ClockSignal, If, Instance, ResetSignal, Signal

FOLDER = Path(__file__).resolve().parent
VIEWS = {{"behavioural": [{views["behavioural"]}], "blackbox": [{views["blackbox"]}]}}


class {name}(LiteXModule):
    """The registers are on ``bus``. A beat of ``sink`` is a time step, one of ``source`` a result.

    Value k of a beat is at bit ``k * element_width``. ``last`` ends a sequence. ``first`` of ``sink`` is not read: a
    step is the first after a reset, a write of CONTROL.RESET, or a last one. ``arrays`` are "behavioural" models of
    the arrays, "blackbox" for their ports, or None where their Verilog comes from elsewhere.
    """

    def __init__(self, platform=None, arrays="behavioural"):
        self.bus = bus = wishbone.Interface()
        self.sink = sink = stream.Endpoint([("data", {x})])
        self.source = source = stream.Endpoint([("data", {y})])
        first = Signal(reset=1)
        self.sync += [
            If(sink.valid & sink.ready, first.eq(sink.last)),
            If(bus.ack & bus.we & (bus.adr[:{address}] == {control.address // 4}) & bus.dat_w[{reset}], first.eq(1)),
        ]
        self.specials += Instance(
            "{design.name}",
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_x__payload=Cat(sink.data, first, sink.last),
            i_x__valid=sink.valid,
            o_x__ready=sink.ready,
            o_y__payload=Cat(source.data, source.first, source.last),
            o_y__valid=source.valid,
            i_y__ready=source.ready,
            i_bus__adr=bus.adr[:{address}],
            i_bus__dat_w=bus.dat_w,
            o_bus__dat_r=bus.dat_r,
            i_bus__sel=bus.sel,
            i_bus__cyc=bus.cyc,
            i_bus__stb=bus.stb,
            i_bus__we=bus.we,
            o_bus__ack=bus.ack,
            o_bus__err=bus.err,
        )
        if platform is not None:
            for file in ["{design.name}.v", *VIEWS.get(arrays, [])]:
                platform.add_source(str(FOLDER / file))
'''
