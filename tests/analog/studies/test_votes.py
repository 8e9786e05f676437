"""Votes of reads and of chips: exact probabilities by brute force, draws chip by chip, files and reports."""

import json
from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from ohmgate.analog import inference
from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.fast_network import FastNetwork
from ohmgate.analog.studies import montecarlo, summaries
from ohmgate.analog.studies.montecarlo import Draw, Study
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.metrics import majority, vote
from ohmgate.model.network import LayerData, Network
from ohmgate.model.seeds import child
from ohmgate.report import montecarlo as report
from tests.designs import random_inputs, random_network

LEVELS = np.array([0.75, 1.125])  # of the outputs, in LSB: 6 and 9 eighths
SIGMA = np.sqrt(1 / 12)  # of the paper's ADC noise


def two_outputs() -> Network:
    """A head alone, whose outputs are near to each other; ties are wrong."""
    head = DenseLayer(
        inputs=1, outputs=2, adcs=2, dac_bits=2, weight_bits=5, adc_bits=3, bias_rows=0, output="argmax", emit="end"
    )  # fmt: skip
    data = LayerData(np.array([[6, 9]]), np.array([1]), np.array([3]), None)
    return Network(Design("two", (head,)), (data,))


def exact(votes: int) -> dict[str, float]:
    """How often output 1 wins, over all codes of all reads."""
    codes = range(-2, 4)
    of_output = [
        [float(np.diff(norm.cdf((np.array([c, c + 1]) - level) / SIGMA))[0]) for c in codes] for level in LEVELS
    ]
    reads = []
    for picked in product(range(len(codes)), repeat=2):
        chance = float(np.prod([of_output[k][c] for k, c in enumerate(picked)]))
        if chance > 1e-7:
            reads.append((np.array([codes[c] for c in picked]), chance))
    found = {"mean": 0.0, "majority": 0.0}
    for several in product(reads, repeat=votes):
        chance = np.prod([p for _, p in several])
        sums = sum(read for read, _ in several).tolist()
        counts = [sum(read.tolist().index(read.max()) == k for read, _ in several) for k in range(2)]
        found["mean"] += chance * (sums.index(max(sums)) == 1)
        found["majority"] += chance * (counts.index(max(counts)) == 1)
    return found


def test_votes_are_right_as_often_as_all_cases_say():
    """Six standard deviations of 60,000 votes; mean and majority are further apart than that."""
    count, draws = 12_000, 5
    network = two_outputs()
    study = Study(
        network, np.ones((count, 1, 1), np.int64), np.ones(count, np.int64), np.ones(count, np.int64),
        ArrayConfig(adc_noise="paper"), votes=3,
    )  # fmt: skip
    made = montecarlo.run(study, draws)
    voted, known = summaries.vote_summaries(made, count), exact(3)
    single = exact(1)["mean"]
    for found, chance in [
        (summaries.summary(made).mean, single),
        (voted["mean"].mean, known["mean"]),
        (voted["majority"].mean, known["majority"]),
    ]:
        assert abs(found - chance) < 6 * np.sqrt(chance * (1 - chance) / (count * draws))
    assert known["mean"] > known["majority"] + 0.01 > single + 0.02


def test_a_vote_by_mean_and_one_by_majority():
    codes = np.array([[[3, 0, 0], [1, 1, 0]], [[0, 1, 0], [0, 2, 2]], [[0, 1, 0], [1, 0, 0]]])
    assert vote(codes, "mean").tolist() == [0, 1]
    assert vote(codes, "majority").tolist() == majority(codes.argmax(2)).tolist() == [1, 0]
    with pytest.raises(DesignError, match=r"^vote must be one of mean, majority, not 'median'$"):
        vote(codes, "median")


def small(votes: int = 1) -> Network:
    head = DenseLayer(inputs=8, outputs=3, adcs=3, output="argmax", emit="end", votes=votes)
    return random_network(Design("small", (LstmLayer(inputs=4, hidden=8, adcs=8), head)), np.random.default_rng(2))


def small_study(**changes) -> Study:
    codes, lengths = random_inputs(small().design, np.random.default_rng(3), 40, 6)
    labels = inference.classify(small(), codes, lengths, inference.build_arrays(small()))
    config = ArrayConfig(weight_noise=0.08, adc_noise="paper")
    return Study(
        **{"network": small(), "codes": codes, "lengths": lengths, "labels": labels, "config": config} | changes
    )


def test_votes_over_chips_are_of_chips_of_their_own():
    """Chip by chip, as draws without votes read them."""
    over_chips = small_study(votes=3, vote_over="chips", seed=5)
    [first, second] = montecarlo.run(over_chips, 2)
    alone = [draw.score for draw in montecarlo.run(small_study(seed=5), 6)]
    assert first.score == pytest.approx(np.mean(alone[:3]))
    assert second.score == pytest.approx(np.mean(alone[3:]))
    heads = []
    for chip in (3, 4, 5):
        arrays = inference.build_arrays(small(), over_chips.config, child(5, chip))
        fast = FastNetwork(small(), arrays, seed=child(5, chip, 1 << 20))
        heads.append(fast.head_codes(over_chips.codes, over_chips.lengths))
    expected = tuple(float((vote(heads, how) == over_chips.labels).mean()) for how in ("mean", "majority"))
    assert second.votes == expected


def test_reads_of_one_chip_share_its_weights_and_chips_do_not():
    reads, chips = (small_study(votes=9, vote_over=over, seed=1) for over in ("reads", "chips"))
    quiet = ArrayConfig(weight_noise=0.08)  # nothing but what is drawn once for a chip
    [same] = montecarlo.run(small_study(votes=9, config=quiet), 1)
    assert same.votes == (same.score, same.score)
    assert reads.fingerprint() != chips.fingerprint() != small_study(seed=1).fingerprint()
    by_reads, by_chips = (summaries.vote_summaries(montecarlo.run(study, 12)) for study in (reads, chips))
    assert by_chips["mean"].mean > by_reads["mean"].mean


def test_files_keep_votes_and_go_on(tmp_path):
    study = small_study(votes=2)
    draws = montecarlo.run(study, 3, tmp_path / "whole")
    montecarlo.run(study, 1, tmp_path / "parts")
    assert montecarlo.run(study, 3, tmp_path / "parts") == draws
    assert (tmp_path / "parts").read_bytes() == (tmp_path / "whole").read_bytes()
    assert json.loads((tmp_path / "whole").read_text().splitlines()[1])["votes"] == list(draws[0].votes)
    [plain] = montecarlo.run(small_study(), 1, tmp_path / "plain")
    assert plain.votes == ()
    assert "votes" not in (tmp_path / "plain").read_text()


def test_a_report_has_both_rules_with_intervals(tmp_path):
    study = small_study(votes=3)
    draws = [Draw(i, 0.5, (0.1, 0.2), (0.75 + i / 40, 0.6)) for i in range(4)]
    page = report.write_report(tmp_path, study, draws).read_text()
    found = json.loads((tmp_path / report.DATA).read_text())["votes"]
    assert (found["number"], found["over"]) == (3, "reads")
    assert found["mean"]["mean"] == pytest.approx(0.7875)
    low, high = found["mean"]["interval"]
    assert low < 0.7875 < high
    assert found["majority"]["mean"] == pytest.approx(0.6)
    for text in ("3 reads of a chip vote", "78.75 %", "60.00 %"):
        assert text in page
    report.write_report(tmp_path, small_study(), [Draw(0, 0.5, (0.1, 0.2))])
    assert "votes" not in json.loads((tmp_path / report.DATA).read_text())


def test_a_head_with_votes_is_read_so_often_by_the_mean():
    """Slow and fast; a study of such a design scores what the chip says."""
    one, three = small(), small(3)
    study = small_study(seed=4)
    arrays = [inference.build_arrays(one, study.config, 9) for _ in range(2)]
    classes = inference.classify(three, study.codes, study.lengths, arrays[0])
    heads = inference.head_codes(one, study.codes, study.lengths, arrays[1], 3)
    assert heads.shape == (3, 40, 3)
    assert classes.tolist() == vote(heads).tolist()
    assert (heads[0] != heads[1]).any()
    fast = [FastNetwork(network, inference.build_arrays(one, study.config, 9), seed=3) for network in (one, three)]
    sums = sum(fast[0].head_codes(study.codes, study.lengths) for _ in range(3))
    assert fast[1].classify(study.codes, study.lengths).tolist() == sums.argmax(1).tolist()


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"votes": 0}, "votes must be an integer from 1 to 256, not 0"),
        ({"votes": 2, "vote_over": "days"}, "votes over must be one of reads, chips, not 'days'"),
    ],
)
def test_wrong_votes_are_one_sentence(changes, sentence):
    with pytest.raises(DesignError) as error:
        small_study(**changes)
    assert str(error.value) == sentence


def test_values_have_no_votes():
    network = random_network(
        Design("values", (DenseLayer(inputs=2, outputs=1, adcs=1, output="codes", emit="end"),)),
        np.random.default_rng(1),
    )
    codes, lengths = random_inputs(network.design, np.random.default_rng(1), 4, 2)
    with pytest.raises(
        DesignError, match=r"^votes are of classes: votes of a network that forecasts must be 1, not 5$"
    ):
        Study(network, codes, lengths, np.zeros((4, 1)), ArrayConfig(), votes=5)
