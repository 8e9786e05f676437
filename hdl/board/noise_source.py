"""Draws of near-normal noise in gateware."""

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib.wiring import In, Out

from ...model.integer_noise import ROUNDS, draws, round_key
from ..component import Component


class NoiseSource(Component):
    """The draw that belongs to two 16-bit numbers and a key (:mod:`ohmgate.model.integer_noise`), one a cycle.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `first`, `second` | in | 16 bits | place of the draw |
    | `low`, `high` | in | 16 bits | key; stable until the draw |
    | `draw` | out | -60..60 | near-normal |
    """

    latency = ROUNDS + 1

    def __init__(self):
        words = {name: In(16) for name in ("first", "second", "low", "high")}
        super().__init__({**words, "draw": Out(signed(7))})

    def model(self, low: int, high: int, first: int, second: int) -> int:
        """The draw."""
        return int(draws(low, high, first, second))

    def elaborate(self, platform):
        m = Module()
        x, y = self.first, self.second
        for number in range(ROUNDS):
            following = [Signal(16, name=f"{name}_{number}", reset_less=True) for name in "xy"]
            mixed = (x.rotate_right(7) + y)[:16] ^ round_key(self.low, self.high, number)
            m.d.sync += [following[0].eq(mixed), following[1].eq(y.rotate_left(2) ^ mixed)]
            x, y = following
        parts = [Cat(x, y).word_select(k, 4) for k in range(8)]
        pairs = [a + b for a, b in zip(parts[::2], parts[1::2])]
        m.d.sync += self.draw.eq((pairs[0] + pairs[1]) + (pairs[2] + pairs[3]) - 60)
        return m
