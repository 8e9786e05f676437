"""A board in numbers: what its host loads over the line is what it computes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.analog.integer_noise import integer_noise_codes
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_flash import find_flash, store
from ohmgate.firmware.loader import load
from ohmgate.firmware.transactions import run
from ohmgate.hdl.board.board_twin import BoardTwin, loaded_network
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.board.spi_flash import SpiFlash
from ohmgate.model import reference
from ohmgate.model.bit_fields import pack
from ohmgate.model.formats import to_wire
from ohmgate.model.integer_noise import IntegerNoise
from ohmgate.sim.compare import output_numbers
from tests.boards.desk import DESIGN, NEW, OLD
from tests.boards.flash_desk import FLASH_CONFIG
from tests.designs import perhaps_simple, random_design, random_inputs, random_network, seeds
from tests.firmware.virtual_line import VirtualLine
from tests.hdl.board.frames import Client


def config_of(design) -> BoardConfig:
    return BoardConfig("desk", 8_000_000, (1,) * len(design.layers), queue_bytes=4096)


def payloads(design, codes, lengths) -> list[tuple[int, int, bytes]]:
    """Every time step as STREAM takes it, behind its sequence and its place there."""
    first, steps = design.layers[0], []
    bits = first.inputs * first.input_bits
    for b, length in enumerate(lengths):
        for t in range(length):
            value = pack(to_wire(codes[b, t], first.input_bits), first.input_bits)
            value |= int(t == 0) << bits | int(t == length - 1) << bits + 1
            steps.append((b, t, value.to_bytes(-(-(bits + 2) // 8), "little")))
    return steps


@settings(max_examples=10)
@given(seeds)
def test_a_loaded_board_gives_the_reference(seed):
    rng = np.random.default_rng(seed)
    network = random_network(perhaps_simple(random_design(rng, max_outputs=4, max_bits=4), rng), rng)
    design, last = network.design, network.design.layers[-1]
    codes, lengths = random_inputs(design, rng, batch=2, steps=3)
    board = BoardTwin(design, config_of(design))
    client = Client(board.receive)
    client.do(1, 1)
    run(load(network), client)
    out = reference.run(network, codes, lengths).out
    for b, t, step in payloads(design, codes, lengths):
        got = client.do(7, 240, step)
        ends = t == lengths[b] - 1
        if last.at_end and not ends:
            assert got == b""
        else:
            values = out[b] if last.at_end else out[b, t]
            assert output_numbers(last, int.from_bytes(got, "little")).tolist() == [
                *values.tolist(),
                int(t == 0),
                int(ends),
            ]


@settings(max_examples=10)
@given(seeds)
def test_a_board_with_noise_gives_the_array_models(seed):
    """Twice, with the count begun anew before each."""
    rng, noise = np.random.default_rng(seed), IntegerNoise(0x12345678, 20, 91)
    network = random_network(random_design(rng, layers=2, max_outputs=4, max_bits=4), rng)
    design, last = network.design, network.design.layers[-1]
    codes, lengths = random_inputs(design, rng, batch=3, steps=3)
    board = BoardTwin(design, replace(config_of(design), noise=True))
    client = Client(board.receive)
    client.do(1, 1)
    client.write(0x404, 20 | 91 << 8)
    client.write(0x400, noise.seed)
    run(load(network), client)
    out = reference.run(network, codes, lengths, integer_noise_codes(network, noise, lengths, codes.shape[1])).out
    for _ in range(2):
        client.write(0x400, noise.seed)
        for b, t, step in payloads(design, codes, lengths):
            got = client.do(7, 240, step)
            if not last.at_end or t == lengths[b] - 1:
                values = out[b] if last.at_end else out[b, t]
                assert output_numbers(last, int.from_bytes(got, "little"))[:-2].tolist() == values.tolist()
    assert (client.read(0x400), client.read(0x404)) == (noise.seed, 0x5B14)


def test_nothing_is_taken_while_the_board_is_not_enabled():
    design = random_design(np.random.default_rng(1), layers=1)
    board = BoardTwin(design, config_of(design))
    client = Client(board.receive)
    size = client.do(1, 1)[6]
    assert client.do(7, 0, bytes(size)) == b""
    assert client.ask(7, 0, b"x") == (4, b"\0\0")


@pytest.mark.parametrize("address", [0x80, 0x3FC, 0x400, 0xFFFC])
def test_addresses_beyond_the_registers_are_refused(address):
    design = random_design(np.random.default_rng(1), layers=1)
    client = Client(BoardTwin(design, config_of(design)).receive)
    client.do(1, 1)
    assert client.ask(2, address, b"\1") == (1, b"\0\0")
    assert client.read(0x18) == 0, "STATUS has no ERROR: the registers saw no access"


def test_a_board_with_a_flash_starts_with_what_a_host_has_stored_there():
    flash = SpiFlash(0x40000)
    for network, slot, before in ((OLD, 0, 0), (NEW, 1, 1), (OLD, 0, 2)):
        board = BoardTwin(DESIGN, FLASH_CONFIG, flash)
        assert board.registers.enable == (before > 0)
        with Link(VirtualLine(board.receive)) as link:
            assert link.read(0x420) == before << 16 | 0x0101
            host = find_flash(link)
            assert host is not None
            assert store(host, network).slot == slot
        again = BoardTwin(DESIGN, FLASH_CONFIG, flash)
        assert again.registers.enable
        found = loaded_network(DESIGN, again.registers)
        for got, want in zip(found.layers, network.layers):
            np.testing.assert_array_equal(got.weights, want.weights)
