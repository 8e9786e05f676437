"""Chips with one deliberate fault each, those that cocotb's bench has: the native one must report each by its name."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.hdl.flow.emit import emit
from ohmgate.sim.compare import compare_seen
from ohmgate.sim.native import build as native
from ohmgate.sim.native.simulator import Simulator
from tests.sim.test_faulty_chips import FAULTS, job


def verdict(fault, folder, monkeypatch):
    def faulty(chip, name):
        with FAULTS[fault]():
            return emit(chip, name)

    one = job(fault)
    design = replace(one.network.design, name=f"faulty_{fault}")  # "table" is a keyword of Verilog
    monkeypatch.setattr(native, "emit", faulty)
    built = native.build(design, folder, cycles=1)
    with Simulator(built, one.network, folder / "run") as simulator:
        ran = simulator.run(np.arange(2), one.codes, one.lengths)
    return compare_seen(one.network, ran.seen, ideal=True)


@pytest.mark.full
@pytest.mark.parametrize("fault, sentence", [
    ("early", "layer 0: a conversion began before the one under way had ended"),
    ("moving_row", "layer 0: rows, select or their drive changed during a conversion"),
    ("row_of_column", "layer 0: rows changed within a time step, at conversion 1"),
    ("stuck", "layer 0: conversion 1 of a time step selects column 0"),
    ("lost", "nothing moves for 504 cycles: an input is not taken"),
])  # fmt: skip
def test_a_broken_rule_is_named(fault, sentence, tmp_path, monkeypatch):
    comparison = verdict(fault, tmp_path, monkeypatch)
    assert not comparison.agrees
    assert sentence in {broken.partition(" (clock cycle")[0] for broken in comparison.violations}, str(comparison)


@pytest.mark.full
@pytest.mark.parametrize("fault, stage", [
    ("rounding", "hidden code"),
    ("table", "gate activation"),
    ("feedback", "row"),
    ("mark", "output stream"),
])  # fmt: skip
def test_a_wrong_integer_is_named_by_the_stage_that_was_wrong_first(fault, stage, tmp_path, monkeypatch):
    comparison = verdict(fault, tmp_path, monkeypatch)
    assert comparison.mismatches > 0
    assert comparison.first.stage == stage
    assert comparison.violations == ()
