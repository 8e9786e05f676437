"""The comparison of a chip's record: every number of it counts, and what is missing, too. No simulator is needed."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.analog.config import PRESETS
from ohmgate.hdl.streams import output_layout
from ohmgate.model.bit_fields import pack
from ohmgate.model.design import Design
from ohmgate.model.formats import to_wire
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.layout import logical_columns
from ohmgate.model.reference import run, steps_read
from ohmgate.sim.compare import compare
from ohmgate.sim.job import DeviceJob, DeviceRecord, LayerRecord
from tests.designs import random_inputs, random_network

LAYERS = (
    LstmLayer(inputs=3, hidden=4, adcs=8),
    DenseLayer(inputs=4, outputs=6, adcs=2, adc_bits=6, output="codes"),
)


def job(layers=LAYERS, **changes) -> DeviceJob:
    rng = np.random.default_rng(11)
    network = random_network(Design("recorded", layers), rng)
    codes, _ = random_inputs(network.design, rng, batch=3, steps=4)
    return DeviceJob(network, codes, np.array([4, 1, 3]), **changes)


def ideal_record(job: DeviceJob) -> DeviceRecord:
    """What a chip shows that does everything right: a conversion every 10 cycles, results in later ones."""
    result = run(job.network, job.codes, job.lengths)
    records = []
    for layer, trace in zip(job.network.design.layers, result.layers):
        read = steps_read(layer, job.lengths, job.codes.shape[1])
        columns = logical_columns(layer)
        starts = 10 * np.arange(read.sum() * layer.conversions)
        record = LayerRecord(
            trace.drive[read], trace.adc[read][:, columns].reshape(-1, layer.adcs), starts, starts + 3
        )
        if layer.kind == "lstm":
            record.gates = trace.gates[read].reshape(-1, layer.columns)[:, columns].reshape(-1, layer.adcs)
            record.cell, record.hidden = (
                getattr(trace, n)[read].reshape(-1, layer.lanes) for n in ("cell", "hidden")
            )
            record.gates_cycles, record.cell_cycles, record.hidden_cycles = starts + 4, starts + 6, starts + 7
        records.append(record)
    out = [
        payload(layer, trace.out[b, t], t == 0, t == job.lengths[b] - 1) for b, t in np.argwhere(read)
    ]  # fmt: skip
    cycles = [10 * layer.conversions * (k + 1) + 5 for k in range(len(out))]
    return DeviceRecord(out, records, {}, {"sequences": [0, 1, 2]}, cycles, [])


def payload(layer, values, first: bool, last: bool) -> int:
    width = output_layout(layer).size - 2
    if layer.output == "argmax":
        patterns = int(values[0])
    else:
        bits = width // layer.outputs
        patterns = pack(to_wire(values, bits) if layer.output == "table" else values, bits)
    return patterns | int(first) << width | int(last) << width + 1


HEADS = {
    "codes": LAYERS[1],
    "argmax": DenseLayer(inputs=4, outputs=6, adcs=2, output="argmax", emit="end"),
    "table": DenseLayer(inputs=4, outputs=6, adcs=3, output="table", output_bits=3),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_right_record_agrees_in_every_integer(head):
    one = job((LAYERS[0], head))
    result = compare(one, ideal_record(one))
    ends = 3 if head.at_end else 8
    values = 1 if head.output == "argmax" else 6
    assert str(result) == f"{8 * (8 + 16 + 16 + 4 + 4) + ends * (5 + 6 + values + 2)} integers compared, 0 differ"
    assert list(result.stages) == [
        (0, "row"), (0, "ADC code"), (0, "gate activation"), (0, "cell state"), (0, "hidden code"),
        (1, "row"), (1, "ADC code"), (1, "output stream"),
    ]  # fmt: skip


FIELDS = [
    (0, "drive", "row"), (0, "gates", "gate activation"), (0, "cell", "cell state"), (0, "hidden", "hidden code"),
    (1, "drive", "row"),
]  # fmt: skip


@pytest.mark.parametrize("index, name, stage", FIELDS)
def test_every_number_of_a_record_counts(index, name, stage):
    one = job()
    for at in np.ndindex(getattr(ideal_record(one).layers[index], name).shape):
        record = ideal_record(one)
        getattr(record.layers[index], name)[at] += 1
        result = compare(one, record)
        assert (result.mismatches, result.first.layer, result.first.stage) == (1, index, stage), at
        assert result.first.got == result.first.expected + 1


@pytest.mark.parametrize("index", [0, 1])
def test_a_wrong_adc_code_is_the_arrays_where_it_is_ideal_and_the_codes_of_a_noisy_one_are_given(index):
    one = job()
    record = ideal_record(one)
    steps, adc = LAYERS[index].conversions, 1
    record.layers[index].adc[steps + 1, adc] ^= 1  # conversion 1 of the second time step
    ideal = compare(one, record)
    first = ideal.first
    unit = int(logical_columns(LAYERS[index])[1, adc])
    assert (first.layer, first.stage, first.sequence, first.step, first.unit) == (index, "ADC code", 0, 1, unit)
    assert first.cycle == 10 * (steps + 1) + 3
    noisy = compare(replace(one, array=PRESETS["paper"]), record)
    assert noisy.first.stage == ("gate activation", "output stream")[index], "the table was read with another code"
    assert all(stage != "ADC code" for _, stage in noisy.stages)
    following = {at: counts for at, counts in ideal.stages.items() if at[1] != "ADC code"}
    assert following == noisy.stages, "all but the codes is compared with what follows from them"
    assert index == 1 or following[0, "row"][1] > 0


def test_the_output_stream_and_its_marks_count():
    one = job()
    for number in range(8):
        for bit in range(6 * 6 + 2):
            record = ideal_record(one)
            record.out[number] ^= 1 << bit
            result = compare(one, record)
            assert (result.mismatches, result.first.stage, result.first.layer) == (1, "output stream", 1)
            assert result.first.unit == (bit // 6 if bit < 36 else bit - 30)
            assert result.first.cycle == record.out_cycles[number]
            assert (result.first.sequence, result.first.step) == [
                (0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (2, 1), (2, 2),
            ][number]  # fmt: skip


@pytest.mark.parametrize("fields, lines, stage, wrong", [
    (("drive",), 1, "row", 8),
    (("gates", "gates_cycles"), 2, "gate activation", 16),
    (("cell", "cell_cycles"), 2, "cell state", 4),
    (("hidden", "hidden_cycles"), 2, "hidden code", 4),
])  # fmt: skip
def test_a_step_that_was_not_seen_counts(fields, lines, stage, wrong):
    one = job()
    record = ideal_record(one)
    for name in fields:
        setattr(record.layers[0], name, getattr(record.layers[0], name)[:-lines])
    result = compare(one, record)
    assert result.mismatches == wrong
    assert result.first.stage == f"number of steps seen ({stage})"


def test_a_result_too_many_counts():
    one = job()
    record = ideal_record(one)
    record.out.append(0)
    record.out_cycles.append(999)
    result = compare(one, record)
    assert result.mismatches == 6 + 2
    assert str(result.first).endswith("number of steps seen (output stream): expected 8, got 9")


def test_repeated_sequences_are_named_as_the_job_numbers_them():
    one = job()
    short = replace(one, codes=one.codes[[2, 0]], lengths=one.lengths[[2, 0]])
    record = ideal_record(short)
    record.facts["sequences"] = [2, 0]
    assert compare(one, record).agrees
    record.layers[0].cell[2 * 3, 0] += 1  # the first step of the sequence that ran second
    first = compare(one, record).first
    assert (first.sequence, first.step) == (0, 0)


def test_rules_that_a_chip_broke_are_part_of_the_verdict():
    one = job()
    record = replace(ideal_record(one), violations=["layer 0: a rule (clock cycle 5)"])
    result = compare(one, record)
    assert (result.mismatches, result.agrees, result.violations) == (0, False, ("layer 0: a rule (clock cycle 5)",))
