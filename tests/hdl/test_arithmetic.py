"""Rounding and saturation agree with model.formats for every small value."""

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator

from ohmgate.hdl import arithmetic
from ohmgate.model import formats


def over_all(bits: int, make, width: int = 16) -> list[int]:
    """Values of ``make(value)`` for every ``value`` of ``bits`` bits, ascending."""
    m, value, out = Module(), Signal(signed(bits)), Signal(signed(width))
    m.d.comb += out.eq(make(value))
    results = []

    async def testbench(ctx):
        low, high = formats.signed_range(bits)
        for number in range(low, high + 1):
            ctx.set(value, number)
            await ctx.delay(1e-9)
            results.append(ctx.get(out))

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
    return results


def numbers(bits: int) -> range:
    low, high = formats.signed_range(bits)
    return range(low, high + 1)


@pytest.mark.parametrize("shift", range(-2, 10))
def test_round_shift(shift):
    got = over_all(8, lambda value: arithmetic.round_shift(value, shift))
    assert got == [formats.round_shift(v, shift) for v in numbers(8)]


@pytest.mark.parametrize("bits", range(1, 10))
def test_saturate(bits):
    got = over_all(8, lambda value: arithmetic.saturate(value, bits))
    assert got == [int(formats.saturate(v, bits)) for v in numbers(8)]


@pytest.mark.parametrize("bits", range(1, 10))
def test_fits(bits):
    got = over_all(8, lambda value: arithmetic.fits(value, bits))
    assert got == [-(2 ** (bits - 1)) <= v < 2 ** (bits - 1) for v in numbers(8)]


@pytest.mark.parametrize("bits", range(2, 9))
def test_times_full_scale(bits):
    got = over_all(8, lambda value: arithmetic.times_full_scale(value, bits))
    assert got == [v * (2 ** (bits - 1) - 1) for v in numbers(8)]
