"""Every field of a training's configurations is checked, at both of its ends; those of a layer: test_config.py."""

import json
import math
from dataclasses import asdict, fields, replace

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.config import TrainConfig
from ohmgate.train.experiments.paper import Trial
from ohmgate.train.language.config import LanguageConfig
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.noise import Noise
from tests.fields import every_field

PARTS = [
    TrainConfig(), LanguageConfig(quant=QuantConfig()), Noise(), Trial(task="ptb", weight_bits=2, converter_bits=3),
]  # fmt: skip
CHECKED_ELSEWHERE = frozenset({
    ("LanguageConfig", "cutoffs"),  # by the model, which knows the tokens
    ("TrainConfig", "snr"),  # None is legal: tests/train/test_snr.py
    ("Trial", "adc_noise"), ("Trial", "weight_noise"),  # by their Noise
    ("Trial", "post_training"),  # by its task
})  # fmt: skip


@every_field(PARTS, CHECKED_ELSEWHERE)
def test_what_is_of_another_kind_is_refused(part, name):
    held = getattr(part, name)
    if isinstance(held, bool):
        wrong = [1, None, "yes"]
    elif isinstance(held, str):
        wrong = ["x", 3, None]
    elif isinstance(held, int):
        wrong = ["1", None, True, -1, held + 0.5, 2**40]
    else:
        wrong = ["1", None, True, math.nan, -1e-6, 1e7]
    for value in wrong:
        with pytest.raises(DesignError) as error:
            replace(part, **{name: value})
        assert f"not {value!r}" in str(error.value)


#: lowest and highest value that a field may have
ENDS = [
    (TrainConfig, "epochs", 1, 100000), (TrainConfig, "batch", 1, 100000), (TrainConfig, "seed", 0, 2**31 - 1),
    (TrainConfig, "learning_rate", 0.0, 10.0), (TrainConfig, "label_smoothing", 0.0, 0.9),
    (TrainConfig, "input_noise", 0.0, 100.0), (TrainConfig, "clip_norm", 1e-6, 1e6), (TrainConfig, "deviations", 0.1, 100.0),
    (TrainConfig, "range_noise", 0.0, 1000.0), (TrainConfig, "float_epochs", 0.0, 0.99), (TrainConfig, "noise_ramp", 0.0, 1.0),
    (TrainConfig, "noiseless", 0.0, 1.0),
    (Noise, "adc", 0.0, 1000.0), (Noise, "weight", 0.0, 1000.0),
    (Noise, "dac", 0.0, 1000.0), (Noise, "drop", 0.0, 0.999),
]  # fmt: skip


@pytest.mark.parametrize("kind, name, low, high", ENDS, ids=[f"{kind.__name__}.{name}" for kind, name, *_ in ENDS])
def test_the_ends_of_a_range_are_legal_and_what_lies_beyond_is_not(kind, name, low, high):
    step = 1 if isinstance(low, int) else 1e-3
    for value in (low, high):
        assert getattr(kind(**{name: value}), name) == value
    for value in (low - step, high + step):
        with pytest.raises(DesignError):
            kind(**{name: value})


@pytest.mark.parametrize(
    "part", [TrainConfig(), Noise(), LanguageConfig(quant=QuantConfig())], ids=lambda p: type(p).__name__
)
def test_numbers_of_numpy_become_pythons_so_that_files_have_the_same_bytes(part):
    """1/2 and 3/4 are the same in every type. A whole number given for a real one is a float, too."""
    named = {field.name: getattr(part, field.name) for field in fields(part)}
    whole = {name: np.int64(3) for name, value in named.items() if type(value) is int}
    real = {name: value for name, value in named.items() if type(value) is float}
    for kind in (np.float16, np.float32, np.float64):
        given = replace(part, **whole, **{name: kind(0.5) for name in real})
        plain = replace(part, **dict.fromkeys(whole, 3), **dict.fromkeys(real, 0.5))
        assert json.dumps(asdict(given)) == json.dumps(asdict(plain))
    for name in set(real) - {"drop", "label_smoothing", "dropout", "float_epochs", "validation"}:
        assert json.dumps(getattr(replace(part, **{name: np.uint8(1)}), name)) == "1.0"
        assert json.dumps(getattr(replace(part, **{name: 1}), name)) == "1.0"
