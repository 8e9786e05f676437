"""Reports of pen strokes in noise show the trials' numbers, and what is missing as missing."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from ohmgate.report import sweep_deep_noise, sweep_strokes_snr
from ohmgate.report.sweep_deep_noise import DEEP_NOISE, interval_text
from ohmgate.report.sweep_strokes_snr import STROKES_SNR
from ohmgate.train.experiments.deep_noise import OFF, READ


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_votes():
    first, second = STROKES_SNR.trials[:2]
    values = {name: number / 100 for number, name in enumerate(sweep_strokes_snr.METRICS)}
    values |= {"snr_layer": 12.34, "snr_head": 1.0, "naive_mean_9": 0.125, "trained_mean_49": 0.9876}
    results = {trial: [] for trial in STROKES_SNR.trials} | {first: [{"final": values}]}
    lines = STROKES_SNR.table(results, 1)
    shown = cells(lines[2])
    assert shown[:5] == ["LSTM 64", "float", "sums", "fixed", "0.0"]
    heads = cells(lines[0])
    assert len(shown) == len(heads) == 14
    assert (heads[7], heads[11], heads[13]) == ("9", "49", "SNR of layer, head")
    assert (shown[7], shown[11], shown[13]) == ("12.5", "98.8", "12.3 dB, 1.0 dB")
    assert cells(lines[3])[:2] == ["LSTM 64", "4/4/4"]
    assert cells(lines[3])[4:] == ["missing"] * 10
    assert "15.5 % before, and 89.6 %" in "\n".join(lines)
    (figure,) = STROKES_SNR.plots(results).values()
    drawn = {bars.get_label(): bars.lines[0].get_xydata() for bars in figure.axes[0].containers}
    assert drawn["float, trained, fixed power"][:, 0].tolist() == [1, 3, 9, 25, 49]
    assert drawn["float, trained, fixed power"][-1, 1] == pytest.approx(98.76)
    assert drawn["float, naive"][2, 1] == pytest.approx(12.5)
    assert second.floating is False


def record(seed: int, fixed: float, clean: float) -> dict:
    reads = {f"{power}_{each}": fixed + each / 1000 for power in ("fixed", "own") for each in READ}
    return {"trial": {"seed": seed}, "final": {"clean": clean, "gained_layer": 2.0, "gained_head": -1.0, **reads}}


def test_deep_noise():
    naive = next(trial for trial in DEEP_NOISE.trials if trial.trained == OFF)
    loud = replace(naive, trained=0)
    results = {trial: [] for trial in DEEP_NOISE.trials}
    results[naive] = [record(0, 0.5, 0.90), record(1, 0.6, 0.91)]
    results[loud] = [record(0, 0.75, 0.92), record(1, 0.75, 0.90), record(2, 0.1, 0.1)]
    results[loud][0]["final"] |= {"own_9": 0.3, "fixed_12": 0.0}  # the second beyond what is claimed
    lines = DEEP_NOISE.table(results, 3)
    row = next(cells(line) for line in lines if line.startswith("| LSTM 64 | 0 dB | ") and "dB |" in line[-6:])
    assert row[2:] == ["+20.0", "-3.0", "+0.50 (-18.56 to +19.56)", "+2.0 dB, -1.0 dB"]
    table = [cells(line) for line in lines if line.startswith("| LSTM 64 | without noise")]
    assert table[0][3] == "54.4 ± 7.1 (2 of 3 seeds)"
    assert [cells(line)[2:] for line in lines if line.startswith("| RNN 64 | 20 dB")][-1] == ["missing"] * 4
    (figure,) = DEEP_NOISE.plots(results).values()
    lines_drawn = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    assert lines_drawn["trained without noise"][2].tolist() == pytest.approx([0, 55.0])
    assert lines_drawn["trained at 20 dB: missing"].size == 0
    band = figure.axes[0].collections[0].get_paths()[0].vertices
    assert band[:, 1].max() == pytest.approx(55 + 3.0 + 50**0.5)


@pytest.mark.parametrize("count", range(2, 11))
def test_intervals_are_student_s(count):
    gains = np.random.default_rng(count).normal(1, 2, count)
    low, high = stats.t.interval(0.95, count - 1, gains.mean(), stats.sem(gains))
    mean, rest = interval_text(gains).split(" (")
    assert float(mean) == pytest.approx(gains.mean(), abs=0.006)
    assert [float(end) for end in rest.rstrip(")").split(" to ")] == pytest.approx([low, high], abs=0.012)
    assert interval_text([1.25]) == "+1.25"
    assert sweep_deep_noise.STUDENT[count] == pytest.approx(stats.t.ppf(0.975, count - 1), abs=1e-3)
