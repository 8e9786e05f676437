"""The default configuration: what each rule says, by hand-made data sets."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.model.design import Design
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.data.sequences import SequenceDataset, Sequences
from ohmgate.train.recipe import PROTOCOLS, has_protocol, rules, usual_config
from ohmgate.train.training import train


def dataset(count: int, steps: int, values: bool = False) -> SequenceDataset:
    """Of 12 channels and 9 classes, as the preset vowels takes it."""
    features = np.random.default_rng(0).normal(size=(count, steps, 12)).astype(np.float32)
    labels = np.linspace(0, 1, count)[:, None] if values else np.arange(count) % 9
    data = Sequences(features, np.full(count, steps), labels)
    return SequenceDataset("own.npz", data, data, () if values else tuple("abcdefghi"))


def at_bits(bits: int) -> Design:
    lstm, head = Design.load("vowels").layers
    return Design(
        "mine", (replace(lstm, dac_bits=bits, weight_bits=bits, adc_bits=bits), replace(head, dac_bits=bits))
    )


def test_a_small_set_gets_updates_and_a_long_one_memory():
    config = usual_config(at_bits(4), dataset(60, 275))
    assert (config.batch, config.epochs) == (16, 750)  # 4 batches an epoch, 3,000 updates
    assert config.forget_bias == 3.5  # ln(275 / 8) = 3.54, within the ADC's range
    assert (config.quantiser, config.learn_range, config.fast, config.input_range) == ("lsq", True, True, "error")
    assert config.input_noise == 0.16  # 0.4 deviations, of which 2.5 are full scale


def test_a_large_set_gets_larger_batches_and_less_noise():
    config = usual_config(at_bits(4), dataset(6000, 20))
    assert (config.batch, config.epochs) == (128, 64)  # 47 batches an epoch
    assert (config.forget_bias, config.input_noise) == (1.0, 0.08)
    config = usual_config(at_bits(4), dataset(60000, 2))
    assert (config.epochs, config.input_noise) == (10, 0.0)


def test_the_learning_rate_follows_the_mean_length():
    assert [usual_config(at_bits(4), dataset(20, steps)).learning_rate for steps in (100, 101)] == [0.02, 0.01]


@pytest.mark.parametrize(("bits", "noise"), [(1, 0.5), (2, 0.333), (3, 0.2), (8, 0.098), (12, 0.098)])
def test_noise_is_relative_to_the_range_of_inputs(bits, noise):
    assert usual_config(at_bits(bits), dataset(90, 20)).input_noise == noise


def test_values_get_no_noise():
    assert usual_config(at_bits(4), dataset(90, 100, values=True)).input_noise == 0
    assert usual_config(at_bits(4), dataset(90, 100, values=True)).forget_bias == 2.53  # ln(100 / 8)


def test_a_preset_has_its_protocol_and_another_design_on_its_data_has_the_rules():
    vowels = load_dataset("vowels")
    assert usual_config(Design.load("vowels"), vowels) == PROTOCOLS["vowels"]
    renamed = replace(Design.load("vowels"), name="mine")
    assert has_protocol(renamed, vowels)
    lstm, head = Design.load("vowels").layers
    tiled = replace(lstm, tile_rows=16, input_tile_shift=1), replace(head, tile_rows=20)
    assert has_protocol(Design("tiled", tiled), vowels)
    assert not has_protocol(at_bits(2), vowels)
    assert usual_config(at_bits(2), vowels).batch == 33
    assert not has_protocol(Design.load("vowels"), dataset(90, 20))


def test_every_field_that_differs_from_a_plain_configuration_has_its_reason():
    data = dataset(90, 20)
    config, plain = usual_config(at_bits(4), data), TrainConfig()
    found = {rule.field: rule for rule in rules(at_bits(4), data)}
    assert {name for name in vars(plain) if getattr(config, name) != getattr(plain, name)} <= set(found)
    assert all(rule.why and getattr(config, rule.field) == rule.value for rule in found.values())
    assert found["epochs"].why == "at least 3000 updates of the whole set and 10 epochs"


def test_train_without_a_configuration_uses_the_rules_and_its_forget_bias(monkeypatch):
    data = dataset(40, 64)
    monkeypatch.setattr("ohmgate.train.recipe.UPDATES", 1)
    monkeypatch.setattr("ohmgate.train.recipe.EPOCHS", 1)
    result = train(at_bits(4), data)
    assert result.config == usual_config(at_bits(4), data)
    frozen = train(at_bits(4), data, replace(result.config, learning_rate=0.0, forget_bias=2.5))
    lstm = frozen.model.layers[0]
    assert lstm.cells[-1, : lstm.hidden].tolist() == [2.5] * 32
    assert lstm.cells[:-1].abs().max() <= 32**-0.5


def test_a_forget_bias_at_its_default_is_not_in_a_runs_identity():
    assert "forget_bias" not in TrainConfig().to_dict()
    changed = TrainConfig(forget_bias=0.0, input_range="error")
    assert TrainConfig.from_dict(changed.to_dict()) == changed
