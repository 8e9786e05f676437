"""A whole board in the simulator: loaded over its line, it gives the reference's results, by STREAM and by REPLAY."""

import struct
import zlib

import numpy as np
import pytest

from ohmgate.analog.integer_noise import integer_noise_codes
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import Read
from ohmgate.hdl.board.board_chip import BoardChip
from ohmgate.hdl.board.board_twin import BoardTwin
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.board.link import Link
from ohmgate.model import reference
from ohmgate.model.integer_noise import IntegerNoise
from ohmgate.model.payloads import output_numbers
from tests.boards.desk import DESIGN, OLD
from tests.designs import random_inputs
from tests.hdl.board.frames import answers, frame
from tests.hdl.board.link_bench import LineBench
from tests.hdl.board.test_board_twin import payloads


def load_requests(network, twin: BoardTwin) -> list[tuple[int, int, bytes]]:
    """The loader's accesses, with the reads that a device answers; writes to one register share a request."""
    found, transactions, value = [], load(network), None
    while True:
        try:
            one = transactions.send(value)
        except StopIteration:
            return found
        register = one.register
        if isinstance(one, Read):
            value = twin.registers.access(register.address)
            found.append((2, register.address, b"\1"))
        else:
            value = None
            twin.registers.access(register.address, one.value)
            word = struct.pack("<I", one.value)
            if found[-1][:2] == (4, register.address) and len(found[-1][2]) < 240:
                word = found.pop()[2] + word
            found.append((4, register.address, word))


NOISE = IntegerNoise(0x87654321, 40, 150)


@pytest.mark.parametrize("noise", [None, NOISE])
def test_a_board_is_loaded_and_gives_the_reference(monkeypatch, noise):
    rng = np.random.default_rng(3)
    design, network, last = DESIGN, OLD, DESIGN.layers[-1]
    codes, lengths = random_inputs(design, rng, batch=2, steps=3)
    chip = BoardChip(
        design, BoardConfig("desk", 8_000_000, (1, 1), queue_bytes=16, buffer_bytes=64, noise=noise is not None)
    )
    assert chip.latency == Link(design, chip.config).latency
    loading = load_requests(network, chip.model())
    if noise is not None:
        loading = [(5, 0x400, struct.pack("<II", noise.seed, 40 | 150 << 8)), (3, 0x400, b"\2"), *loading]
    steps = [step for _, _, step in payloads(design, codes, lengths)]
    content, led = b"".join(steps), []
    running = [(7, 240, step) for step in [*steps, b"", b""]]
    replays = 3 if noise is None else 1  # the noise of a second round would be another
    # Of 18 bytes of results, which nobody fetches, 16 wait in the queue, and REPLAY drops all. Of more, some wait in the
    # layers: they go with CONTROL.RESET.
    running += [(7, 0, (steps * 8)[k]) for k in range(6 if noise is None else 8)]
    running += [] if noise is None else [(4, 0x14, struct.pack("<I", 3)), (8, 0, b"")]
    running += [(9, 0, content)] if noise is None else [(4, 0x400, struct.pack("<I", noise.seed)), (9, 0, content)]
    running += [
        (10, 0, struct.pack("<HI", len(content), replays)),
        (11, 0, b""),
        (2, 0x400 if noise is None else 0x408, b"\1"),
    ]
    requests = [frame(7, k, *one) for k, one in enumerate([(1, 1, b""), *loading, *running])]

    async def watch(ctx):
        while True:
            _, _, level = await ctx.tick().sample(chip.led)
            led.append(level)

    got = [answers(answer)[0] for answer in LineBench(chip).run(requests, monkeypatch, [watch])]
    assert {one.status for one in got[:-1]} == {0}
    assert (got[-1].status, got[-1].payload) == (1, b"\0\0")  # beyond the registers
    assert led == sorted(led)
    assert (led[0], led[-1]) == (0, 1)

    quiet = out = reference.run(network, codes, lengths).out
    if noise is not None:
        assert struct.unpack("<II", got[2].payload) == (noise.seed, 40 | 150 << 8)
        convert = integer_noise_codes(network, noise, lengths, codes.shape[1])
        out = reference.run(network, codes, lengths, convert).out
        assert (out != quiet).any()
    size = struct.unpack("<H", got[0].payload[8:10])[0]
    results = b"".join(one.payload for one in got[1 + len(loading) : 3 + len(loading) + len(steps)])
    found = [
        output_numbers(last, int.from_bytes(results[at : at + size], "little")) for at in range(0, len(results), size)
    ]
    ends = [(b, t) for b, length in enumerate(lengths) for t in range(length) if not last.at_end or t == length - 1]
    values = [out[b] if last.at_end else out[b, t] for b, t in ends]
    marks = [[t == 0, t == lengths[b] - 1] for b, t in ends]
    assert [one.tolist() for one in found] == [[*value.tolist(), *mark] for value, mark in zip(values, marks)]
    runs, count, digest, cycles = struct.unpack("<BIII", got[-2].payload)
    assert (runs, count, digest) == (0, replays * len(ends), zlib.crc32(replays * results))
    assert cycles > replays * len(content)
