"""Time steps over a link: packing, order, the board's queue, and replays from its buffer."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings

from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_load import load_over
from ohmgate.firmware.link_stream import fill, replay, replay_of, results_of, run_over, steps_of, stream
from ohmgate.hdl.board.board_twin import BoardTwin
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from tests.designs import random_design, random_inputs, random_network, seeds
from tests.firmware.link_device import STREAM, LinkDevice
from tests.firmware.virtual_line import NO_FAULTS, Faults, VirtualLine

LSTM = LstmLayer(inputs=12, hidden=4, adcs=4)  # 12 * 4 + 2 bits: steps of 7 bytes
EVERY = Design("every", (LSTM,))  # 4 * 4 + 2 bits: results of 3 bytes
LABEL = Design("label", (LSTM, DenseLayer(inputs=4, outputs=9, adcs=3, output="argmax", emit="end")))  # 4 + 2 bits


def numbers(step: bytes) -> tuple[list[int], int, int]:
    """Codes of a step's first four inputs and its marks, from its bits one by one."""
    bits = [step[k // 8] >> k % 8 & 1 for k in range(50)]
    codes = [sum(bits[4 * n + k] << k for k in range(4)) for n in range(4)]
    return [code - 16 if code > 7 else code for code in codes], bits[48], bits[49]


def every(step: bytes) -> bytes:
    """A network that gives back the first four codes of each step."""
    codes, first, last = numbers(step)
    packed = sum((code & 15) << 4 * k for k, code in enumerate(codes)) | first << 16 | last << 17
    return packed.to_bytes(3, "little")


def label(step: bytes) -> bytes:
    """A network whose label is the last step's first code, without its sign."""
    codes, first, last = numbers(step)
    return bytes([abs(codes[0]) | first << 4 | last << 5]) if last else b""


def desk(design, compute, faults=NO_FAULTS, **device):
    line = {"latency": device.pop("latency", 0.0)}
    sizes = {"step_bytes": 7, "result_bytes": 3 if design is EVERY else 1}
    board = LinkDevice(None, compute, **{**sizes, **device})
    return board, Link(VirtualLine(board.receive, faults, seed=3, **line), 1)


def inputs(count: int, longest: int, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(-7, 8, (count, longest, 12)), rng.integers(1, longest + 1, count)


@pytest.mark.parametrize("faults", [NO_FAULTS, Faults(0.002, 0.002, 0.002)])
@pytest.mark.parametrize("window, queue", [(2, 64), (8, 512), (4, 16), (2, 3)])
def test_results_of_every_step_come_back_in_order_and_the_queue_never_overflows(window, queue, faults):
    board, link = desk(EVERY, every, faults, window=window, queue=queue)
    codes, lengths = inputs(12, 9)
    out = run_over(link, EVERY, codes, lengths)
    for sequence, length in enumerate(lengths):
        assert out[sequence, :length].tolist() == codes[sequence, :length, :4].tolist()
        assert not out[sequence, length:].any()
    assert 0 < board.highest <= queue


def test_labels_come_at_the_end_of_each_sequence():
    board, link = desk(LABEL, label, queue=2)
    codes, lengths = inputs(50, 7)
    out = run_over(link, LABEL, codes, lengths)
    assert out.tolist() == [[abs(codes[k, length - 1, 0])] for k, length in enumerate(lengths)]
    assert board.highest <= 2


def test_frames_are_full_both_ways_while_there_is_room():
    board, link = desk(EVERY, every, window=4, queue=512)
    codes, _ = inputs(60, 20)
    run_over(link, EVERY, codes)
    sizes = [len(payload) for op, _, payload in board.executed if op == STREAM]
    assert sizes.count(240) > 0.8 * 60 * 20 * 7 / 240
    assert link.line.now * link.line.baud / 10 < 1.25 * 60 * 20 * 7


@given(seeds)
@settings(max_examples=8)
def test_a_board_in_numbers_gives_what_the_reference_gives(seed):
    rng = np.random.default_rng(seed)
    network = random_network(random_design(rng), rng)
    codes, lengths = random_inputs(network.design, rng)
    config = BoardConfig("desk", 25_000_000, (1,) * len(network.layers), buffer_bytes=32768)
    link = Link(VirtualLine(BoardTwin(network.design, config).receive), 1)
    load_over(link, network)
    expected = reference.run(network, codes, lengths).out
    assert np.array_equal(run_over(link, network.design, codes, lengths), expected)
    steps = b"".join(steps_of(network.design, codes, lengths))
    fill(link, steps)
    found = replay(link, len(steps), 3)
    assert (found.results, found.digest) == replay_of(network.design, expected, lengths, 3)


def test_the_digest_of_a_replay_is_that_of_the_bytes_of_its_results_in_order():
    codes, lengths = inputs(3, 4)
    _, link = desk(EVERY, every)
    steps = list(steps_of(EVERY, codes, lengths))
    results = b"".join(every(step) for step in steps)
    assert list(results_of(EVERY, run_over(link, EVERY, codes, lengths), lengths)) == [every(step) for step in steps]
    fill(link, b"".join(steps))
    found = replay(link, 7 * len(steps), 1000)
    assert found == (1000 * len(steps), zlib.crc32(results * 1000), 7000)
    assert (found.results, found.digest) == replay_of(EVERY, codes[:, :, :4], lengths, 1000)


def test_a_broken_stream_leaves_nothing_to_the_next_one():
    _, link = desk(EVERY, every)
    codes, lengths = inputs(5, 5)
    begun = stream(link, EVERY, steps_of(EVERY, codes, lengths))
    next(begun)
    begun.close()
    assert len(list(stream(link, EVERY, steps_of(EVERY, codes[:1], [2])))) == 2


def test_no_steps_give_no_results():
    _, link = desk(EVERY, every)
    assert list(stream(link, EVERY, [])) == []


def test_a_board_of_another_design_is_named():
    _, link = desk(EVERY, every, result_bytes=4)
    sentence = "^the board has 7 bytes a time step and 4 a result, but the design has 7 and 3$"
    with pytest.raises(LinkError, match=sentence):
        list(stream(link, EVERY, []))


@pytest.mark.parametrize(
    "compute, sentence",
    [
        (lambda step: None, "the board takes no time steps: a network must be loaded and enabled"),
        (lambda step: b"", "the board owes 21 results"),
        (
            lambda step: every(step[:-1] + b"\1"),
            "the board's result for step 1 of sequence 0 has the marks of another step",
        ),
    ],
)
def test_results_that_are_none_are_named(compute, sentence):
    _, link = desk(EVERY, compute, latency=0.05)
    codes, _ = inputs(5, 20)
    with pytest.raises(LinkError, match=f"^{sentence}$"):
        run_over(link, EVERY, codes)
    assert link.line.now < 15


@pytest.mark.parametrize("more", [1, 3])
def test_results_that_no_step_has_are_named(more):
    _, link = desk(EVERY, lambda step: every(step) + bytes(more), queue=1000)
    codes, _ = inputs(5, 20)
    with pytest.raises(LinkError, match="^the board gives more results than the time steps have$"):
        list(stream(link, EVERY, steps_of(EVERY, codes)))


def test_a_replay_that_stands_still_is_named():
    board, link = desk(EVERY, every, polls=10**9, latency=0.05)
    fill(link, bytes(7))
    with pytest.raises(LinkError, match="^the board's replay stands still after 5 results$"):
        replay(link, 7, 5)
    assert link.line.now < 15
    with pytest.raises(LinkError, match="^the board is busy with a replay$"):
        fill(link, bytes(7))
    assert board.left


def test_a_buffer_that_is_too_small_and_repetitions_that_are_none_are_refused():
    _, link = desk(EVERY, every)
    with pytest.raises(
        DesignError, match=r"^bytes of time steps for the board's buffer must be an integer from 1 to 256, not 257$"
    ):
        fill(link, bytes(257))
    with pytest.raises(DesignError, match=r"^repetitions must be an integer from 1 to 4294967295, not 0$"):
        replay(link, 7, 0)
