"""What is refused before anything is compiled, and when the compiler takes its time."""

from dataclasses import replace

import pytest

from ohmgate.model.formats import DesignError
from ohmgate.sim.native.build import build, optimisation, trace_names


def test_interleaved_sequences_are_refused(network, tmp_path):
    with pytest.raises(DesignError) as error:
        build(replace(network.design, contexts=2), tmp_path)
    assert str(error.value) == (
        "a native simulation needs a design whose sequences do not interleave: contexts must be 1, not 2"
    )
    assert list(tmp_path.iterdir()) == []


def test_layers_in_reverse_are_refused(network, tmp_path):
    first, last = network.design.layers
    reverse = replace(network.design, layers=(replace(first, direction="reverse", max_steps=9), last))
    with pytest.raises(DesignError) as error:
        build(reverse, tmp_path)
    assert str(error.value) == (
        "a native simulation needs a design without layers in reverse: max steps must be 0, not 9"
    )


def test_long_simulations_are_optimised():
    assert (optimisation(1_999_999), optimisation(2_000_000)) == ("-O0", "-O1")


def test_traces_are_the_ports_with_a_valid_beside_them(network):
    assert trace_names(network.design, True) == ["trace_0__gates", "trace_0__cell", "trace_0__hidden"]
    assert trace_names(network.design, False) == []
