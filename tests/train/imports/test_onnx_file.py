"""ONNX files against onnxruntime: float outputs to 1e-6, then the integers of what was made of them."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import ohmgate
from ohmgate.model.formats import DesignError
from ohmgate.train.imports.onnx_file import import_onnx
from ohmgate.train.imports.onnx_functions import FUNCTIONS
from ohmgate.train.imports.onnx_layers import run_lstm
from tests.train.imports.onnx_models import lstm_constants, node, onnx, run, uniform, write

T, B, M, N = 6, 4, 3, 5
AS_TORCH_WRITES = Path(__file__).parent / "torch_2_13_dynamo.onnx"


def check(path: Path, inputs: dict[str, np.ndarray], expected: list[np.ndarray] | None = None) -> nn.Module:
    """The imported model, whose outputs are onnxruntime's, or those ``expected``."""
    expected = run(path, inputs) if expected is None else expected
    model = import_onnx(path)
    found = model(*map(torch.from_numpy, inputs.values()))
    found = found if isinstance(found, tuple) else (found,)
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        assert tuple(ours.shape) == theirs.shape
        assert ours.detach().numpy().dtype == theirs.dtype
        np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=0, atol=1e-6)
    return model


LENGTHS = np.array([6, 2, 1, 4], np.int32)


@pytest.mark.parametrize(
    "direction, bias, extra",
    [
        ("forward", True, ()),
        ("forward", False, ("h", "c")),
        ("forward", True, ("lengths",)),
        ("forward", True, ("lengths", "h", "c", "P")),
        ("reverse", True, ()),
        ("reverse", True, ("c",)),
        ("bidirectional", True, ("P",)),
        ("bidirectional", False, ("lengths", "h")),
    ],
)
def test_an_lstm_node_gives_all_that_onnxruntime_does(tmp_path, direction, bias, extra):
    d = 2 if direction == "bidirectional" else 1
    constants = lstm_constants(M, N, d, bias) | {"P": np.zeros((d, 3 * N), np.float32)}
    inputs = {"x": uniform(0, T, B, M)}
    optional = {"lengths": LENGTHS, "h": uniform(4, d, B, N), "c": uniform(5, d, B, N)}
    inputs |= {name: value for name, value in optional.items() if name in extra}
    places = ["x", "W", "R", "B" if bias else "", *(n if n in extra else "" for n in ("lengths", "h", "c", "P"))]
    lstm = node(
        "LSTM",
        places,
        ["Y", "Yh", "Yc"],
        hidden_size=N,
        direction=direction,
        activations=["Sigmoid", "Tanh", "tanh"] * d,
    )
    used = {name: value for name, value in constants.items() if name in places}
    path = write(tmp_path / "lstm.onnx", [lstm], inputs, ["Y", "Yh", "Yc"], used)
    model = check(path, inputs)
    assert isinstance(model.lstm0, nn.LSTM)
    assert (model.lstm0.bidirectional, model.lstm0.bias) == (d == 2, bias)


def test_sequences_may_come_first(tmp_path):
    """onnxruntime does not run layout 1: the oracle is the same node in layout 0."""
    inputs = {"x": uniform(0, T, B, M), "h": uniform(4, 2, B, N), "c": uniform(5, 2, B, N)}
    nodes = [
        [
            node(
                "LSTM",
                ["x", "W", "R", "B", "", "h", "c"],
                ["Y", "Yh", "Yc"],
                hidden_size=N,
                direction="bidirectional",
                layout=layout,
            )
        ]
        for layout in (0, 1)
    ]
    steps_first = write(tmp_path / "0.onnx", nodes[0], inputs, ["Y", "Yh", "Yc"], lstm_constants(M, N, 2))
    y, *states = run(steps_first, inputs)
    path = write(tmp_path / "1.onnx", nodes[1], inputs, ["Y", "Yh", "Yc"], lstm_constants(M, N, 2))
    expected = [y.transpose(2, 0, 1, 3), *(state.transpose(1, 0, 2) for state in states)]
    check(path, {name: value.swapaxes(0, 1).copy() for name, value in inputs.items()}, expected)


def test_a_state_of_zeros_is_no_state():
    """A layer that is given one drives its hidden rows."""
    seen = []

    class Spy(nn.Module):
        def forward(self, x, state):
            seen.append(state)
            return torch.zeros(T, B, N), (torch.zeros(1, B, N),) * 2

    x, zeros, some = torch.zeros(T, B, M), torch.zeros(1, B, N), torch.ones(1, B, N)
    run_lstm(Spy(), x, None, zeros, zeros, reverse=False, layout=0)
    run_lstm(Spy(), x, None, some, None, reverse=False, layout=0)
    assert seen[0] is None
    assert [part.unique().tolist() for part in seen[1]] == [[1.0], [0.0]]


def chain(path: Path, head: list, constants: dict[str, np.ndarray]) -> Path:
    """Two LSTMs, sequences first, then the head's nodes from "last" (B, n) or "all" (B, T, n) to "y"."""
    nodes = [
        node("Transpose", ["x"], ["steps"], perm=[1, 0, 2]),
        node("LSTM", ["steps", "W", "R", "B"], ["Y"], hidden_size=N),
        node("Squeeze", ["Y", "one"], ["h"]),
        node("LSTM", ["h", "W2", "R2", "B2"], ["Y2", "Yh"], hidden_size=N),
        node("Squeeze", ["Y2", "one"], ["h2"]),
        node("Transpose", ["h2"], ["all"], perm=[1, 0, 2]),
        node("Gather", ["h2", "end"], ["last"], axis=0),
    ]
    fixed = {"one": np.array([1]), "end": np.array(-1)} | lstm_constants(M, N) | lstm_constants(N, N, name="2")
    return write(path, [*nodes, *head], {"x": uniform(0, B, T, M)}, ["y"], fixed | constants)


V, C = uniform(6, N, 2), uniform(7, 2)
HEADS = {
    "Gemm": ([node("Gemm", ["last", "V", "C"], ["y"])], {"V": V, "C": C}),
    "Gemm, scaled and transposed": ([node("Gemm", ["last", "V", "C"], ["y"], alpha=0.5, beta=2.0, transB=1)], {"V": V.T.copy(), "C": C}),
    "Gemm, one number as its bias": ([node("Gemm", ["last", "V", "C"], ["y"])], {"V": V, "C": C[:1]}),
    "Gemm without a bias": ([node("Gemm", ["last", "V"], ["y"])], {"V": V}),
    "MatMul and Add": ([node("MatMul", ["all", "V"], ["z"]), node("Add", ["C", "z"], ["y"])], {"V": V, "C": C}),
    "MatMul and Add of a bias with axes": ([node("MatMul", ["all", "V"], ["z"]), node("Add", ["z", "C"], ["y"])], {"V": V, "C": C[None, None]}),
    "MatMul and Add that adds axes": ([node("MatMul", ["last", "V"], ["z"]), node("Add", ["z", "C"], ["y"])], {"V": V, "C": C[None, None]}),
    "MatMul alone, then softmax": ([node("MatMul", ["all", "V"], ["z"]), node("Softmax", ["z"], ["y"], axis=-1)], {"V": V}),
    "MatMul that another node reads": ([node("MatMul", ["all", "V"], ["z"]), node("Add", ["z", "C"], ["s"]), node("Mul", ["s", "z"], ["y"])], {"V": V, "C": C}),
    "MatMul and Add of one number for each step": ([node("MatMul", ["all", "V"], ["z"]), node("Add", ["z", "C"], ["y"])], {"V": V, "C": uniform(8, T, 1)}),
    "weights that are computed": ([node("Mul", ["V", "V"], ["VV"]), node("MatMul", ["last", "VV"], ["z"]), node("Add", ["z", "C"], ["y"])], {"V": V, "C": C}),
    "a bias in a Constant": ([node("MatMul", ["last", "V"], ["z"]), node("Constant", [], ["C"], value=onnx.numpy_helper.from_array(C)), node("Add", ["z", "C"], ["y"])], {"V": V}),
    "a constant of one number": ([node("MatMul", ["last", "V"], ["z"]), node("Constant", [], ["C"], value_float=0.25), node("Mul", ["z", "C"], ["y"])], {"V": V}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_heads_are_linear_layers(tmp_path, name):
    path = chain(tmp_path / "chain.onnx", *HEADS[name])
    model = check(path, {"x": uniform(9, B, T, M)})
    assert [type(each) for each in model.children()] == [nn.LSTM, nn.LSTM, nn.Linear]
    assert model.linear0.weight.shape == (2, N)
    biased = ("Gemm", "Gemm, scaled and transposed", "Gemm, one number as its bias", "MatMul and Add", "weights that are computed")  # fmt: skip
    assert (model.linear0.bias is not None) == (name in biased)
    again = pickle.loads(pickle.dumps(model))
    x = torch.from_numpy(uniform(9, B, T, M))
    assert torch.equal(again(x), model(x))


@pytest.mark.parametrize("path", ["made here", AS_TORCH_WRITES], ids=["made here", "as torch writes it"])
def test_what_is_imported_is_trained_and_its_integers_are_verified(tmp_path, path):
    """The second file is torch.onnx's of nn.LSTM(3, 5, 2) and nn.Linear(5, 2) with free axes, dynamo=True."""
    if path == "made here":
        path = chain(tmp_path / "chain.onnx", *HEADS["Gemm"])
    x = torch.from_numpy(uniform(9, B, T, M))
    (given,) = (each.name for each in onnx.load(path).graph.input)
    model = check(path, {given: x.numpy()})
    y = model(x).detach()
    quantised, report = ohmgate.convert(model, ohmgate.QuantConfig(weight_bits=6, dac_bits=6, adc_bits=8), layers={})
    assert report.converted == (("lstm0", "LSTM"), ("lstm1", "LSTM"), ("linear0", "Linear"))
    assert report.float_layers == ()
    ohmgate.calibrate(quantised, lambda: quantised(x))
    before = float((quantised.eval()(x) - y).abs().max())
    assert 0 < before < 0.1
    optimiser = torch.optim.Adam(quantised.train().parameters(), 0.01)
    for _ in range(3):
        optimiser.zero_grad()
        (quantised(x) - y).square().mean().backward()
        optimiser.step()
    network = ohmgate.export(quantised, x)
    assert [(each.kind, each.inputs, each.outputs) for each in network.design.layers] == [("lstm", 3, 5), ("lstm", 5, 5), ("dense", 5, 2)]  # fmt: skip
    assert network.design.layers[-1].emit == "end"
    compared = ohmgate.verify_export(quantised, x, network=network)
    assert (compared.mismatches, compared.integers) == (0, B * (T * 2 * (4 * N * 2 + 2 * N) + 2))


def test_lengths_and_a_state_are_arguments_of_the_model(tmp_path):
    inputs = {"x": uniform(0, T, B, M), "lengths": LENGTHS}
    lstm = node("LSTM", ["x", "W", "R", "B", "lengths"], ["Y"], hidden_size=N)
    model = import_onnx(write(tmp_path / "lstm.onnx", [lstm], inputs, ["Y"], lstm_constants(M, N)))
    quantised, _ = ohmgate.convert(model)
    compared = ohmgate.verify_export(quantised, *map(torch.from_numpy, inputs.values()))
    assert (compared.mismatches, compared.integers) == (0, int(LENGTHS.sum()) * (4 * N * 2 + 2 * N))
    with pytest.raises(DesignError, match=r"^the model must be given x, lengths, not 1 inputs$"):
        model(torch.zeros(T, B, M))


def test_both_directions_with_lengths_are_exported(tmp_path):
    """As torch writes a stack: Y (T, 2, B, n) becomes (T, B, 2n)."""
    inputs = {"x": uniform(0, T, B, M), "lengths": LENGTHS}
    constants = lstm_constants(M, N, 2) | lstm_constants(2 * N, 4, 2, name="2")
    constants |= {"joined": i64(0, 0, -1), "V": uniform(6, 8, 2), "C": C}
    nodes = [
        node("LSTM", ["x", "W", "R", "B", "lengths"], ["Y"], hidden_size=N, direction="bidirectional"),
        node("Transpose", ["Y"], ["by step"], perm=[0, 2, 1, 3]),
        node("Reshape", ["by step", "joined"], ["h"]),
        node("LSTM", ["h", "W2", "R2", "B2", "lengths"], ["Y2"], hidden_size=4, direction="bidirectional"),
        node("Transpose", ["Y2"], ["by step 2"], perm=[0, 2, 1, 3]),
        node("Reshape", ["by step 2", "joined"], ["h2"]),
        node("MatMul", ["h2", "V"], ["z"]),
        node("Add", ["z", "C"], ["y"]),
    ]
    model = check(write(tmp_path / "both.onnx", nodes, inputs, ["y"], constants), inputs)
    quantised, _ = ohmgate.convert(model)
    x = tuple(map(torch.from_numpy, inputs.values()))
    network = ohmgate.export(quantised, *x)
    directions = [getattr(each, "direction", each.kind) for each in network.design.layers]
    assert directions == ["forward", "reverse"] * 2 + ["dense"]
    assert network.design.max_steps == max(LENGTHS)
    compared = ohmgate.verify_export(quantised, *x, network=network)
    steps = int(LENGTHS.sum())
    assert (compared.mismatches, compared.integers) == (
        0,
        steps * 2 * ((4 * N * 2 + 2 * N) + 4 * 4 * 2 + 2 * 4) + steps * 2,
    )


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


X, TABLE = uniform(10, 2, 3, 4), uniform(11, 5, 2)
#: operator, (inputs or constants), attributes, by turns
CALLS = [
    ("Add", (X, X[0]), {}),
    ("ArgMax", (X,), {}),
    ("ArgMax", (X,), {"axis": -1, "keepdims": 0}),
    ("Cast", (100 * X,), {"to": 7}),
    ("Concat", (X, X[:, :1]), {"axis": 1}),
    ("ConstantOfShape", (i64(2, 3),), {}),
    ("ConstantOfShape", (i64(2),), {"value": onnx.helper.make_tensor("v", 7, [1], [3])}),
    ("Div", (X, X[0]), {}),
    ("Div", (i64(7, -7, 8), i64(2, 2, -3)), {}),
    ("Dropout", (X,), {}),
    ("Dropout", (X, np.float32(0.5), np.bool_(False)), {}),
    ("Expand", (X[:, :1], i64(3, 1)), {}),
    ("Flatten", (X,), {}),
    ("Flatten", (X,), {"axis": -1}),
    ("Flatten", (X,), {"axis": 0}),
    ("Gather", (X, i64(-1, 0)), {"axis": 1}),
    ("Gather", (X, np.int64(-1)), {"axis": -1}),
    ("Gather", (TABLE, np.array([[1, 4], [0, -5]], np.int32)), {}),
    ("Identity", (X,), {}),
    ("LogSoftmax", (X,), {"axis": 1}),
    ("Mul", (X, X[0]), {}),
    ("Relu", (X,), {}),
    ("Reshape", (X, i64(0, -1)), {}),
    ("Reshape", (X[:0], i64(3, 0)), {"allowzero": 1}),
    ("Shape", (X,), {}),
    ("Shape", (X,), {"start": 1, "end": -1}),
    ("Sigmoid", (X,), {}),
    ("Slice", (X, i64(1), i64(2**62), i64(2)), {}),
    ("Slice", (X, i64(-1), i64(-(2**62)), i64(1), i64(-2)), {}),
    ("Slice", (X, i64(0, 1), i64(1, -1)), {}),
    ("Softmax", (X,), {}),
    ("Softmax", (X,), {"axis": 0}),
    ("Squeeze", (X[:1, :, :1], i64(0, -1)), {}),
    ("Squeeze", (X[:1, :, :1],), {}),
    ("Sub", (X, X[0]), {}),
    ("Tanh", (X,), {}),
    ("Transpose", (X,), {}),
    ("Transpose", (X,), {"perm": [1, 2, 0]}),
    ("Unsqueeze", (X, i64(-1, 0)), {}),
]


@pytest.mark.parametrize("kind, values, attributes", CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)])
def test_what_stands_between_layers_is_onnxruntimes(tmp_path, kind, values, attributes):
    """The first input is the model's, the others are constants; then all are constants, computed at once."""
    arrays = {name: np.asarray(value) for name, value in zip("abcde", values)}
    nodes = [node(kind, list(arrays), ["y"], **attributes)]
    constants = {name: value for name, value in arrays.items() if name != "a"}
    path = write(tmp_path / "node.onnx", nodes, {"a": arrays["a"]}, ["y"], constants)
    check(path, {"a": arrays["a"]})
    folded = import_onnx(write(tmp_path / "folded.onnx", nodes, {}, ["y"], arrays))
    assert folded.steps == ()
    np.testing.assert_allclose(folded().numpy(), run(path, {"a": arrays["a"]})[0], rtol=0, atol=1e-6)


def test_every_operator_of_the_table_is_in_this_test():
    assert {kind for kind, _, _ in CALLS} == set(FUNCTIONS)


LSTM = ["x", "W", "R", "B"]
P = uniform(12, 1, 3 * N)
REFUSED = {
    "clip": ([node("LSTM", LSTM, ["Y"], name="l", clip=3.0)], "'l' (LSTM) must have no clip, but has 3.0"),
    "activations": ([node("LSTM", LSTM, ["Y"], name="l", activations=["Sigmoid", "Relu", "Tanh"])], "'l' (LSTM) must have the activations Sigmoid, Tanh, Tanh, not sigmoid, relu, tanh"),
    "alpha": ([node("LSTM", LSTM, ["Y"], name="l", activation_alpha=[0.5])], "'l' (LSTM) must have no activation_alpha, but has [0.5]"),
    "input_forget": ([node("LSTM", LSTM, ["Y"], name="l", input_forget=1)], "'l' (LSTM) must have a forget gate of its own (input_forget 0)"),
    "peepholes": ([node("LSTM", [*LSTM, "", "", "", "P"], ["Y"], name="l")], "'l' (LSTM) must have no peepholes (P), but some are not 0"),
    "reversed lengths": ([node("LSTM", [*LSTM, "lengths"], ["Y"], name="l", direction="reverse")], "'l' (LSTM) must have no sequence_lens where its direction is reverse"),
    "hidden size": ([node("LSTM", LSTM, ["Y"], name="l", hidden_size=4)], "'l' (LSTM) must have W, R and B of the shapes of 1 directions and one hidden_size"),
    "both": ([node("LSTM", LSTM, ["Y"], name="l", direction="bidirectional")], "'l' (LSTM) must have W, R and B of the shapes of 2 directions and one hidden_size"),
    "computed weights": ([node("Add", ["W", "x"], ["U"]), node("LSTM", ["x", "U", "R"], ["Y"], name="l")], "'l' (LSTM) must have constant weights, but the model computes 'U'"),
    "computed product": ([node("MatMul", ["x", "x"], ["Y"])], "'Y' (MatMul) must have constant weights (MatMul) or be one of LSTM, Gemm, MatMul, Add, ArgMax, "),
    "axes": ([node("MatMul", ["x", "W"], ["Y"])], "'Y' (MatMul) must have weights of 2 axes, not of shape (1, 20, 3)"),
    "transA": ([node("Gemm", ["x2", "V"], ["Y"], transA=1)], "'Y' (Gemm) must have its inputs' rows first (transA 0)"),
    "bias": ([node("Gemm", ["x2", "V", "V"], ["Y"])], "'Y' (Gemm) must have a bias of 3 outputs, not of shape (3, 3)"),
    "another": ([node("GRU", ["x", "W", "R"], ["Y"], name="g", hidden_size=5)], "'g' (GRU) must have constant weights (MatMul) or be one of LSTM, Gemm, MatMul, Add, ArgMax, "),
    "attribute": ([node("Softmax", ["x"], ["z"]), node("ArgMax", ["z"], ["Y"], select_last_index=1)], "'Y' (ArgMax) must have no attribute select_last_index, but has 1"),
    "direction": ([node("LSTM", LSTM, ["Y"], name="l", direction="Forward")], "'l' (LSTM) must have direction forward, reverse or bidirectional, not 'Forward'"),
    "layout": ([node("LSTM", LSTM, ["Y"], name="l", layout=2)], "'l' (LSTM) must have layout 0 or 1, not 2"),
    "text": ([node("Constant", [], ["Y"], value_string="x", name="c")], "'c' (Constant) must be numbers, not text"),
    "texts": ([node("Constant", [], ["Y"], value_strings=["x", "y"], name="c")], "'c' (Constant) must be numbers, not text"),
    "mask": ([node("Dropout", ["x"], ["Y", "mask"])], "'Y' (Dropout) must have one output, not 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_name(tmp_path, name):
    nodes, sentence = REFUSED[name]
    constants = lstm_constants(M, N) | {"P": P, "V": uniform(13, 3, 3)}
    inputs = {"x": uniform(0, T, B, M), "x2": uniform(0, 4, 3), "lengths": LENGTHS}
    with pytest.raises(DesignError) as error:
        import_onnx(write(tmp_path / "model.onnx", nodes, inputs, ["Y"], constants))
    if sentence.endswith(", "):
        assert str(error.value) == f"ONNX node {sentence}{', '.join(list(FUNCTIONS)[2:])}"
    else:
        assert str(error.value) == f"ONNX node {sentence}"


def test_constants_that_do_not_fit_are_refused(tmp_path):
    """A file that onnxruntime does not take either."""
    arrays = [onnx.numpy_helper.from_array(np.ones(shape, np.float32), name) for name, shape in (("a", 2), ("b", 3))]
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [None])
    graph = onnx.helper.make_graph([node("Add", ["a", "b"], ["y"], name="n")], "g", [], [out], arrays)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), tmp_path / "m.onnx")
    with pytest.raises(
        DesignError, match=r"^ONNX node 'n' \(Add\) must be possible with its constants, but PyTorch says: "
    ):
        import_onnx(tmp_path / "m.onnx")


def test_an_operator_of_somebody_else_is_refused(tmp_path):
    theirs = node("Gelu", ["x"], ["Y"], name="g", domain="com.microsoft")
    path = write(tmp_path / "model.onnx", [node("Identity", ["x"], ["Y"])], {"x": X}, ["Y"])
    model = onnx.load(path)
    model.graph.node[0].CopyFrom(theirs)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    sentence = r"^ONNX node 'g' \(Gelu\) must be one of ONNX's own operators, not of com.microsoft \(onnx.inliner resolves a file's functions\)$"
    with pytest.raises(DesignError, match=sentence):
        import_onnx(path)


def test_what_shows_only_when_it_runs_is_one_sentence_too(tmp_path):
    path = write(tmp_path / "a.onnx", [node("Squeeze", ["x", "axes"], ["Y"])], {"x": X}, ["Y"], {"axes": i64(1)})
    with pytest.raises(DesignError, match=r"^an ONNX Squeeze must have an axis of 1, not axis 1 of \(2, 3, 4\)$"):
        import_onnx(path)(torch.from_numpy(X))
    constants = {"r": np.array(0.5, np.float32), "t": np.array(True)}
    path = write(tmp_path / "b.onnx", [node("Dropout", ["x", "r", "t"], ["Y"])], {"x": X}, ["Y"], constants)
    with pytest.raises(
        DesignError, match=r"^an ONNX Dropout must not be in training: export the model in evaluation$"
    ):
        import_onnx(path)(torch.from_numpy(X))


def test_files_that_are_none_are_refused(tmp_path, monkeypatch):
    missing, other = tmp_path / "missing.onnx", tmp_path / "other.onnx"
    other.write_text("no model")
    old = write(tmp_path / "old.onnx", [node("Identity", ["x"], ["Y"])], {"x": X}, ["Y"], opset=12)
    types = write(
        tmp_path / "types.onnx", [node("Cast", ["x"], ["Y"], to=onnx.TensorProto.BFLOAT16)], {"x": X}, ["Y"]
    )
    whole = write(tmp_path / "whole.onnx", [node("MatMul", ["x", "V"], ["Y"])], {"x": i64(1, 2)}, ["Y"], {"V": i64(1, 2)[None]})  # fmt: skip
    for path, sentence in (
        (missing, f"an ONNX file must be readable, but of {missing} the system says: No such file or directory"),
        (tmp_path, f"an ONNX file must be readable, but of {tmp_path} the system says: Is a directory"),
        (other, f"{other} must be an ONNX file with a valid model, but onnx says: "),
        (old, f"an ONNX file must be of opset 13 or above, but {old} is of 12: onnx.version_converter.convert_version makes a newer one"),
        (types, "an ONNX Cast must be of a type that numpy has, not bfloat16"),
        (whole, "weights to import must be floating-point numbers, not torch.int64"),
    ):  # fmt: skip
        with pytest.raises(DesignError) as error:
            import_onnx(path)
        assert str(error.value).startswith(sentence)
        assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(DesignError) as error:
        import_onnx(missing)
    assert str(error.value) == "import_onnx must have the package onnx: pip install 'ohmgate[onnx]'"
