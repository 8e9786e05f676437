"""The full protocols of the paper's language models (docs/sweeps.md)."""

from dataclasses import replace
from typing import Any

from ...model.design import Design
from ...model.formats import DesignError
from ...model.layers import DenseLayer
from ..layers.config import FLOAT, QuantConfig
from ..layers.noise import Noise
from ..network import quant_config
from .config import LanguageConfig

ONE_HOT_LEAK = 0.03  #: of ADCs whose row tiles have one-hot inputs (docs/wires.md)


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


def design_protocol(
    design: Design, task: str, tokens: int, *, seed: int, floating: bool, noise: Noise, **chosen: Any
) -> LanguageConfig:
    """The protocol of ``names`` or ``ptb`` for a design's arrays; ``chosen`` are fields that differ from it.

    Inputs that are not as many as the ``tokens`` are a learned embedding. One-hot inputs in row tiles get a leak:
    where a tile has no other rows, its sum is that of one weight, which could never come back once it clips. Raises
    :class:`DesignError` for a design that is not of one LSTM layer, with or without a head for the tokens.
    """
    check_design(design, task, tokens)
    first, quantiser = design.layers[0], chosen.pop("quantiser", "sawb")
    bits = (FLOAT, FLOAT) if floating else (first.weight_bits, first.dac_bits)
    usual = language_protocol(task, bits, seed, noise)
    if first.own_input_bits == 1 and not floating:
        usual = replace(usual, drop_rows=False)  # as with one bit everywhere
    ranges: dict[str, Any] = {"quantiser": quantiser, "range_noise": noise.weight if quantiser == "sawb" else 0.0}
    if first.inputs == tokens and first.row_tiles > 1 and not floating:
        ranges["leak"] = ONE_HOT_LEAK
    quant = quant_config(first, floating, learn_range=not floating, **ranges)
    return replace(
        usual,
        quant=replace(quant, output="codes") if floating else quant,
        hidden=first.outputs,
        embedding=0 if first.inputs == tokens else first.inputs,
        cutoffs=tuple(border for border in usual.cutoffs if border < tokens and len(design.layers) == 1),
        **chosen,
    )


def check_design(design: Design, task: str, tokens: int) -> None:
    """Raise :class:`DesignError` for a design that no language model has."""
    first, last = design.layers[0], design.layers[-1]
    if design.max_steps:
        raise DesignError("a design for texts must have no layers in reverse, as a text has no end")
    if first.kind != "lstm" or len(design.layers) > 2:
        raise DesignError(f"a design for {task} must be an LSTM layer, with or without a head, but is not")
    if isinstance(last, DenseLayer) and (last.output, last.outputs, last.emit) != ("codes", tokens, "step"):
        raise DesignError(
            f"a head for {task} must give codes of {tokens} outputs on every step, not {last.output} of "
            f"{last.outputs} on every {last.emit}"
        )
