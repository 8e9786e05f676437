"""Signals are measured where they are, and noise is as far below them as it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.signal import SignalPower, noise_at_snr, signal_power, snr_of
from ohmgate.train.layers.whole_model import arrays_of, listening, set_noise

LENGTHS = torch.tensor([3, 7, 5, 1])


def lstm(bits: int = 8) -> QuantLSTM:
    torch.manual_seed(1)
    return QuantLSTM(5, 6, weight_bits=bits, dac_bits=bits, adc_bits=bits)


def inputs(batch: int = 4) -> torch.Tensor:
    return torch.rand(7, batch, 5, generator=torch.Generator().manual_seed(2)) * 2 - 1


def heard(model, run) -> list:
    """(DAC codes, trace) of every array in turn."""
    found = []
    with listening(model, arrays_of(model), lambda array, codes, trace: found.append((codes, trace))):
        run()
    return found


def test_power_is_of_the_steps_that_sequences_have():
    model, x = lstm(), inputs()
    [(array, power)] = signal_power(model, lambda: model(x), LENGTHS).items()
    assert array is model.arrays[0]
    [(codes, trace)] = heard(model, lambda: model(x))
    rows, sums = [], []
    for sequence, length in enumerate(LENGTHS.tolist()):
        for step in range(length):
            sums += trace.voltage[step, sequence].tolist()
            rows += codes[step, sequence].tolist()
            rows += trace.hidden[step - 1, sequence].tolist() if step else []
    assert len(sums) == 16 * 24
    assert power.sums == pytest.approx(np.sqrt(np.mean(np.square(sums))), rel=1e-12)
    assert power.rows == pytest.approx(np.sqrt(np.mean(np.square(rows))), rel=1e-12)


@pytest.mark.parametrize("bits", [4, 32])
def test_noise_is_as_far_below_the_sums_as_it_says(bits):
    model, x = lstm(bits), inputs(3000)[:1]  # a first step: sums have no noise of steps before in them
    powers = signal_power(model, lambda: model(x))
    [(_, clean)] = heard(model, lambda: model(x))
    set_noise(model, evaluate=noise_at_snr(powers, 6.0, site="sums"), seed=0)
    [(_, noisy)] = heard(model, lambda: model(x))
    noise = (noisy.voltage - clean.voltage).double()
    found = 10 * np.log10(float(clean.voltage.double().square().mean() / noise.square().mean()))
    assert found == pytest.approx(6.0, abs=0.1)  # 72,000 numbers: a deviation of 0.02 dB
    assert abs(float(noise.mean())) < 0.02 * float(noise.std())


@pytest.mark.parametrize("bits", [4, 32])
def test_noise_is_as_far_below_the_rows_as_it_says(bits):
    torch.manual_seed(3)
    model = QuantLinear(50, 400, weight_bits=bits, dac_bits=bits, adc_bits=32, bias=False)
    x = torch.rand(200, 50) * 2 - 1
    powers = signal_power(model, lambda: model(x))
    clean = model.eval()(x).detach()
    set_noise(model, evaluate=noise_at_snr(powers, 3.0, site="rows"), seed=0)
    noise = model(x).detach() - clean
    signal = clean.double().square().sum()  # rows are independent and alike, so sums have the SNR of the rows
    found = 10 * np.log10(float(signal / noise.double().square().sum()))
    assert found == pytest.approx(3.0, abs=0.2)


def test_noise_of_training_is_each_arrays_own():
    torch.manual_seed(4)
    model = QuantLSTM(5, 6, num_layers=2)
    x = inputs()
    powers = signal_power(model, lambda: model(x), LENGTHS)
    own = noise_at_snr(powers, 0.0, site="sums")
    set_noise(model, train=own)
    assert [array.train_noise.adc for array in model.arrays] == [powers[array].sums for array in model.arrays]
    assert powers[model.arrays[0]].sums != powers[model.arrays[1]].sums
    assert all(array.eval_noise == Noise() for array in model.arrays)
    set_noise(model, train={model.arrays[0]: Noise()})
    assert [array.train_noise.adc for array in model.arrays] == [0.0, powers[model.arrays[1]].sums]


def test_a_fixed_noise_is_farther_below_a_signal_that_has_grown():
    model, x = lstm(), inputs()
    powers = signal_power(model, lambda: model(x))
    noise = noise_at_snr(powers, 0.0, site="sums")
    assert snr_of(powers, noise, site="sums") == pytest.approx([0.0], abs=1e-12)
    twice = {array: replace(power, sums=2 * power.sums) for array, power in powers.items()}
    assert snr_of(twice, noise, site="sums") == pytest.approx([20 * np.log10(2)])


def test_measuring_draws_no_noise_and_changes_none():
    model, x = lstm(), inputs()
    set_noise(model, evaluate=Noise(adc=3.0), seed=5)
    before = signal_power(model, lambda: model(x))
    assert model.arrays[0].source.draws == 0
    assert model.arrays[0].eval_noise == Noise(adc=3.0)
    assert signal_power(model, lambda: model(x)) == before
    assert model.training


def test_an_array_that_never_runs_is_refused():
    with pytest.raises(DesignError, match=r"^array 0 must run for its signal to be measured, but never runs$"):
        signal_power(lstm(), lambda: None)


def test_sites_are_rows_and_sums():
    powers = {lstm().arrays[0]: SignalPower(1.0, 2.0)}
    with pytest.raises(DesignError, match=r"^site of noise must be one of rows, sums, not 'adc'$"):
        noise_at_snr(powers, 0.0, site="adc")


def test_noise_of_another_models_arrays_is_refused():
    """Else a network would be measured without the noise that was meant for it."""
    model, other, x = lstm(), lstm(), inputs()
    powers = signal_power(other, lambda: other(x))
    with pytest.raises(DesignError, match=r"^noise must be of the model's own arrays, but 1 of 1 are another's$"):
        set_noise(model, evaluate=noise_at_snr(powers, 0.0, site="sums"))


def test_an_snr_is_of_noise_and_signal():
    powers = {lstm().arrays[0]: SignalPower(1.0, 0.0)}
    assert snr_of(powers, dict.fromkeys(powers, Noise(adc=1.0)), site="sums") == [-np.inf]
    with pytest.raises(DesignError, match=r"^an SNR must be of noise, but an array has none on its sums$"):
        snr_of(powers, dict.fromkeys(powers, Noise(dac=1.0)), site="sums")
