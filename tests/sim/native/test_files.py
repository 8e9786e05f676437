"""What the C++ is told: payloads bit by bit, and the host's accesses as another bench has them."""

import numpy as np
import pytest

from ohmgate.firmware.loader import load
from ohmgate.hdl.register_twin import RegisterTwin
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import physical_order
from ohmgate.model.payloads import step_payload
from ohmgate.model.registers import BY_NAME
from ohmgate.sim.interleaving import dealt, in_turns
from ohmgate.sim.native.files import accesses, read_recording, stream_words, write_job
from ohmgate.sim.testbench import _writes
from tests.designs import random_inputs, random_network


@pytest.mark.parametrize("bits, inputs", [(1, 30), (4, 7), (4, 8), (7, 9), (8, 16)])
def test_a_stream_has_the_payload_of_every_step(bits, inputs):
    layer = DenseLayer(inputs=inputs, outputs=2, adcs=1, dac_bits=bits, output="argmax")
    codes, _ = random_inputs(Design("d", (layer,)), np.random.default_rng(bits), batch=3, steps=5)
    lengths = np.array([5, 1, 3])
    words = stream_words(layer, codes, lengths, in_turns(lengths, 1))
    expected = [
        step_payload(layer, codes[b, t], t == 0, t == lengths[b] - 1) for b in range(3) for t in range(lengths[b])
    ]
    assert words.shape == (9, -(-(bits * inputs + 2) // 32))
    assert [sum(int(word) << 32 * k for k, word in enumerate(line)) for line in words] == expected


@pytest.mark.parametrize("bits, inputs, contexts", [(4, 7, 3), (4, 8, 2), (5, 12, 16)])
def test_a_stream_of_contexts_says_whose_each_step_is(bits, inputs, contexts):
    layer = DenseLayer(inputs=inputs, outputs=2, adcs=1, dac_bits=bits, output="argmax")
    codes, lengths = random_inputs(Design("d", (layer,)), np.random.default_rng(bits), batch=20, steps=5)
    words = stream_words(layer, codes, lengths, in_turns(lengths, contexts), contexts)
    expected = [
        step_payload(layer, codes[b, t], t == 0, t == lengths[b] - 1, context)
        for b, context, t in dealt(range(20), lengths, contexts, None)
    ]
    assert words.shape[1] == -(-(bits * inputs + 2 + {3: 2, 2: 1, 16: 4}[contexts]) // 32)
    assert [sum(int(word) << 32 * k for k, word in enumerate(line)) for line in words] == expected


def test_results_of_contexts_have_the_context_behind_the_marks(tmp_path):
    layer = DenseLayer(inputs=2, outputs=6, adcs=3, output="argmax")
    design = Design("d", (layer,), contexts=3)
    write_job(tmp_path, random_network(design, np.random.default_rng(1)), (4, 4), False, True)
    lines = (tmp_path / "job.txt").read_text().splitlines()
    assert lines[0] == "1 3"  # layers, contexts
    assert lines[-1] == "result 4 0 3 1 u 3 1 1 u 4 1 1 u 5 2 1 u"


def test_the_accesses_are_the_loaders(network):
    made = accesses(network)
    writes = [tuple(line) for line in made[made[:, 0] == 0][:, 1:3].tolist()]
    assert writes[:-1] == _writes(load(network), RegisterTwin(network.design))
    assert writes[-1] == (BY_NAME["CONTROL"].address, BY_NAME["CONTROL"].pack(ENABLE=1))
    fingerprint = int(network.design.fingerprint, 16)
    reads = [tuple(line) for line in made[made[:, 0] == 1][:, 1:].tolist()]
    assert (BY_NAME["FINGERPRINT_LOW"].address, fingerprint & 0xFFFFFFFF, 0) in reads
    polls = [mask for address, _, mask in reads if address == BY_NAME["STATUS"].address]
    assert set(polls) == {BY_NAME["STATUS"].pack(PROGRAMMING=1)}


def test_by_the_back_door_no_cell_comes_over_the_bus(network, tmp_path):
    made = accesses(network, weights=False)
    assert BY_NAME["LEVEL"].address not in made[:, 1]
    assert BY_NAME["GAIN"].address in made[:, 1]
    write_job(tmp_path, network, (4, 4), True, True)
    layer, data = network.design.layers[0], network.layers[0]
    levels = np.fromfile(tmp_path / "layer0.levels", np.int8).reshape(layer.rows, layer.columns)
    assert np.array_equal(levels, data.weights[:, physical_order(layer)])
    assert (tmp_path / "layer1.levels").exists()


def test_without_it_there_are_no_levels(network, tmp_path):
    write_job(tmp_path, network, (4, 4), False, True)
    assert not list(tmp_path.glob("*.levels"))


@pytest.mark.parametrize(
    "layer, told",
    [
        (DenseLayer(inputs=2, outputs=6, adcs=3, output="argmax"), "result 3 0 3 1 u 3 1 1 u 4 1 1 u"),
        (DenseLayer(inputs=2, outputs=6, adcs=3, adc_bits=5, output="codes"), "result 3 0 5 6 s 30 1 1 u 31 1 1 u"),
        (DenseLayer(inputs=2, outputs=6, adcs=3, output_bits=1), "result 3 0 1 6 w 6 1 1 u 7 1 1 u"),
        (LstmLayer(inputs=2, hidden=3, adcs=4, dac_bits=2), "result 3 0 2 3 w 6 1 1 u 7 1 1 u"),
        (
            LstmLayer(inputs=2, hidden=3, adcs=4, activation_bits=9, output="value"),
            "result 3 0 9 3 s 27 1 1 u 28 1 1 u",
        ),
    ],
    ids=["argmax", "codes", "table", "hidden codes", "values"],
)
def test_results_are_described_field_by_field(layer, told, tmp_path):
    write_job(tmp_path, random_network(Design("d", (layer,)), np.random.default_rng(1)), (4, 4), False, False)
    lines = (tmp_path / "job.txt").read_text().splitlines()
    assert lines[-1] == told
    assert lines[-2].split()[-1] == "0"  # no traces


def test_traces_are_described_as_signed_or_not(network, tmp_path):
    write_job(tmp_path, network, (4, 4), False, True)
    lines = (tmp_path / "job.txt").read_text().splitlines()
    assert lines[-4:-1] == [
        "trace_0__gates 2 0 8 6 u 48 8 2 s",  # f, i and o of two lanes, then g
        "trace_0__cell 1 0 32 2 s",
        "trace_0__hidden 1 0 3 2 w",
    ]


def test_a_recording_is_read_by_lines(tmp_path):
    np.arange(6, dtype="<i4").tofile(tmp_path / "x.numbers")
    np.array([7, 9], dtype="<i4").tofile(tmp_path / "x.cycles")
    numbers, cycles = read_recording(tmp_path / "x", 3)
    assert numbers.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert cycles.tolist() == [7, 9]
