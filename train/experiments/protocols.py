"""The full protocols of the paper's language models (docs/sweeps.md)."""

from dataclasses import replace

from ..language.config import LanguageConfig
from ..layers.config import FLOAT, QuantConfig
from ..layers.noise import Noise


def language_protocol(task: str, bits: tuple[int, int], seed: int, noise: Noise) -> LanguageConfig:
    """The full protocol of ``names`` or ``ptb`` at (weight, converter) bits; (32, 32) is the float baseline."""
    weight, converter = bits
    floating = FLOAT in bits
    quant = QuantConfig(
        weight_bits=weight,
        dac_bits=converter,
        adc_bits=converter,
        bias_rows=4,
        learn_range=not floating,
        output="codes" if floating else "value",  # as in the paper: DACs round what the rows get, not the host's h
        quantiser="sawb",
        range_noise=noise.weight,
    )
    if task == "names":
        quant = replace(quant, input_drive=8)  # one row of a one-hot input stands against all hidden rows
        return LanguageConfig(quant=quant, seed=seed, noise=noise, epochs=16, epoch_steps=500, batch=2)
    return LanguageConfig(
        quant=quant,
        seed=seed,
        noise=noise,
        hidden=300,
        embedding=300,
        epochs=10,
        batch=20,
        window=35,
        learning_rate=0.003,
        clip_norm=0.25,
        dropout=0.2,
        cutoffs=(1000, 4000),
        # One bit latches: its state depends on where it began, and evaluation begins at zero. And no code of one bit
        # leaves a row undriven, so none may be in training.
        start_every=20 * (converter == 1),
        drop_rows=converter != 1,
    )
