"""From a model's arrays to a description whose host has the model's own real numbers, or other units."""

from collections.abc import Sequence

from ..model.design import Design
from ..model.network import Network
from .layers.array import ArrayModule


def described(design: Design, arrays: Sequence[ArrayModule], labels=(), **units) -> Network:
    """The description of ``arrays``, which ``design`` names one by one.

    Encoding takes the first array's full-scale input to 1, decoding gives the last array's outputs: the step of a
    head follows from its gain and is hardly ever the nominal one. ``units`` are those of :meth:`Network.in_units`,
    between the host's numbers and the model's.
    """
    data = tuple(array.layer_data() for array in arrays)
    last = design.layers[-1]
    full_scale, scale = float(arrays[0].full_scale.detach()), ()
    if last.kind == "dense" and last.output == "codes":
        step = float(arrays[-1].real_steps()[0])
        scale = () if step == last.output_unit else (step,) * last.outputs
    network = Network(
        design,
        data,
        labels=tuple(labels),
        output_scale=scale,
        input_scale=() if full_scale == 1 else (1 / full_scale,) * design.layers[0].inputs,
    )
    return network.in_units(**units)
