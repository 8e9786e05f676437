"""ONNX files for tests, made node by node; what onnxruntime says of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx: Any = pytest.importorskip("onnx", reason="onnx is not installed (extra: onnx)")
onnxruntime: Any = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (extra: dev)")

node = onnx.helper.make_node


def write(
    path: Path, nodes: list, inputs: dict[str, np.ndarray], outputs: list[str], constants=None, opset=17
) -> Path:
    """A file whose graph takes arrays like ``inputs``; all axes are free."""
    helper = onnx.helper

    def info(name: str, value: np.ndarray | None):
        if value is None:
            return helper.make_empty_tensor_value_info(name)
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), [None] * value.ndim)

    graph = helper.make_graph(
        nodes,
        "graph",
        [info(name, value) for name, value in inputs.items()],
        [info(name, None) for name in outputs],
        [onnx.numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.save(model, path)
    if not all(each.type.tensor_type.HasField("shape") for each in model.graph.output):  # it follows from values
        for index, value in enumerate(run(path, inputs)):
            model.graph.output[index].CopyFrom(info(outputs[index], value))
        onnx.save(model, path)
    return path


def run(path: Path, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """All outputs, by onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options).run(None, inputs)


def uniform(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).uniform(-0.7, 0.7, shape).astype(np.float32)


def lstm_constants(m: int, n: int, directions: int = 1, bias: bool = True, name: str = "") -> dict[str, np.ndarray]:
    d = directions
    constants = {f"W{name}": uniform(1, d, 4 * n, m), f"R{name}": uniform(2, d, 4 * n, n)}
    return constants | ({f"B{name}": uniform(3, d, 8 * n)} if bias else {})
