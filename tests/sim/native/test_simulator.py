"""The C++ bench: the reference's integers, cocotb's record, and faults that must be seen."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.hdl import element_wise
from ohmgate.hdl.accelerator import Accelerator
from ohmgate.model.design import Design
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.programs import ProgramError
from ohmgate.model.reference import run
from ohmgate.sim import cosim
from ohmgate.sim.compare import compare_seen
from ohmgate.sim.job import DeviceJob, Timing
from ohmgate.sim.native import build as native
from ohmgate.sim.native.simulator import Loading, Simulator
from ohmgate.sim.simulators import missing_tools
from tests.designs import random_inputs, random_network

FIELDS = ("drive", "adc", "gates", "cell", "hidden")


def ran(built, network, sequences, folder, loading=None, **given):
    with Simulator(built, network, folder, loading) as simulator:
        return simulator.run(np.arange(len(sequences[1])), *sequences, **given)


def test_every_integer_is_the_references(built, network, sequences, tmp_path):
    got = ran(built, network, sequences, tmp_path)
    comparison = compare_seen(network, got.seen, ideal=True)
    steps, layers = int(sequences[1].sum()), network.design.layers
    lstm = layers[0].rows + 2 * layers[0].columns + 2 * layers[0].hidden
    assert str(comparison) == f"{steps * (lstm + layers[1].rows + 2 * 6 + 8)} integers compared, 0 differ"
    assert comparison.agrees


@pytest.mark.parametrize("conversion", [2, 4, 11])
def test_cycles_and_busy_ones_are_the_documented_ones(built, network, sequences, tmp_path, conversion):
    steps = int(sequences[1].sum())
    got = ran(built, network, sequences, tmp_path, Loading((conversion, conversion)))
    chip = Accelerator(network.design)
    first = 2 * conversion + 3 * 3 + chip.latency  # the LSTM's two conversions, the head's three of three cycles
    assert got.cycles == first + (steps - 1) * chip.cycles(conversion) + 1
    assert chip.cycles(conversion) == max(2 * conversion + 5, 3 * 3 + 1)
    assert got.busy == (steps * 2 * conversion, steps * 3 * 3)


def test_a_chip_takes_block_after_block(built, network, sequences, tmp_path):
    codes, lengths = sequences
    with Simulator(built, network, tmp_path) as simulator:
        first = simulator.run(np.arange(5), codes, lengths)
        again = [simulator.run(np.array([k]), codes[[k]], lengths[[k]]) for k in range(5)]
    assert np.array_equal(np.concatenate([part.seen.out for part in again]), first.seen.out)
    assert all(compare_seen(network, part.seen, ideal=True).agrees for part in again)


def test_by_the_back_door_the_cells_are_the_same(built, network, sequences, tmp_path):
    got = ran(built, network, sequences, tmp_path, Loading(back_door=True))
    assert compare_seen(network, got.seen, ideal=True).agrees
    with (
        Simulator(built, network, tmp_path) as slow,
        Simulator(built, network, tmp_path, Loading(back_door=True)) as quick,
    ):
        assert slow.load_cycles - quick.load_cycles > 2 * sum(data.weights.size for data in network.layers)


def test_conversion_times_are_drawn_and_change_no_integer(built, network, sequences, tmp_path):
    got, same = (ran(built, network, sequences, tmp_path, Loading((2, 9))) for _ in range(2))
    assert compare_seen(network, got.seen, ideal=True).agrees
    times = got.seen.layers[0].adc_cycles - np.repeat(got.seen.layers[0].starts[::2], 2)
    assert len({int(time) for time in times[::2]}) > 4
    assert (got.cycles, got.busy) == (same.cycles, same.busy)


def test_codes_that_are_fed_are_the_arrays(built, network, sequences, tmp_path):
    codes, lengths = sequences
    rng = np.random.default_rng(8)
    fed = [rng.integers(-8, 8, (5, 9, 16)), rng.integers(-32, 32, (5, 9, 12))]
    got = ran(built, network, sequences, tmp_path, fed=fed)
    at = [0, 0]

    def convert(index, drive, fresh):
        at[index] += 1
        return fed[index][:, at[index] - 1]

    expected = run(network, codes, lengths, convert)
    read = np.arange(9) < lengths[:, None]
    assert np.array_equal(got.seen.out[:, :-2], expected.layers[1].out[read])
    assert compare_seen(network, got.seen, ideal=False).agrees
    assert not compare_seen(network, got.seen, ideal=True).agrees


@pytest.mark.parametrize("change", [-1, 1])
def test_too_few_or_too_many_codes_are_a_broken_rule(built, network, sequences, tmp_path, monkeypatch, change):
    import ohmgate.sim.native.simulator as module

    fed = [np.zeros((5, 9, 16), int), np.zeros((5, 9, 12), int)]
    at = module.reads
    monkeypatch.setattr(
        module,
        "reads",
        lambda layer, lengths, steps: at(layer, lengths + change * (layer.kind == "lstm"), steps),
    )
    codes, lengths = np.pad(sequences[0], ((0, 0), (0, 1), (0, 0)), constant_values=1), sequences[1]
    fed = [np.pad(part, ((0, 0), (0, 1), (0, 0))) for part in fed]
    got = ran(built, network, (codes, lengths), tmp_path, fed=fed)
    what = "more conversions than recorded ADC codes" if change < 0 else "not all recorded ADC codes were read"
    assert any(sentence.startswith(f"layer 0: {what} (clock cycle ") for sentence in got.seen.violations)
    assert not compare_seen(network, got.seen, ideal=False).agrees


def test_an_image_of_another_design_is_refused(built, network, tmp_path):
    other = random_network(
        replace(
            network.design, layers=(replace(network.design.layers[0], cell_fraction=11), network.design.layers[1])
        ),
        np.random.default_rng(1),
    )
    with pytest.raises(ProgramError, match=r"the native simulation: register bus: 0x\w+ is 0x\w+, not 0x\w+"):
        Simulator(built, other, tmp_path)


def test_a_program_that_ends_is_one_sentence(built, network, sequences, tmp_path):
    with Simulator(built, network, tmp_path) as simulator:
        simulator._process.kill()
        with pytest.raises(ProgramError, match="the native simulation was ended by the signal SIGKILL"):
            simulator.run(np.arange(5), *sequences)


@pytest.mark.full
@pytest.mark.skipif(missing_tools("verilator") is not None, reason="no Verilator")
def test_cocotb_sees_the_same_numbers_at_the_same_times(built, network, sequences, tmp_path):
    chips = cosim.build([network.design], tmp_path / "cocotb")
    [slow] = cosim.simulate(chips, [DeviceJob(network, *sequences, timing=Timing((4, 4), (2, 2)))])
    got = ran(built, network, sequences, tmp_path / "native")
    for layer, ours, theirs in zip(network.design.layers, got.seen.layers, slow.record.layers):
        for name in FIELDS if ours.gates is not None else FIELDS[:2]:
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
            stage = "starts" if name == "drive" else f"{name}_cycles"
            mine, other = (
                getattr(record, stage)[:: layer.conversions if name == "drive" else 1] for record in (ours, theirs)
            )
            assert np.array_equal(np.diff(mine), np.diff(other)), name
    assert np.array_equal(np.diff(got.seen.out_cycles), np.diff(slow.record.out_cycles))


@pytest.mark.full
def test_one_wrong_bit_of_a_table_in_the_verilog_is_seen(network, sequences, tmp_path, monkeypatch):
    table = element_wise.cell_tanh_table

    def wrong(bits, fraction, activation):
        entries = table(bits, fraction, activation).copy()
        entries[2 ** (bits - 1) + 3] ^= 1 << activation - 3
        return entries

    monkeypatch.setattr(element_wise, "cell_tanh_table", wrong)
    rng = np.random.default_rng(2)
    codes, _ = random_inputs(network.design, rng, batch=60, steps=20)
    built = native.build(network.design, tmp_path, cycles=1)
    got = ran(built, network, (codes, np.full(60, 20)), tmp_path / "run")
    comparison = compare_seen(network, got.seen, ideal=True)
    assert comparison.mismatches > 0
    assert comparison.first.stage in ("hidden code", "row", "output stream")


KINDS = {
    "argmax at the end": (LstmLayer(inputs=2, hidden=3, adcs=4, dac_bits=1), DenseLayer(inputs=3, outputs=5, adcs=1, dac_bits=1, output="argmax", emit="end")),
    "values": (DenseLayer(inputs=2, outputs=4, adcs=4, output_bits=8), LstmLayer(inputs=4, hidden=4, adcs=16, dac_bits=8, weight_bits=8, adc_bits=8, cell_bits=32, cell_fraction=20, activation_bits=16, output="value", conversion_cycles=2)),
    "diagnostics": tuple(replace(layer, diagnostics=True, spares=2) for layer in (LstmLayer(inputs=3, hidden=4, adcs=8), DenseLayer(inputs=4, outputs=6, adcs=3, output="table"))),
    "pulses": (replace(LstmLayer(inputs=3, hidden=2, adcs=4, weight_bits=2, bias_rows=1), diagnostics=True, programming="pulse"),),
    "tiles": (
        LstmLayer(inputs=7, hidden=6, adcs=8, tile_rows=4, tile_columns=6),
        DenseLayer(inputs=6, outputs=6, adcs=3, tile_rows=2, output="argmax"),
    ),
    "coarser tiles": (LstmLayer(inputs=7, hidden=6, adcs=8, tile_rows=4, input_tile_shift=2),),
    "one macro twice": (LstmLayer(inputs=4, hidden=4, adcs=8), LstmLayer(inputs=4, hidden=4, adcs=8)),
}  # fmt: skip


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data_registers", [False, True])
def test_designs_of_all_kinds_agree(kind, data_registers, tmp_path):
    rng = np.random.default_rng(9)
    design = Design("kind", KINDS[kind], data_registers=data_registers)
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, batch=30, steps=12)
    got = ran(native.build(design, tmp_path, cycles=1), network, (codes, lengths), tmp_path / "run")
    comparison = compare_seen(network, got.seen, ideal=True)
    assert comparison.agrees, comparison
