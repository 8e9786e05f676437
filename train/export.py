"""From arrays to the network description: a chain of arrays becomes a design with its data."""

from collections.abc import Sequence

from torch import nn

from ..model.design import Design
from ..model.formats import DesignError
from ..model.layers import DenseLayer, Layer, LstmLayer
from ..model.network import Network
from .array import ArrayModule
from .config import LSTM_FIELDS
from .lstm import LstmArray
from .modules import QuantLSTM
from .whole_model import arrays_of


def export(model: nn.Module | Sequence[ArrayModule], name: str = "exported", **network) -> Network:
    """The description of a model whose arrays form one chain, in the order of its modules.

    ``network`` are further fields of :class:`Network`; ``input_scale`` is by default what brings the first array's
    full-scale input to 1. Raises :class:`DesignError` where a part is float, layers do not fit or a layer is
    bidirectional: its two directions are two networks, exported array by array. Layers before the first array and
    behind the last one are the host's; those without parameters are not seen, wherever they are.
    """
    if isinstance(model, nn.Module):
        for module in model.modules():
            if isinstance(module, QuantLSTM) and module.bidirectional:
                raise DesignError("a bidirectional layer is two networks: export its arrays one at a time")
        arrays = arrays_of(model)
        _check_between(model)
    else:
        arrays = list(model)
    if not arrays:
        raise DesignError("a model to export must have at least one quantised layer, but it has none")
    for index, array in enumerate(arrays[1:], 1):
        if float(array.full_scale) != 1:
            raise DesignError(
                f"array {index} must have inputs within -1 to 1 to follow another, not {float(array.full_scale):g}"
            )
    scale = float(arrays[0].full_scale)
    if scale != 1:
        network.setdefault("input_scale", (1 / scale,) * arrays[0].inputs)
    data = tuple(array.layer_data() for array in arrays)
    layers = tuple(_layer(array, following) for array, following in zip(arrays, [*arrays[1:], None]))
    return Network(Design(name, layers), data, **network)


def _check_between(model: nn.Module) -> None:
    """Raise :class:`DesignError` for a layer with parameters between two arrays."""
    found, between = False, None
    for name, module in model.named_modules():
        if isinstance(module, ArrayModule):
            if found and between is not None:
                raise DesignError(f"a layer between two arrays must be an array, but {between} is float")
            found = True
        elif found and any(True for _ in module.parameters(recurse=False)):
            between = f"{name!r} ({type(module).__name__})"


def _layer(array: ArrayModule, following: ArrayModule | None) -> Layer:
    """The layer's description, with as many ADCs as columns. A head gives its ADC codes on every step."""
    config = array.config
    shared = {
        "inputs": array.inputs, "adcs": array.cells.shape[1], "dac_bits": config.dac_bits,
        "weight_bits": config.weight_bits, "adc_bits": config.adc_bits, "bias_rows": config.bias_rows,
        "adc_range": float(config.adc_range), "tables": config.tables,
    }  # fmt: skip
    if isinstance(array, LstmArray):
        return LstmLayer(hidden=array.hidden, **shared, **{name: getattr(config, name) for name in LSTM_FIELDS})
    if array.function is None:
        if following is not None:
            raise DesignError("a linear layer before another array must have an output function, but it has none")
        return DenseLayer(outputs=array.outputs, output="codes", **shared)
    return DenseLayer(
        outputs=array.outputs, output="table", output_bits=array.output_bits, function=array.function, **shared
    )
