"""The same network on hardware with other converters: an ADC more or less changes time and area, but no number."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import product

from .design import DIAGNOSTICS, RETIMING, Design
from .formats import DesignError
from .layers import MAX_ADCS, Layer
from .network import Network

FREE = ("adcs", *RETIMING, *DIAGNOSTICS)  #: fields of a layer that decide how its numbers are made, but none of them
MOST_DESIGNS = 100_000  #: that :func:`with_fingerprint` looks through


def with_adcs(design: Design, adcs: Sequence[int]) -> Design:
    """``design`` with so many ADCs in each layer. Raises :class:`DesignError` for a number that does not divide."""
    if len(adcs) != len(design.layers):
        raise DesignError(f"ADCs must be given for the {len(design.layers)} layers, not for {len(adcs)}")
    return replace(design, layers=tuple(replace(x, adcs=k) for x, k in zip(design.layers, adcs)))


def with_spares(design: Design, spares: int | None) -> Design:
    """``design`` with diagnostics, and so many spare columns behind each ADC; None: as many as it has."""
    layers = tuple(
        replace(layer, diagnostics=True, spares=layer.spares if spares is None else spares) for layer in design.layers
    )
    return replace(design, layers=layers)


def possible_adcs(layer: Layer) -> list[int]:
    """Every number of ADCs that the layer's array can have, ascending."""
    units = layer.columns // layer.gates
    counts = (layer.gates * k for k in range(1, units + 1) if units % k == 0)
    return [count for count in counts if count <= MAX_ADCS]


def with_fingerprint(design: Design, fingerprint: str) -> Design | None:
    """``design`` with the ADCs that give it this fingerprint, its own first; None where no number does."""
    if design.fingerprint == fingerprint:
        return design
    choices = [possible_adcs(layer) for layer in design.layers]
    for count, adcs in enumerate(product(*choices)):
        if count == MOST_DESIGNS:
            return None
        found = with_adcs(design, adcs)
        if found.fingerprint == fingerprint:
            return found
    return None


def refit(network: Network, design: Design) -> Network:
    """``network`` on ``design``, whose layers may differ in :data:`FREE` only: every integer stays.

    Raises :class:`DesignError` for the first field that would change a number.
    """
    here, there = network.design.layers, design.layers
    if len(here) != len(there):
        raise DesignError(f"the design must have the network's {len(here)} layers, not {len(there)}")
    for index, (layer, other) in enumerate(zip(here, there)):
        if layer.kind != other.kind:
            raise DesignError(f"layer {index}: kind must be the network's {layer.kind!r}, not {other.kind!r}")
        for field in fields(layer):
            mine, its = getattr(layer, field.name), getattr(other, field.name)
            if mine != its and field.name not in FREE:
                raise DesignError(f"layer {index}: {field.name} must be the network's {mine!r}, not {its!r}")
    return replace(network, design=design)
