"""The noise has the paper's size, and weight noise is drawn again when it says."""

import numpy as np
import pytest
import torch
from scipy import stats

from ohmgate.model.design import Design, LstmLayer
from ohmgate.model.formats import DesignError
from ohmgate.train.config import QuantConfig
from ohmgate.train.linear import LinearArray
from ohmgate.train.lstm import LstmArray
from ohmgate.train.network import DesignNetwork, evaluate_codes
from ohmgate.train.noise import PAPER_ADC, Noise

ROWS = 20


def array(noise: Noise, columns: int = 50) -> LinearArray:
    """A dense array whose converter is wide and fine enough to show its voltage."""
    torch.manual_seed(3)
    module = LinearArray(ROWS, columns, QuantConfig(bias_rows=0, adc_bits=16, adc_range=64.0))
    module.eval_noise = noise
    return module.eval()


def test_adc_noise_has_the_papers_deviation():
    module = array(Noise(adc=900 * PAPER_ADC))  # so many steps that rounding to codes does not show
    x = torch.rand(2000, ROWS) * 2 - 1
    clean = array(Noise())(x)
    with torch.no_grad():
        steps = ((module(x) - clean) / module.converter(module.alpha()).step[0]).flatten().numpy()
    assert len(steps) == 100_000
    assert stats.kstest(steps / (900 / np.sqrt(12)), "norm").pvalue > 0.001


@pytest.mark.parametrize("redraw", ["per_step", "per_sequence", "per_batch", "per_programming"])
def test_weight_noise_has_the_papers_deviation(redraw):
    beta, module = 0.1, None
    errors = []
    x = torch.ones(1, ROWS)
    module = array(Noise(weight=beta, redraw=redraw), columns=500)
    clean = array(Noise(), columns=500)(x)
    for _ in range(20):
        module.program()
        with torch.no_grad():
            errors.append((module(x) - clean).flatten().numpy())
    span = 2 * float(module.alpha()[0].detach())
    errors = np.concatenate(errors) / (beta * span * np.sqrt(ROWS))
    assert stats.kstest(errors, "norm").pvalue > 0.001


def test_redraws():
    """Which results are equal says when weights were drawn: the same inputs at all steps, sequences and passes."""
    x = torch.ones(2, 3, ROWS)  # (T, B, m)
    expected = {  # equal between steps, between sequences, between passes, after programming again
        "per_step": (False, False, False, False),
        "per_sequence": (True, False, False, False),
        "per_batch": (True, True, False, False),
        "per_programming": (True, True, True, False),
    }
    for redraw, want in expected.items():
        module = array(Noise(weight=0.1, redraw=redraw))
        with torch.no_grad():
            first, second = module(x), module(x)
            module.program()
            third = module(x)
        same = torch.equal
        got = (same(first[0], first[1]), same(first[:, 0], first[:, 1]), same(first, second), same(second, third))
        assert got == want, redraw


@pytest.mark.parametrize("redraw", ["per_step", "per_sequence", "per_batch", "per_programming"])
def test_lstm_noise_is_repeated_by_its_seed(redraw):
    model = DesignNetwork(Design("one", (LstmLayer(inputs=4, hidden=8, adcs=4),)))
    model.set_noise(evaluate=Noise(adc=PAPER_ADC, weight=0.05, redraw=redraw))
    codes = np.random.default_rng(0).integers(-7, 8, (3, 5, 4))
    runs = []
    for seed in (1, 1, 2):
        model.set_noise(seed=seed)
        runs.append(evaluate_codes(model, codes))
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_per_step_noise_of_an_lstm_counts_only_driven_rows():
    """Inputs, bias and hidden codes of 0 leave nothing to multiply weight noise."""
    module = LstmArray(4, 8, QuantConfig(bias_rows=0)).eval()
    module.eval_noise = Noise(weight=0.2, redraw="per_step")
    with torch.no_grad():
        clean = LstmArray(4, 8, QuantConfig(bias_rows=0)).eval()
        clean.load_state_dict(module.state_dict())
        zeros = torch.zeros(1, 2, 4)
        assert torch.equal(module(zeros)[0], clean(zeros)[0])
        ones = torch.ones(1, 2, 4)
        assert not torch.equal(module(ones)[0], clean(ones)[0])


def test_training_and_evaluation_noise_are_apart():
    module = array(Noise())
    module.train_noise = Noise(adc=1.0)
    x = torch.ones(1, ROWS)
    assert torch.equal(module(x), module(x))
    module.train()
    assert not torch.equal(module(x), module(x))


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"adc": -1}, "ADC noise must be a number from 0 to 1000, not -1"),
        ({"weight": "much"}, "weight noise must be a number from 0 to 1000, not 'much'"),
        (
            {"redraw": "often"},
            "weight noise redraw must be one of per_step, per_sequence, per_batch, per_programming, not 'often'",
        ),
    ],
)
def test_sentences(fields, sentence):
    with pytest.raises(DesignError) as error:
        Noise(**fields)
    assert str(error.value) == sentence
