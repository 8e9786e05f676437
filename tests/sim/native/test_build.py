"""What is refused before anything is compiled, and when the compiler takes its time."""

from dataclasses import replace

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.sim.native.build import build, optimisation, trace_names


def test_interleaved_sequences_need_trace_ports(network, tmp_path):
    with pytest.raises(DesignError) as error:
        build(replace(network.design, contexts=2), tmp_path, trace=False)
    assert str(error.value) == (
        "the Verilog of pair_of_layers must have trace ports, which say whose step is converted: its contexts are 2, "
        "not 1"
    )
    assert list(tmp_path.iterdir()) == []


def test_long_simulations_are_optimised():
    assert (optimisation(1_999_999), optimisation(2_000_000)) == ("-O0", "-O1")


def test_traces_are_the_ports_with_a_valid_beside_them(network):
    assert trace_names(network.design, True) == ["trace_0__gates", "trace_0__cell", "trace_0__hidden"]
    assert trace_names(network.design, False) == []
