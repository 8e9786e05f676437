"""How a float network of speech or language becomes one of few bits that training goes on with."""

from dataclasses import replace

import numpy as np

from ..layers.config import QuantConfig


def trained_at(bits: int, input_drive: int, quantiser: str = "lsq", per_gate: bool = False) -> QuantConfig:
    """LSTM arrays with weights, DACs and ADCs of ``bits``, whose ADCs' ranges are learned."""
    return QuantConfig(
        weight_bits=bits,
        dac_bits=bits,
        adc_bits=bits,
        quantiser=quantiser,
        per_gate=per_gate,
        learn_range=True,
        leak=0.1,
        input_drive=input_drive,
    )


def head_of(config: QuantConfig, adc_bits: int) -> QuantConfig:
    """Of the head behind such arrays, whose ADCs a host reads."""
    return replace(config, adc_bits=adc_bits, input_drive=1)


def evenly(count: int, most: int) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` examples, from the first to the last, to measure ranges on."""
    return np.linspace(0, count - 1, min(most, count)).astype(int)
