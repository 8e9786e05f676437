"""Keras models against Keras's own outputs to 1e-6, then the integers of what was made of them."""

import os
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ohmgate
from ohmgate.model.formats import DesignError
from ohmgate.train.imports.keras_model import import_keras

T, B, M, N = 6, 4, 3, 5


@pytest.fixture(scope="module")
def keras(tmp_path_factory) -> Any:
    """With torch as its backend, and its settings in no user's home."""
    os.environ |= {"KERAS_BACKEND": "torch", "KERAS_HOME": str(tmp_path_factory.mktemp("keras"))}
    return pytest.importorskip("keras", reason="keras is not installed (extra: keras)")


def x() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (B, T, M)).astype(np.float32)


def filled(model):
    """Weights that no initialiser makes: each bias counts, and so does each gate's place."""
    source = np.random.default_rng(1)
    model.set_weights([source.uniform(-0.7, 0.7, w.shape).astype(np.float32) for w in model.get_weights()])
    return model


def check(theirs, ours: nn.Module) -> None:
    expected = theirs.predict(x(), verbose=0)
    found = ours.eval()(torch.from_numpy(x())).detach().numpy()
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def functional(keras, make):
    start = keras.Input((T, M))
    return keras.Model(start, make(keras.layers, start))


MODELS = {
    "the last step": (
        lambda k: k.Sequential([k.Input((T, M)), k.layers.LSTM(N), k.layers.Dense(2)]),
        ["lstm0", "linear0"],
    ),
    "a stack without biases, every step": (
        lambda k: k.Sequential(
            [k.Input((None, M)), k.layers.LSTM(N, return_sequences=True, use_bias=False), k.layers.LSTM(4, return_sequences=True), k.layers.TimeDistributed(k.layers.Dense(2, use_bias=False))]
        ),
        ["lstm0", "lstm1", "linear0"],
    ),
    "dropout and functions": (
        lambda k: k.Sequential(
            [k.Input((T, M)), k.layers.Dense(4, "relu"), k.layers.LSTM(N), k.layers.Dropout(0.5), k.layers.Dense(4, "sigmoid"), k.layers.Activation("tanh"), k.layers.Dense(3, "softmax")]
        ),
        ["linear0", "lstm0", "dropout0", "linear1", "linear2"],
    ),
    "functional, both directions": (
        lambda k: functional(k, lambda L, at: L.Dense(2)(L.Bidirectional(L.LSTM(4))(L.Bidirectional(L.LSTM(N, return_sequences=True))(at)))),
        ["lstm0", "lstm1", "linear0"],
    ),
    "both directions, every step": (
        lambda k: functional(k, lambda L, at: L.TimeDistributed(L.Dense(2))(L.Bidirectional(L.LSTM(4, return_sequences=True))(L.Bidirectional(L.LSTM(N, return_sequences=True))(at)))),
        ["lstm0", "lstm1", "linear0"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_outputs_are_kerass(keras, name):
    make, layers = MODELS[name]
    theirs = filled(make(keras))
    ours = import_keras(theirs)
    check(theirs, ours)
    assert [each for each, _ in ours.named_children()] == layers


@pytest.mark.parametrize("name, suffix", [("the last step", ".keras"), ("functional, both directions", ".keras"), ("the last step", ".h5")])  # fmt: skip
def test_files_are_what_was_saved(keras, tmp_path, name, suffix):
    theirs = filled(MODELS[name][0](keras))
    theirs.save(tmp_path / f"model{suffix}")
    check(theirs, import_keras(tmp_path / f"model{suffix}"))


@pytest.mark.parametrize(
    "name, kinds, integers",
    [
        ("the last step", [("lstm", M, N), ("dense", N, 2)], B * (T * (4 * N * 2 + 2 * N) + 2)),
        (
            "a stack without biases, every step",
            [("lstm", M, N), ("lstm", N, 4), ("dense", 4, 2)],
            B * T * ((4 * N * 2 + 2 * N) + (4 * 4 * 2 + 2 * 4) + 2),
        ),
        (
            "both directions, every step",
            [("lstm", M, N)] * 2 + [("lstm", 2 * N, 4)] * 2 + [("dense", 8, 2)],
            B * T * (2 * (4 * N * 2 + 2 * N) + 2 * (4 * 4 * 2 + 2 * 4) + 2),
        ),
    ],
)
def test_what_is_imported_is_trained_and_its_integers_are_verified(keras, name, kinds, integers):
    model, values = import_keras(filled(MODELS[name][0](keras))), torch.from_numpy(x())
    target = model(values).detach()
    quantised, report = ohmgate.convert(model, ohmgate.QuantConfig(weight_bits=6, dac_bits=6, adc_bits=8))
    assert report.float_layers == ()
    ohmgate.calibrate(quantised, lambda: quantised(values))
    assert 0 < float((quantised.eval()(values) - target).abs().max()) < 0.1
    optimiser = torch.optim.Adam(quantised.train().parameters(), 0.01)
    for _ in range(3):
        optimiser.zero_grad()
        (quantised(values) - target).square().mean().backward()
        optimiser.step()
    network = ohmgate.export(quantised, values)
    assert [(each.kind, each.inputs, each.outputs) for each in network.design.layers] == kinds
    compared = ohmgate.verify_export(quantised, values, network=network)
    assert (compared.mismatches, compared.integers) == (0, integers)


def test_last_outputs_of_both_directions_are_no_step_of_hardware(keras):
    """Keras joins what each direction gave last: in reverse that is the first step's."""
    model, values = import_keras(filled(MODELS["functional, both directions"][0](keras))), torch.from_numpy(x())
    quantised, _ = ohmgate.convert(model, ohmgate.QuantConfig())
    with pytest.raises(
        DesignError, match=r"but gets its last states \(h_n\), where the direction in reverse is at the"
    ):
        ohmgate.export(quantised, values)


def test_dropout_within_an_lstm_is_left_out_with_a_warning(keras):
    lstm = keras.layers.LSTM(N, dropout=0.2, recurrent_dropout=0.1, name="a")
    theirs = filled(keras.Sequential([keras.Input((T, M)), lstm]))
    with pytest.warns(UserWarning, match="imported without") as warned:
        ours = import_keras(theirs)
    ours_alone = [each for each in warned if "imported" in str(each.message)]
    assert [str(each.message) for each in ours_alone] == [
        "Keras layer 'a' is imported without its dropout",
        "Keras layer 'a' is imported without its recurrent_dropout",
    ]
    assert ours_alone[0].filename == __file__
    check(theirs, ours)


def test_dropout_layers_drop_in_training_alone(keras):
    ours = import_keras(keras.Sequential([keras.Input((T, M)), keras.layers.Dropout(0.5)]))
    ones = torch.ones(B, T, 50)
    assert torch.equal(ours.eval()(ones), ones)
    assert set(ours.train()(ones).unique().tolist()) == {0.0, 2.0}


def adapted(layers, at):
    dense = layers.Dense(2, name="a")
    out = dense(at)
    dense.enable_lora(1)
    return out


CHAIN = "take what the layer before it gives, and that alone"
REFUSED = {
    "activation": (lambda L, at: L.LSTM(N, activation="relu", name="a")(at), "'a' (LSTM) must have activation tanh, not relu"),
    "gates": (lambda L, at: L.LSTM(N, recurrent_activation="hard_sigmoid", name="a")(at), "'a' (LSTM) must have recurrent_activation sigmoid, not hard_sigmoid"),
    "backwards": (lambda L, at: L.LSTM(N, go_backwards=True, name="a")(at), "'a' (LSTM) must have go_backwards False, not True"),
    "state": (lambda L, at: L.LSTM(N, return_state=True, name="a")(at)[0], "'a' (LSTM) must have return_state False, not True"),
    "merged": (lambda L, at: L.Bidirectional(L.LSTM(N), merge_mode="sum", name="a")(at), "'a' (Bidirectional) must be of an LSTM and merge by concat"),
    "another recurrence": (lambda L, at: L.Bidirectional(L.GRU(N), name="a")(at), "'a' (Bidirectional) must be of an LSTM and merge by concat"),
    "directions that differ": (lambda L, at: L.Bidirectional(L.LSTM(N), backward_layer=L.LSTM(N, use_bias=False, go_backwards=True, name="b"), name="a")(at), "'b' (LSTM) must have units 5 and use_bias True, as the other direction"),
    "adapter": (adapted, "'a' (Dense) must have no LoRA adapter"),
    "layer": (lambda L, at: L.GRU(N, name="a")(at), "'a' (GRU) must be LSTM, Bidirectional, Dense, TimeDistributed, Activation or Dropout"),
    "every step of another": (lambda L, at: L.TimeDistributed(L.Dropout(0.1), name="a")(at), "'a' (TimeDistributed) must be of a Dense layer"),
    "function": (lambda L, at: L.Dense(N, "gelu", name="a")(at), "'a' (Dense) must have one of the activations linear, relu, sigmoid, softmax, tanh, not gelu"),
    "slice": (lambda L, at: L.Dense(2, name="a")(at)[:, -1], "'get_item' (GetItem) must be LSTM, Bidirectional, Dense, TimeDistributed, Activation or Dropout"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_name(keras, name):
    make, sentence = REFUSED[name]
    with pytest.raises(DesignError) as error:
        import_keras(functional(keras, make))
    assert str(error.value) == f"Keras layer {sentence}"


def test_what_is_no_chain_is_refused(keras):
    layers, start = keras.layers, keras.Input((T, M))
    twice = layers.Dense(M, name="a")
    shared = keras.Model(start, layers.LSTM(N, name="b")(twice(twice(start))))
    first, second = layers.Dense(M)(start), layers.Dense(M, name="c")(start)
    sum_of_two = keras.Model(start, layers.Dense(2, name="d")(first + second))
    again = keras.Model(start, twice(twice(start)), name="g")
    two = keras.Model(start, [first, second], name="e")
    unbuilt = keras.Sequential([layers.LSTM(N)], name="f")
    kind = "a Keras model must be Sequential or functional, built, and of one input and one output, not"
    for model, sentence in (
        (shared, f"Keras layer 'b' (LSTM) must {CHAIN}"),
        (again, "a Keras model must run each of its layers once, but 'g' does not"),
        (sum_of_two, f"Keras layer 'c' (Dense) must {CHAIN}"),
        (two, f"{kind} Functional 'e'"),
        (unbuilt, f"{kind} Sequential 'f'"),
        (nn.LSTM(M, N), f"{kind} LSTM ''"),
    ):
        with pytest.raises(DesignError) as error:
            import_keras(model)
        assert str(error.value) == sentence


def test_files_that_are_none_are_refused(keras, tmp_path, monkeypatch):
    missing, other, weights = tmp_path / "missing.keras", tmp_path / "other.h5", tmp_path / "m.weights.h5"
    other.write_text("no model")
    MODELS["the last step"][0](keras).save_weights(weights)
    for path, said in (
        (missing, "File not found"),
        (other, "Unable to "),
        (weights, "No model config found in the file"),
        (tmp_path / "model.pt", "File format not supported"),
    ):
        with pytest.raises(DesignError) as error:
            import_keras(path)
        assert str(error.value).startswith(f"{path} must be a file with a Keras model, but Keras says: {said}")
        assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(DesignError) as error:
        import_keras(missing)
    assert str(error.value) == "import_keras must have the package keras: pip install 'ohmgate[keras]'"
