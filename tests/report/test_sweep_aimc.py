"""Reports of ``ohmgate sweep aimc`` and ``aimc-sensitivity`` from made-up results: A, ranking, verdicts, what is missing."""

import math

import pytest

from ohmgate.report.aimc_verdicts import feedback_of_sources, feedback_over_time, mean_of, tolerated, verdict
from ohmgate.report.sweep import write_report
from ohmgate.report.sweep_results import gather
from ohmgate.report.sweeps import sweep_of
from ohmgate.sim.aimc import TIMES
from ohmgate.sim.aimc_language import LANGUAGE
from ohmgate.sim.aimc_trials import AIMC, SENSITIVITY
from ohmgate.train.experiments import results
from ohmgate.train.experiments.trial import Outcome, record

MINUTES = {"minutes": 1.0, "cpu_minutes": 0.5}


def write_time(out, trial, accuracies):
    """Two chips a percent apart on either side of the mean; float 0.95, chance 0.15: A = (accuracy - 0.15) / 0.8."""
    points = [
        {"seconds": seconds, "chip": chip, "accuracy": mean + 0.01 * (2 * chip - 1)}
        for seconds, mean in zip(TIMES.values(), accuracies)
        for chip in (0, 1)
    ]
    final = {"float": 0.95, "chance": 0.15, "quiet": 0.94} | dict(zip(TIMES, accuracies))
    results.write_result(out, trial, record(trial, Outcome("5" * 64, points, final), MINUTES))


def write_source(out, trial, scale, error, share=0.1):
    final = {"scale": scale, "low": scale * (1 - share), "high": scale * (1 + share), "error": error}
    points = [{"scale": 1024.0, "chip0": 0.9}]
    final |= {"quiet": 0.94, "chance": 0.15}
    results.write_result(out, trial, record(trial, Outcome("5" * 64, points, final), MINUTES))


def test_a_over_time_with_aims_and_what_is_missing(tmp_path):
    write_time(tmp_path, AIMC[0], (0.93, 0.91, 0.71, 0.55))
    write_time(tmp_path, AIMC[1], (0.95, 0.95, 0.943, 0.93))
    text = write_report(sweep_of("aimc"), AIMC, tmp_path)
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| v")]
    half = 12.706 * 0.01 / 0.8 * 100  # Student's t of two chips
    assert rows[0][:4] == ["vowels", "mapped directly", "95.00", "94.00"]
    assert rows[0][4] == f"97.5 ({97.5 - half:.1f} to {97.5 + half:.1f})"
    assert [cell.split()[0] for cell in rows[0][4:]] == ["97.5", "95.0", "70.0", "50.0"]
    assert [cell.split()[0] for cell in rows[1][4:]] == ["100.0", "100.0", "99.1", "97.5"]
    assert "- vowels, 1 h: A is 100.0 %, the aim of 99 % is reached." in text
    assert "- vowels, 1 year: A is 97.5 %, the aim of 98 % is not reached." in text
    assert "- har, 1 h: missing." in text
    assert "| har | mapped directly | missing | missing | missing | missing | missing | missing |" in text
    assert (tmp_path / "aimc.png").stat().st_size > 1000


def test_a_language_model_has_perplexities_beside_a(tmp_path):
    trials = [*AIMC, *LANGUAGE]
    assert sweep_of("aimc").trials == trials
    points = [{"seconds": seconds, "chip": chip, "accuracy": 0.25} for seconds in TIMES.values() for chip in (0, 1)]
    final = {"float": 0.26, "chance": 0.06, "quiet": 0.262, "float_perplexity": 110.0, "quiet_perplexity": 112.5}
    final |= dict.fromkeys(TIMES, 0.25) | {f"{when}_perplexity": 120.0 + k for k, when in enumerate(TIMES)}
    results.write_result(tmp_path, LANGUAGE[1], record(LANGUAGE[1], Outcome("5" * 64, points, final), MINUTES))
    text = write_report(sweep_of("aimc"), trials, tmp_path)
    assert "| ptb | trained for the chips | 26.00 | 26.20 | 95.0 (95.0 to 95.0) | 95.0" in text
    perplexities = "112.50 | 120.00 | 121.00 | 122.00 | 123.00 |"
    assert f"| ptb | trained for the chips | 110.00 | {perplexities}\n" in text
    assert "| ptb | mapped directly | missing | missing | missing | missing | missing | missing |\n" in text
    assert "- ptb, 1 h: A is 95.0 %, the aim of 99 % is not reached." in text


def sensitivity(out, errors, scale=2.0):
    trials = [trial for trial in SENSITIVITY if trial.data == "vowels"]
    for trial, error in zip(trials, errors):
        write_source(out, trial, scale, error)
    return gather(sweep_of("aimc-sensitivity"), SENSITIVITY, out)


def test_sources_are_ranked_by_the_error_that_is_borne(tmp_path):
    sensitivity(tmp_path, (0.05, 0.04, 0.1, 0.2, 0.3, 0.35, 0.4, 0.5))  # all but the last source
    text = write_report(sweep_of("aimc-sensitivity"), SENSITIVITY, tmp_path)
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| v")]
    assert [row[1] for row in rows[:3]] == ["output noise", "input noise", "column offset"]
    assert rows[0] == [
        "vowels",
        "output noise",
        "output",
        "2 (1.8 to 2.2)",
        "0.04 of a full input at a full weight",
        "4.0 %",
    ]
    assert rows[-1][1:4] == ["read noise in each step", "weight", "missing"]
    assert (tmp_path / "aimc-sensitivity.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("noise", "weights", "said"),
    [
        ((0.05, 0.04), 0.3, "holds: less error is borne of both than of any source in the weights, intervals apart"),
        ((0.5, 0.4), 0.1, "does not hold: more error is borne of both than of any source in the weights, intervals apart"),
        ((0.05, 0.29), 0.3, "is not decided: the error of one or both overlaps with those of sources in the weights"),
        ((0.05, 0.4), 0.35, "is not decided: the error of one or both overlaps with those of sources in the weights"),
        ((0.05, 0.4), 0.3, "holds of input noise alone: less error is borne of it than of any source in the weights, and more of output noise, intervals apart"),
        ((0.4, 0.05), 0.3, "holds of output noise alone: less error is borne of it than of any source in the weights, and more of input noise, intervals apart"),
    ],
)  # fmt: skip
def test_the_verdict_is_by_intervals(tmp_path, noise, weights, said):
    found = sensitivity(tmp_path, (*noise, 0.1, 0.1, 0.1, *(weights,) * 4))
    assert verdict(found, "vowels") == [
        f"- vowels: that noise of inputs and outputs hurts more than that of weights {said}."
    ]
    assert "missing" in verdict(found, "har")[0]


def test_feedback_over_time_is_by_intervals(tmp_path):
    """HAR beside its network without feedback; two chips of 0.01 to either side have an interval of 0.16 about A."""
    trials = {(trial.data, trial.mapping): trial for trial in AIMC}
    for data, mapping, at_a_year in (
        ("har", "direct", 0.93),
        ("har_dense", "direct", 0.55),
        ("har", "hwa", 0.55),
        ("har_dense", "hwa", 0.93),
    ):
        write_time(tmp_path, trials[data, mapping], (0.95, 0.95, 0.95, at_a_year))
    results = gather(sweep_of("aimc"), AIMC, tmp_path)
    begin, same = "- har beside har_dense, ", "intervals overlap."
    assert feedback_over_time(results, "1 year") == [
        begin + "mapped directly, 1 year: A is 97.5 % with feedback and 50.0 % without; "
        "better with feedback, intervals apart.",
        begin + "trained for the chips, 1 year: A is 50.0 % with feedback and 97.5 % without; "
        "worse with feedback, intervals apart.",
    ]
    assert all(line.endswith(same) for line in feedback_over_time(results, "1 h"))
    nothing = feedback_over_time(gather(sweep_of("aimc"), AIMC, tmp_path / "none"), "1 h")
    assert nothing == [
        f"{begin}{how}, 1 h: whether the network with feedback keeps more of its accuracy is missing."
        for how in ("mapped directly", "trained for the chips")
    ]


def test_feedback_is_judged_source_by_source(tmp_path):
    """Scales of 2 +- 10 %; of four sources the other network bears 1, 1.9, 2.1 and 4."""
    trials = {(trial.data, trial.source): trial for trial in SENSITIVITY}
    for source, other in (("programming", 1.0), ("input noise", 1.9), ("S-shape", 2.1), ("output noise", 4.0)):
        write_source(tmp_path, trials["har", source], 2.0, 0.1)
        write_source(tmp_path, trials["har_dense", source], other, 0.1)
    begin = "- har beside har_dense"
    assert feedback_of_sources(gather(sweep_of("aimc-sensitivity"), SENSITIVITY, tmp_path)) == [
        f"{begin}, better with feedback, intervals apart: programming.",
        f"{begin}, worse with feedback, intervals apart: output noise.",
        f"{begin}, intervals overlap: input noise; S-shape.",
        f"{begin}: 5 sources are missing.",
    ]


def test_a_source_that_never_takes_enough_says_how_far_it_went(tmp_path):
    write_source(tmp_path, SENSITIVITY[0], 1e9, 0.7)
    found = gather(sweep_of("aimc-sensitivity"), SENSITIVITY, tmp_path)
    assert tolerated(found[SENSITIVITY[0]]) == (0.7, 0.7, math.inf)
    [record] = found[SENSITIVITY[0]]
    reached = {**record, "final": record["final"] | {"scale": 16.0, "low": 15.0, "high": 17.0}}
    assert math.isinf(mean_of([record, reached], "scale")), "of two seeds one never fell"
    text = write_report(sweep_of("aimc-sensitivity"), SENSITIVITY, tmp_path)
    assert "| vowels | input noise | input | over 1.02e+03 | 1 LSB of the DACs | 70.0 % |" in text
