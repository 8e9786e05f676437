"""Histograms of codes show the counts."""

import numpy as np
import pytest

from ohmgate.report.figures import code_histograms
from ohmgate.train.usage import CodeUsage


def usage(groups: int, adc_bits: int) -> CodeUsage:
    adc = np.zeros((groups, 2**adc_bits), dtype=int)
    adc[:, -1] = 1
    adc[:, 0] = 3
    return CodeUsage(
        name="layers.0",
        weights=np.array([1, 2, 1]),
        inputs=np.array([0, 0, 6, 1, 0, 0, 1]),
        hidden=np.array([2, 0, 0, 0, 0, 0, 0]) if groups > 1 else None,
        adc=adc,
        inputs_clipped=0.125,
        adc_clipped=np.linspace(0, 0.03, groups),
    )


def test_histograms_show_shares_and_what_clips():
    figure = code_histograms([usage(4, 4), usage(1, 8)])
    weights, dac, adc, _, dense_dac, dense_adc = figure.axes
    values, edges, _ = weights.patches[0].get_data()
    assert values.tolist() == [25, 50, 25]
    assert edges.tolist() == [-1.5, -0.5, 0.5, 1.5]
    values, edges, _ = dac.patches[0].get_data()
    assert values.tolist() == [0, 0, 75, 12.5, 0, 0, 12.5]
    assert edges[0] == -3.5
    assert [text.get_text() for text in dac.get_legend().get_texts()] == ["inputs, 12.50 % clip", "hidden"]
    names = [text.get_text() for text in adc.get_legend().get_texts()]
    assert names == ["f, 0.00 % clip", "i, 1.00 % clip", "o, 2.00 % clip", "g, 3.00 % clip"]
    values, edges, _ = adc.patches[3].get_data()
    assert (values[0], values[-1], edges[0], edges[-1]) == (75, 25, -8.5, 7.5)
    assert len(dense_dac.patches) == 1
    values, edges, _ = dense_adc.patches[0].get_data()
    assert (len(values), values[0], values[-1]) == (64, 75, 25)  # four codes a step
    assert edges.tolist() == (np.arange(65) * 4 - 128.5).tolist()


def test_bins_of_codes_that_do_not_divide_hold_all_of_them():
    narrow = usage(1, 4)
    object.__setattr__(narrow, "weights", np.ones(255, dtype=int))
    values, edges, _ = code_histograms([narrow]).axes[0].patches[0].get_data()
    assert values.sum() == pytest.approx(100)
    assert (edges[0], edges[-1]) == (-127.5, 127.5)
