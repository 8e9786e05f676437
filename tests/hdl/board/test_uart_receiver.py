"""UART receiver against a line that is drawn bit by bit: any phase, wrong speeds, glitches, missing stop bits."""

import numpy as np
import pytest

from ohmgate.hdl.board.uart_receiver import UartReceiver
from ohmgate.model.formats import DesignError
from tests.hdl.simulate import simulate


def drawn(content: bytes, cycles: float, gap=lambda: 0.0) -> list[int]:
    """Levels of a line, one a cycle, where a bit takes ``cycles``, of any fraction."""
    level, at, edges = 1, 20.0, []
    for byte in content:
        for bit in [0, *(byte >> k & 1 for k in range(8)), 1]:
            if bit != level:
                edges.append(at)
                level = bit
            at += cycles
        at += gap() * cycles
    return [int(sum(edge <= cycle for edge in edges) % 2 == 0) for cycle in range(int(at + 3 * cycles))]


def heard(divisor: int, line: list[int]) -> tuple[list[int], list[int]]:
    """Bytes, and the cycles in which they were valid."""
    dut, found, when = UartReceiver(divisor), [], []

    async def testbench(ctx):
        for cycle, level in enumerate(line):
            ctx.set(dut.rx, level)
            _, _, valid, byte = await ctx.tick().sample(dut.valid, dut.data)
            if valid:
                found.append(byte)
                when.append(cycle)

    simulate(dut, testbench)
    return found, when


@pytest.mark.parametrize("divisor, share", [(8, 1.0), (8, 1.03), (8, 0.97), (13, 1.0), (25, 1.04), (25, 0.96)])
def test_bytes_of_any_phase_and_a_somewhat_wrong_speed(divisor, share):
    rng = np.random.default_rng(divisor)
    content = bytes([0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, *rng.bytes(14)])
    line = drawn(content, divisor * share, lambda: rng.choice([0, 0, rng.random(), 3]))
    assert bytes(heard(divisor, line)[0]) == content
    assert bytes(UartReceiver(divisor).model(line)) == content


def test_a_byte_is_valid_in_the_middle_of_its_stop_bit():
    for divisor in (8, 11):
        line = [1, 1, 1, *levels(divisor, 0x5A)]
        assert heard(divisor, line) == ([0x5A], [3 + UartReceiver(divisor).latency])


def levels(divisor: int, byte: int) -> list[int]:
    return [bit for bit in (0, *(byte >> k & 1 for k in range(8)), 1, 1, 1) for _ in range(divisor)]


def test_glitches_and_bytes_without_a_stop_bit_are_no_bytes():
    divisor = 10
    good = levels(divisor, 0xC3)
    glitch = [0] * 4 + [1] * 20  # over before its middle
    broken = levels(divisor, 0x0F)[: 9 * divisor] + [0] * 10 * divisor + [1] * 20  # a break
    line = [1] * 5 + glitch + good + broken + good + glitch + good
    assert heard(divisor, line)[0] == [0xC3] * 3
    assert UartReceiver(divisor).model(line) == [0xC3] * 3


def test_too_few_cycles_are_refused():
    with pytest.raises(DesignError, match=r"^cycles of a bit must be an integer from 8 to 65535, not 7$"):
        UartReceiver(7)
