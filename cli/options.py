"""Options that commands share."""

from ..analog.config import ArrayConfig
from ..analog.config_file import load_config


def noise_of(name: str, option: str = "noise") -> ArrayConfig:
    """The array of an option: a preset's name, a configuration file, or beta of the weight noise."""
    try:
        beta = float(name)
    except ValueError:
        return load_config(name, f"{option}, unless a number,")
    return ArrayConfig(weight_noise=beta)
