"""The registers of the noise that a board's arrays have."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib.wiring import In, Out

from ...model.integer_noise import AMPLITUDE_BITS
from ..component import Component
from ..wishbone import WishboneSignature
from .array_twin import NoiseSignature
from .noise_twin import NoiseTwin


class NoiseRegisters(Component):
    """NOISE_SEED at word 0 and NOISE_AMPLITUDES at word 1 (:mod:`ohmgate.model.board_registers`), written whole.

    They keep their values over a reset, as the cells keep theirs.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `bus` | in | :class:`~..wishbone.WishboneSignature` | both registers |
    | `noise` | out | :class:`~.array_twin.NoiseSignature` | to every array; ``restart`` after a write of the seed |
    """

    latency = 1  #: of an access

    def __init__(self):
        super().__init__({"bus": In(WishboneSignature(1)), "noise": Out(NoiseSignature())})

    def model(self) -> NoiseTwin:
        """The same registers."""
        return NoiseTwin()

    def elaborate(self, platform):
        m = Module()
        bus, noise = self.bus, self.noise
        seed = Signal(32, reset_less=True)
        amplitudes = Signal(2 * AMPLITUDE_BITS, reset_less=True)
        taken = bus.cyc & bus.stb & ~bus.ack
        m.d.comb += [
            bus.dat_r.eq(Mux(bus.adr, amplitudes, seed)),
            noise.seed.eq(seed),
            Cat(noise.programming, noise.adc).eq(amplitudes),
        ]
        m.d.sync += [bus.ack.eq(taken), noise.restart.eq(taken & bus.we & ~bus.adr)]
        with m.If(taken & bus.we):
            with m.If(bus.adr):
                m.d.sync += amplitudes.eq(bus.dat_w)
            with m.Else():
                m.d.sync += seed.eq(bus.dat_w)
        return m
