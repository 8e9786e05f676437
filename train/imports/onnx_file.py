"""An ONNX file as a float model. Its LSTM, Gemm and MatMul nodes are layers; what is between them runs as it is."""

from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch

from ...model.formats import DesignError
from .imported import Function, ImportedModel, Layers, Step, needed
from .onnx_functions import FUNCTIONS, attributes
from .onnx_layers import Refuse, is_bias, linear, lstm, run_linear

OPSET = 13  #: from here on axes are inputs


def import_onnx(path: str | Path) -> ImportedModel:
    """The float model of an ONNX file, with its weights as ``nn.LSTM`` and ``nn.Linear``.

    >>> model = import_onnx("model.onnx")
    >>> quantised, report = convert(model, QuantConfig())

    Its forward takes and gives what the file does. Of an LSTM node all that ``nn.LSTM`` can do is supported:
    directions, layout, sequence_lens, initial states, a missing bias, all three outputs. Other activations, clip,
    input_forget and peepholes are refused. Gemm, and MatMul with the bias that is added to it, are ``nn.Linear``.
    Between them a file may have the operators of :data:`.onnx_functions.FUNCTIONS`. Weights that a file computes
    from constants are computed once. What of all this an array can do is for ``convert`` and ``export`` to say.

    Raises :class:`DesignError` for a file that cannot be read, for an opset below 13, and for the first node that
    cannot be imported, by its name.
    """
    onnx = needed("onnx", "import_onnx")
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except OSError as error:
        raise DesignError(f"an ONNX file must be readable, but of {path} the system says: {error.strerror}") from None
    except Exception as error:  # of protobuf and of onnx, which have no class in common
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise DesignError(f"{path} must be an ONNX file with a valid model, but onnx says: {said}") from None
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < OPSET:
        raise DesignError(
            f"an ONNX file must be of opset {OPSET} or above, but {path} is of {opset}: "
            "onnx.version_converter.convert_version makes a newer one"
        )
    return _Import(onnx, model.graph).model()


class _Import:
    """One pass over a graph's nodes, which stand in the order in which they run."""

    def __init__(self, onnx, graph) -> None:
        self.onnx, self.graph = onnx, graph
        self.constants = {each.name: self._tensor(each) for each in graph.initializer}
        self.steps: list[Step] = []
        self.layers = Layers()
        self.added: set[str] = set()  #: results of Adds that are in the layer ahead

    def model(self) -> ImportedModel:
        inputs = [each.name for each in self.graph.input if each.name not in self.constants]
        for node in self.graph.node:
            if node.output[0] not in self.added:
                self._enter(node)
        used = {name for step in self.steps for name in step.inputs} | {each.name for each in self.graph.output}
        constants = {name: value for name, value in self.constants.items() if name in used}
        return ImportedModel(inputs, [each.name for each in self.graph.output], self.steps, self.layers, constants)

    def _enter(self, node) -> None:
        refuse = _refusal(node)
        given: dict[str, Any] = {a.name: self._value(a) for a in node.attribute}
        if node.domain not in ("", "ai.onnx"):
            refuse(f"be one of ONNX's own operators, not of {node.domain} (onnx.inliner resolves a file's functions)")
        if node.op_type == "Constant":
            (value,) = given.values()
            try:
                self.constants[node.output[0]] = torch.as_tensor(value)
            except (TypeError, ValueError):
                refuse("be numbers, not text")
        elif node.op_type == "LSTM":
            self._lstm(node, given, refuse)
        elif node.op_type == "Gemm":
            self._gemm(node, given, refuse)
        elif node.op_type == "MatMul" and node.input[1] in self.constants:
            self._matmul(node, refuse)
        else:
            self._function(node, given, refuse)

    def _lstm(self, node, given: dict[str, Any], refuse: Refuse) -> None:
        x, *rest = [*node.input, *[""] * 8][:8]
        weights, (lengths, *states, peepholes) = rest[:3], rest[3:]
        constants = [self._constant(name, refuse) for name in (*weights, peepholes)]
        layer, function = lstm(constants[:3], constants[3], given, bool(lengths), refuse)
        self._step(node, function, [x, lengths, *states], self.layers.enter("lstm", layer))

    def _gemm(self, node, given: dict[str, Any], refuse: Refuse) -> None:
        if given.get("transA", 0):
            refuse("have its inputs' rows first (transA 0)")
        x, *rest = [*node.input, ""][:3]
        weight, bias = (self._constant(name, refuse) for name in rest)
        assert weight is not None
        weight = given.get("alpha", 1.0) * (weight.T if given.get("transB", 0) else weight)
        bias = None if bias is None else given.get("beta", 1.0) * bias
        self._step(node, run_linear, [x], self.layers.enter("linear", linear(weight, bias, refuse)))

    def _matmul(self, node, refuse: Refuse) -> None:
        """With the Add of a bias, where nothing else reads the product."""
        weight, outputs, bias = self.constants[node.input[1]], list(node.output), None
        readers = [each for each in self.graph.node if outputs[0] in each.input]
        if (
            len(readers) == 1
            and readers[0].op_type == "Add"
            and outputs[0] not in (o.name for o in self.graph.output)
        ):
            (name,) = [each for each in readers[0].input if each != outputs[0]] or [""]
            found = self.constants.get(name)
            if found is not None and found.dim() < 2 and is_bias(found, weight.shape[-1]):
                bias, outputs = found, list(readers[0].output)
                self.added.update(outputs)
        name = self.layers.enter("linear", linear(weight, bias, refuse))
        self.steps.append(Step(run_linear, (node.input[0],), tuple(outputs), name))

    def _function(self, node, given: dict[str, Any], refuse: Refuse) -> None:
        """A step of the forward, or a constant where all that it takes is one."""
        function = FUNCTIONS.get(node.op_type)
        if function is None:
            refuse(f"have constant weights (MatMul) or be one of LSTM, Gemm, MatMul, {', '.join(FUNCTIONS)}")
        for name in sorted(given.keys() - attributes(function)):
            refuse(f"have no attribute {name}, but has {given[name]}")
        if len(node.output) > 1:
            refuse(f"have one output, not {len(node.output)}")
        function = partial(function, **given) if given else function
        if all(name in self.constants for name in node.input if name):
            values = [self.constants[name] if name else None for name in node.input]
            try:
                self.constants[node.output[0]] = function(*values)
            except (RuntimeError, IndexError) as error:
                refuse(f"be possible with its constants, but PyTorch says: {str(error).splitlines()[0]}")
        else:
            self._step(node, function, list(node.input))

    def _step(self, node, function: Function, inputs: list[str], layer: str | None = None) -> None:
        self.steps.append(Step(function, tuple(inputs), tuple(node.output), layer))

    def _constant(self, name: str, refuse: Refuse) -> torch.Tensor | None:
        """A weight; None for one that is not given."""
        if name and name not in self.constants:
            refuse(f"have constant weights, but the model computes {name!r}")
        return self.constants[name] if name else None

    def _tensor(self, proto) -> torch.Tensor:
        return _from_numpy(f"tensor {proto.name!r}", self.onnx.numpy_helper.to_array(proto))

    def _value(self, attribute):
        """An attribute in Python's types, in place of a type of ONNX's torch's."""
        value = self.onnx.helper.get_attribute_value(attribute)
        if isinstance(value, self.onnx.TensorProto):
            return self._tensor(value)
        if attribute.name == "to":
            return _from_numpy("Cast", np.empty(0, self.onnx.helper.tensor_dtype_to_np_dtype(value))).dtype
        if isinstance(value, bytes):
            return value.decode()
        if isinstance(value, list):
            return [each.decode() if isinstance(each, bytes) else each for each in value]
        return value


def _from_numpy(what: str, values: np.ndarray) -> torch.Tensor:
    try:
        return torch.from_numpy(values.copy())
    except TypeError:
        raise DesignError(f"an ONNX {what} must be of a type that numpy has, not {values.dtype}") from None


def _refusal(node) -> Refuse:
    """What raises the sentence that ``node`` must ..."""

    def refuse(must: str) -> NoReturn:
        raise DesignError(f"ONNX node {node.name or node.output[0]!r} ({node.op_type}) must {must}")

    return refuse
