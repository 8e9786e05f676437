"""From a trained model to the network that the hardware runs, and the proof that both give the same integers."""

from .description import export

__all__ = ["export"]
