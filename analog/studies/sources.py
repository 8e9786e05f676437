"""The sources of error of a configuration by name, to switch off or to look at one at a time."""

from collections.abc import Callable
from dataclasses import replace

from ...model.formats import check_choice
from ..config import ArrayConfig
from ..memory.devices import REFERENCE_KELVIN

Remover = Callable[[ArrayConfig], ArrayConfig]


def _device(**fields) -> Remover:
    def remove(config: ArrayConfig) -> ArrayConfig:
        if config.cells is None:
            return config
        return replace(config, cells=replace(config.cells, device=replace(config.cells.device, **fields)))

    return remove


def _aged(remove: Remover) -> Remover:
    """Only of cells that have an age."""
    return lambda config: remove(config) if config.cells and config.cells.seconds else config


def _no_converter_noise(config: ArrayConfig) -> ArrayConfig:
    return replace(config, adc_noise="none", adc_sigma=0.0) if config.conversion_sigma else config


def _no_temperature(config: ArrayConfig) -> ArrayConfig:
    at_reference = not config.cells or config.cells.kelvin == REFERENCE_KELVIN
    return config if at_reference else _device(temperature_coefficient=0.0, conduction_energy=(0.0, 0.0))(config)


def _part(part: str, **fields) -> Remover:
    def remove(config: ArrayConfig) -> ArrayConfig:
        held = getattr(config, part)
        return replace(config, **{part: replace(held, **fields)}) if held else config

    return remove


NO_DRIFT = (0.0, 0.0, 0.0, 0.0)

#: What takes each source out of a configuration.
SOURCES: dict[str, Remover] = {
    "weight noise": lambda config: replace(config, weight_noise=0.0),
    "converter noise": _no_converter_noise,
    "write and verify": _part("cells", writer=None),
    "programming": _device(program_sigma=(0.0, 0.0, 0.0)),
    "device to device": _device(device_sigma=0.0),
    "read noise": _device(read_sigma=0.0),
    "telegraph": _device(telegraph=None),
    "1/f": _device(flicker=None),
    "thermal": _part("cells", thermal=False),
    "shot": _part("cells", shot=False),
    "drift": _aged(_device(drift_mean=NO_DRIFT, drift_sigma=NO_DRIFT)),
    "retention": _aged(_device(retention=float("inf"))),
    "temperature": _no_temperature,
    "stuck cells": _part("cells", stuck_on=0.0, stuck_off=0.0),
    "nonlinear cells": _device(sinh_voltage=float("inf")),
    "wires": _part("cells", wires=None, tile=0, compensate=False),
    "sense amplifiers": _part("cells", amplifiers=None),
    "DAC": lambda config: replace(config, dac=None),
    "ADC offset": _part("adc", offset_sigma=0.0),
    "ADC gain": _part("adc", gain_sigma=0.0),
    "ADC mismatch": _part("adc", mismatch=0.0),
    "comparator": _part("adc", comparator_sigma=0.0),
    "column offset": _part("columns", offset_sigma=0.0),
    "column gain": _part("columns", gain_sigma=0.0),
    "S-shape": _part("columns", s_shape=0.0),
}


def without(config: ArrayConfig, source: str) -> ArrayConfig:
    """The configuration with one source taken out."""
    check_choice("noise source", source, tuple(SOURCES))
    return SOURCES[source](config)


def isolated(config: ArrayConfig, source: str | None) -> ArrayConfig:
    """The configuration with all other sources taken out; None leaves no source at all."""
    if source is not None:
        check_choice("noise source", source, tuple(SOURCES))
    for name, remove in SOURCES.items():
        if name != source:
            config = remove(config)
    return config


def present(config: ArrayConfig) -> list[str]:
    """Names of the sources that change this configuration's readings."""
    nothing = isolated(config, None)
    return [name for name in SOURCES if isolated(config, name) != nothing]
