"""What a trial has covered, counted once more from the reference's integers. No simulator is needed."""

from collections import Counter
from dataclasses import replace

import numpy as np

from ohmgate.model.layers import DenseLayer
from ohmgate.model.layout import logical_columns
from ohmgate.model.reference import run
from ohmgate.sim.coverage import Coverage
from ohmgate.sim.job import STALLS, Timing
from tests.sim.test_compare import HEADS, LAYERS, ideal_record, job

LENGTHS = (4, 1, 3)


def covered(one, **facts):
    record = ideal_record(one)
    record.facts |= facts
    record.stalls = dict.fromkeys(STALLS, 0) | {"input held back": 3}
    coverage = Coverage()
    coverage.add(one, record)
    return coverage


def items(coverage: Coverage, layer: int) -> dict[str, tuple[dict, int]]:
    """Of each item: how often each bin was seen, and how many bins there are."""
    return {
        w: ({k: n for k, n in i.seen.items() if n}, len(i.bins))
        for (_, x, w), i in coverage.items.items()
        if x == layer
    }


def test_an_lstms_items_are_those_of_its_integers():
    one = job(timing=Timing(conversion=(3, 6)))
    found, trace = items(covered(one), 0), run(one.network, one.codes, one.lengths).layers[0]
    layer = LAYERS[0]
    steps = [(b, t) for b, length in enumerate(LENGTHS) for t in range(length)]
    drives = [trace.drive[b, t].tolist() for b, t in steps]
    adc = [trace.adc[b, t].tolist() for b, t in steps]
    cells = [int(c) for b, t in steps for c in trace.cell[b, t]]
    assert found["input rows: DAC codes"] == (Counter(v for drive in drives for v in drive[:3]), 15)
    later = [drive for drive, (_, t) in zip(drives, steps) if t]
    assert found["hidden rows: DAC codes"] == (Counter(v for drive in later for v in drive[3:7]), 15), (
        "undriven at first"
    )
    assert found["ADC codes"] == (Counter(v for codes in adc for v in codes), 16)
    entries = Counter(f"{'fiog'[k // 4]} {v}" for codes in adc for k, v in enumerate(codes))
    assert found["table entries read"] == (entries, 4 * 16)
    low, high = (sum(codes.count(end) for codes in adc) for end in (-8, 7))
    assert low
    assert found["ADC saturations"] == ({name: n for name, n in (("low end", low), ("high end", high)) if n}, 2)
    index = Counter(
        min(
            max(c >> layer.cell_fraction - layer.tanh_fraction, -(2 ** (layer.tanh_bits - 1))),
            2 ** (layer.tanh_bits - 1) - 1,
        )
        for c in cells
    )
    assert found["tanh table entries read"] == (index, 2**layer.tanh_bits)
    ends = {-(2 ** (layer.cell_bits - 1)): "low end", 2 ** (layer.cell_bits - 1) - 1: "high end"}
    assert found["cell state saturations"] == (Counter(ends[c] for c in cells if c in ends), 2)
    assert found["conversion times"] == ({4: 8 * layer.conversions}, 4)


def test_a_heads_items():
    for name, head in HEADS.items():
        found = items(covered(job((LAYERS[0], head))), 1)
        assert "hidden rows: DAC codes" not in found
        assert found["ADC codes"][1] == 2**head.adc_bits
        assert ("table entries read" in found) == (name == "table")
    entries = items(covered(job((LAYERS[0], HEADS["table"]))), 1)["table entries read"]
    one = job((LAYERS[0], HEADS["table"]))
    trace = run(one.network, one.codes, one.lengths).layers[1]
    read = [int(v) for b, length in enumerate(LENGTHS) for t in range(length) for v in trace.adc[b, t]]
    assert entries == (Counter(str(v) for v in read), 16)


def test_a_chips_items():
    found = items(covered(job()), -1)
    assert found["marks of inputs"] == ({"first": 2, "neither": 3, "last": 2, "first and last": 1}, 4)
    assert found["marks of results"] == found["marks of inputs"]
    assert found["stalls"] == ({"input held back": 3}, 6)
    assert found["scenarios"] == ({"inference": 1}, 4)
    at_end = items(covered(job((LAYERS[0], HEADS["argmax"]))), -1)
    assert at_end["marks of results"] == ({"last": 2, "first and last": 1}, 2)
    swept = items(covered(job(scenario="reset_sweep"), resets=3), -1)
    assert swept["scenarios"] == ({"reset by register": 3, "reset by pin": 3}, 4)
    refused = items(covered(job(scenario="refusal"), refused=["GAIN"]), -1)
    assert refused["scenarios"] == ({"wrong image refused": 1}, 4)


def test_trials_of_one_design_add_up_to_its_layers():
    one = job()
    coverage = covered(one)
    again = ideal_record(one)
    coverage.add(replace(one, timing=Timing(conversion=(2, 9))), again)
    times = next(line for line in coverage.lines() if (line["layer"], line["what"]) == (0, "conversion times"))
    assert (times["seen"], times["of"], times["missing"]) == (1, 8, ["2", "3", "5", "6", "7", "8", "9"])
    assert coverage.lines()[-1]["layer"] == "chip"
    assert "| 0 | conversion times | 1 | 8 | 2, 3, 5, 6, 7, 8, 9 |\n" in coverage.markdown()
    codes = np.unique(
        run(one.network, one.codes, one.lengths)
        .layers[1]
        .adc[:, :, logical_columns(LAYERS[1])][[0, 0, 0, 0, 1, 2, 2, 2], [0, 1, 2, 3, 0, 0, 1, 2]]
    )
    missing = [v for v in range(-32, 32) if v not in codes]
    named = ", ".join(map(str, missing[:12])) + f" and {len(missing) - 12} more"
    assert f"| 1 | ADC codes | {len(codes)} | 64 | {named} |\n" in coverage.markdown()


def test_trials_of_several_designs_add_up_to_items():
    one, other = job(), job((DenseLayer(inputs=3, outputs=2, adcs=1, adc_bits=3),))
    coverage = covered(one)
    coverage.add(other, ideal_record(other))
    both = {line["what"]: line for line in coverage.lines()}
    assert (both["ADC codes"]["of"], both["ADC codes"]["in"]) == (16 + 64 + 8, 3)
    last = run(other.network, other.codes, other.lengths).layers[0].adc
    seen = {int(v) for b, length in enumerate(LENGTHS) for v in last[b, :length].reshape(-1)}
    counts = [len(coverage.items[one.network.design.fingerprint, k, "ADC codes"].seen) for k in (0, 1)]
    assert both["ADC codes"]["seen"] == sum(counts) + len(seen)
    assert (both["stalls"]["seen"], both["stalls"]["of"], both["stalls"]["in"]) == (1, 6, 1), "of the chips together"
    assert (
        f"| ADC codes | {both['ADC codes']['seen']} | 88 | {both['ADC codes']['seen'] / 88:.1%} | 3 |"
        in coverage.markdown()
    )
