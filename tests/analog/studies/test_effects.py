"""What a source does to the accuracy: intervals against scipy's tests, and the verdict in words."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ohmgate.analog.studies.draws_file import Draw
from ohmgate.analog.studies.effects import Effect, SourceEffect, ranked, source_effects, verdict
from ohmgate.analog.studies.montecarlo import Sensitivity
from ohmgate.analog.studies.summaries import summary

IDEAL, SEQUENCES = 0.95, 10_000


def summarised(mean: float, chips: int, spread: float = 0.01, seed: int = 0, codes: float = 0.1):
    """A summary of so many chips, their accuracies and shares of codes that differ, of two layers."""
    rng = np.random.default_rng(seed)
    accuracy, errors = rng.normal(mean, spread, chips), rng.normal(codes, 0.02, (chips, 2))
    draws = [Draw(i, float(a), tuple(map(float, e))) for i, (a, e) in enumerate(zip(accuracy, errors))]
    return summary(draws), accuracy, errors.mean(axis=1)


def test_intervals_are_students_over_the_chips_that_both_have_at_a_level_shared_by_all():
    all_on, all_accuracy, all_errors = summarised(0.9, 40, 0.02, 9)
    sides = [summarised(mean, 12, seed=seed) for seed, mean in enumerate((0.93, 0.91, 0.945, 0.9))]
    (alone, alone_accuracy, alone_errors), (without, without_accuracy, without_errors), (other, *_), (rest, *_) = (
        sides
    )
    found = source_effects(
        [Sensitivity("a", alone, without), Sensitivity("b", other, rest)], all_on, IDEAL, SEQUENCES
    )
    level = 1 - 0.05 / 4  # four intervals
    tests = (
        (found[0].alone, stats.ttest_1samp(alone_accuracy - IDEAL, 0)),
        (found[0].without, stats.ttest_rel(without_accuracy, all_accuracy[:12])),
        (found[0].code_alone, stats.ttest_1samp(alone_errors, 0)),
        (found[0].code_without, stats.ttest_rel(without_errors, all_errors[:12])),
    )
    for effect, test in tests:
        bounds = test.confidence_interval(level)
        assert (effect.low, effect.high) == pytest.approx((bounds.low, bounds.high), rel=1e-9)
        assert effect.mean == pytest.approx((bounds.low + bounds.high) / 2, rel=1e-9)


def test_the_same_chips_tell_a_difference_that_their_spread_hides():
    """A tenth of the chips' own spread: 12 pairs see it, 12 chips and 12 others would not."""
    all_on, accuracy, _ = summarised(0.9, 12, 0.02)
    better = accuracy + np.random.default_rng(5).normal(0.01, 0.002, 12)
    without = summary([Draw(i, float(a), (0.05, 0.05)) for i, a in enumerate(better)])
    (found,) = source_effects([Sensitivity("a", without, without)], all_on, IDEAL, SEQUENCES)
    assert found.without.low > 0
    assert stats.ttest_ind(better, accuracy).confidence_interval(1 - 0.05 / 2).low < 0


def test_one_chip_says_nothing():
    one, *_ = summarised(0.5, 1)
    many, *_ = summarised(0.9, 40)
    (found,) = source_effects([Sensitivity("a", one, one)], many, IDEAL, SEQUENCES)
    assert (found.alone.low, found.alone.high) == (found.without.low, found.without.high) == (-math.inf, math.inf)
    assert found.alone.text() == f"{100 * (one.mean - IDEAL):+.2f} points (one chip has no interval)"
    assert verdict([found]) == "No source matters here: none costs more than chance explains."


def test_chips_that_agree_are_as_wide_as_a_sequence():
    """Two chips with 19 of 20 right have no spread, but a share of 20 sequences is known to 1/20 only."""
    same = summary([Draw(i, 0.95, (0.1,)) for i in range(2)])
    (found,) = source_effects([Sensitivity("a", same, same)], same, 1.0, 20)
    half = stats.t.ppf(1 - 0.05 / 4, 1) * math.sqrt((1 / 20) ** 2 / 12 / 2)
    assert (found.alone.low, found.alone.high) == pytest.approx((-0.05 - half, -0.05 + half), rel=1e-9)
    assert (found.without.low, found.without.high) == pytest.approx((-half * 2**0.5, half * 2**0.5), rel=1e-9)
    assert found.code_alone == Effect(pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1))


def test_no_study_of_sources_that_do_nothing_names_one_more_often_than_5_in_100():
    rng, named = np.random.default_rng(3), 0
    for _ in range(200):
        chips = [summary([Draw(i, a, (0.1,)) for i, a in enumerate(rng.normal(0.9, 0.02, 8))]) for _ in range(11)]
        pairs = [Sensitivity(str(k), chips[k], chips[k + 5]) for k in range(5)]
        named += not verdict(source_effects(pairs, chips[10], 0.9, SEQUENCES)).startswith("No source matters")
    assert named <= 200 * 0.05 + 2 * math.sqrt(200 * 0.05 * 0.95)


def test_sources_are_ranked_by_codes_where_scores_tell_nothing():
    """First what is sure to be worth improving; then by what each makes wrong alone, which only counts if it is sure."""
    noise = [
        SourceEffect("wires", NOTHING, NOTHING, effect(0.02), NOTHING),
        SourceEffect("1/f", effect(-0.02), NOTHING, effect(0.07), NOTHING),
        SourceEffect("shot", NOTHING, NOTHING, effect(0.0005), NOTHING),
    ]
    assert [e.source for e in ranked(noise)] == ["1/f", "wires", "shot"]
    assert verdict([noise[0], replace(noise[1], alone=NOTHING), noise[2]]) == (
        "No source matters here: none costs more than chance explains. By the codes that each makes wrong alone: 1/f, "
        "7 %; wires, 2 %."
    )
    sure = SourceEffect("DAC", NOTHING, effect(0.01), effect(0.001), NOTHING)
    assert [e.source for e in ranked([*noise, sure])] == ["DAC", "1/f", "wires", "shot"]
    assert noise[1].text() == (
        "1/f: alone -2.00 points (-2.10 to -1.90), taken out +0.05 points (-0.05 to +0.15); codes that differ +7.00 "
        "points (+6.90 to +7.10), +0.05 points (-0.05 to +0.15)"
    )


def effect(mean: float, half: float = 0.001) -> Effect:
    return Effect(mean, mean - half, mean + half)


NOTHING = effect(0.0005)


@pytest.mark.parametrize(
    "sources, said",
    [
        ([SourceEffect("wires", NOTHING, NOTHING)],
         "No source matters here: none costs more than chance explains."),
        ([SourceEffect("wires", NOTHING, effect(0.01)), SourceEffect("1/f", effect(-0.1), effect(0.03)),
          SourceEffect("shot", effect(-0.1), NOTHING)],
         "Worth improving, by what taking it out brings: 1/f, +3.00 points (+2.90 to +3.10); "
         "wires, +1.00 points (+0.90 to +1.10)."),
        ([SourceEffect("wires", effect(-0.02), NOTHING), SourceEffect("1/f", NOTHING, effect(-0.01))],
         "No source alone is worth improving. Each of these costs something, but the others hide it: "
         "wires, -2.00 points (-2.10 to -1.90)."),
    ],
)  # fmt: skip
def test_the_verdict_names_what_is_worth_improving(sources, said):
    assert verdict(sources) == said
