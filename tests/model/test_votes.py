"""Heads that add up the codes of several sequences: the rules, and sums by plain Python."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.reference import check_votes, last_codes, repeated, results_given, run, voted
from tests.designs import random_inputs, random_network, seeds
from tests.model import oracle

HEAD = DenseLayer(inputs=3, outputs=4, adcs=2, output="argmax", emit="end", votes=3)
DESIGN = Design("votes", (LstmLayer(inputs=2, hidden=3, adcs=4), HEAD))


def alone(design: Design = DESIGN) -> Design:
    return replace(design, layers=(*design.layers[:-1], replace(design.layers[-1], votes=1)))


def test_votes_are_in_a_description_and_its_fingerprint_only_where_there_are_some(tmp_path):
    assert DESIGN.to_dict()["layer"][1]["votes"] == 3
    assert "votes" not in alone().to_dict()["layer"][1]
    fingerprints = {replace(DESIGN, layers=(DESIGN.layers[0], replace(HEAD, votes=k))).fingerprint for k in (1, 2, 3)}
    assert len(fingerprints) == 3
    DESIGN.save(tmp_path / "votes.toml")
    assert Design.load(tmp_path / "votes.toml") == DESIGN
    assert (DESIGN.votes, alone().votes, Design("one", DESIGN.layers[:1]).votes) == (3, 1, 1)


@pytest.mark.parametrize("votes", [0, 257, 2.0, True])
def test_votes_out_of_range_are_refused(votes):
    with pytest.raises(DesignError, match=rf"^layer 0: votes must be an integer from 1 to 256, not {votes}$"):
        Design("x", (replace(HEAD, votes=votes),))


@pytest.mark.parametrize("output, emit", [("argmax", "step"), ("codes", "end"), ("table", "end")])
def test_votes_are_of_a_label_at_the_end(output, emit):
    with pytest.raises(
        DesignError,
        match=rf"^layer 0: votes must be 1 unless output is 'argmax' and emit is 'end', not 3 with output '{output}' "
        rf"and emit '{emit}'$",
    ):
        Design("x", (replace(HEAD, output=output, emit=emit),))


def test_a_result_needs_all_its_sequences():
    check_votes(DESIGN, 6)
    check_votes(alone(), 5)
    with pytest.raises(
        DesignError,
        match=r"^the head adds up the codes of 3 sequences, so the number of sequences must be a multiple of 3, not 5$",
    ):
        check_votes(DESIGN, 5)


def test_each_third_sequence_has_a_result_on_its_last_step():
    lengths = np.array([2, 1, 3, 1, 1, 2, 3])
    assert np.argwhere(results_given(HEAD, lengths, 3)).tolist() == [[2, 2], [5, 1]]
    assert results_given(replace(HEAD, votes=1), lengths, 3).sum() == 7
    assert results_given(DESIGN.layers[0], lengths, 3).sum() == lengths.sum()


@settings(max_examples=60, deadline=None)
@given(seed=seeds, votes=st.integers(2, 5), tiles=st.sampled_from([0, 2]))
def test_the_label_is_of_the_largest_sum_of_codes(seed, votes, tiles):
    """By the scalar oracle, in plain Python; codes of 2 bits have many ties."""
    rng = np.random.default_rng(seed)
    head = replace(HEAD, votes=votes, tile_rows=tiles, adc_bits=2)
    design = replace(DESIGN, layers=(DESIGN.layers[0], head))
    network = random_network(design, rng)
    codes, lengths = random_inputs(design, rng, batch=2 * votes + 1, steps=3)
    trace = run(network, codes, lengths).layers[-1]
    labels = voted(head, last_codes(head, trace, lengths))
    told = replace(network, design=replace(design, layers=(design.layers[0], replace(head, output="codes", votes=1))),
                   output_scale=(), output_offset=())  # fmt: skip
    given = [oracle.run_sequence(told, codes[k, :length])[-1] for k, length in enumerate(lengths)]
    expected = []
    for k in range(2):
        sums = [sum(column) for column in zip(*given[k * votes : (k + 1) * votes])]
        expected.append([sums.index(max(sums))])
    assert labels.tolist() == expected


def test_without_noise_the_votes_of_a_sequence_say_what_it_says_alone():
    rng = np.random.default_rng(1)
    network = random_network(DESIGN, rng)
    codes, lengths = random_inputs(DESIGN, rng, batch=40, steps=3)
    once = run(network, codes, lengths).out
    many, steps = repeated(3, codes, lengths)
    assert (many.shape, steps.tolist()) == ((120, 3, 2), [n for n in lengths for _ in range(3)])
    labels = voted(HEAD, last_codes(HEAD, run(network, many, steps).layers[-1], steps))
    assert labels.tolist() == once.tolist()
    assert len(np.unique(once)) > 1
