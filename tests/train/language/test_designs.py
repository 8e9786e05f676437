"""A design as a language model: its arrays, the way to a network, and trainings that go on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train import checkpoint
from ohmgate.train.data.corpora import names, penn_treebank
from ohmgate.train.language.kept import trained_model, trained_network
from ohmgate.train.language.protocols import check_design, design_protocol
from ohmgate.train.language.texts import Text
from ohmgate.train.layers.noise import Noise
from tests.train.language.test_language import write_names, write_words


def lstm(inputs=100, **fields) -> LstmLayer:
    return LstmLayer(inputs=inputs, hidden=8, adcs=8, bias_rows=2, **fields)


HEAD = DenseLayer(inputs=8, outputs=100, adcs=20, adc_bits=8, output="codes", emit="step")
ALONE = Design("alone", (lstm(output="value", input_drive=2),))
HEADED = Design("headed", (lstm(), HEAD))


def config(design: Design, task="names", tokens=100, floating=False, noise=None, **chosen):
    made = design_protocol(design, task, tokens, seed=3, floating=floating, noise=noise or Noise(), **chosen)
    return replace(made, epochs=3, epoch_steps=5, learning_rate=0.02)


def test_a_designs_protocol_is_the_tasks_with_the_designs_arrays():
    made = design_protocol(ALONE, "names", 100, seed=3, floating=False, noise=Noise(weight=0.1))
    assert (made.hidden, made.embedding, made.seed, made.batch, made.cutoffs) == (8, 0, 3, 2, ())
    quant = made.quant
    assert (quant.bias_rows, quant.input_drive, quant.output, quant.dac_bits) == (2, 2, "value", 4)
    assert (quant.quantiser, quant.range_noise, quant.learn_range) == ("sawb", 0.1, True)
    constant = Design("constant", (lstm(tables="constant"),))
    assert not design_protocol(constant, "names", 100, seed=0, floating=False, noise=Noise()).quant.learn_range
    floating = design_protocol(ALONE, "names", 100, seed=0, floating=True, noise=Noise(), quantiser="lsq").quant
    assert (floating.weight_bits, floating.adc_bits, floating.learn_range, floating.output) == (
        32,
        32,
        False,
        "codes",
    )
    words = design_protocol(Design.load("ptb"), "ptb", 10000, seed=0, floating=False, noise=Noise(), epochs=2)
    assert (words.embedding, words.hidden, words.cutoffs, words.epochs) == (300, 300, (1000, 4000), 2)
    few = design_protocol(Design.load("ptb"), "ptb", 4000, seed=0, floating=False, noise=Noise())
    assert few.cutoffs == (1000,)
    one_bit = Design("bit", (lstm(dac_bits=1, adc_bits=1),))
    assert not design_protocol(one_bit, "ptb", 50, seed=0, floating=False, noise=Noise()).drop_rows


def test_one_hot_inputs_in_row_tiles_alone_get_a_leak():
    def leak(task="names", tokens=100, floating=False, **fields):
        design = Design("tiled", (lstm(**fields),))
        return design_protocol(design, task, tokens, seed=0, floating=floating, noise=Noise()).quant.leak

    assert leak(tile_rows=64) == 0.03
    assert leak() == leak(tile_rows=64, floating=True) == 0, "one tile; float sums have none"
    assert leak(task="ptb", tokens=50, tile_rows=64) == 0, "an embedding drives all inputs"


@pytest.mark.parametrize(
    "layers, sentence",
    [
        ((DenseLayer(inputs=4, outputs=8, adcs=8), HEAD), "a design for names must be an LSTM layer, with or without "
         "a head, but is not"),
        ((lstm(), LstmLayer(inputs=8, hidden=8, adcs=8), HEAD), "a design for names must be an LSTM layer, with or "
         "without a head, but is not"),
        ((lstm(), replace(HEAD, output="argmax")), "a head for names must give codes of 100 outputs on every step, "
         "not argmax of 100 on every step"),
        ((lstm(), replace(HEAD, outputs=60)), "a head for names must give codes of 100 outputs on every step, not "
         "codes of 60 on every step"),
        ((lstm(), replace(HEAD, emit="end")), "a head for names must give codes of 100 outputs on every step, not "
         "codes of 100 on every end"),
    ],
)  # fmt: skip
def test_what_is_no_language_model_has_its_sentence(layers, sentence):
    with pytest.raises(DesignError) as raised:
        check_design(Design("other", layers), "names", 100)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "design, task",
    [
        (ALONE, "names"),
        (HEADED, "names"),
        (Design("bit", (lstm(dac_bits=1, adc_bits=1), replace(HEAD, dac_bits=1))), "names"),
        (Design("words", (lstm(6, output="value"),)), "ptb"),
    ],
    ids=lambda part: part if isinstance(part, str) else part.name,
)
def test_the_network_gives_the_models_own_values(tmp_path, design, task):
    """The host encodes what the model says to give, the reference computes, decode gives hidden values or logits."""
    text = Text.read(task, (write_names if task == "names" else write_words)(tmp_path))
    made = replace(config(design, task, text.tokens), epochs=1, batch=4)
    model = text.train(made, design=design, checkpoint=tmp_path / "kept").model
    tokens, lengths = text.examples(5)
    network = trained_network(tmp_path / "kept")
    assert network.design == design
    result = reference.run(network, network.encode(model.inputs(tokens)))
    hidden = model.evaluate(tokens)
    with torch.no_grad():
        logits = model.softmax(hidden) if len(design.layers) > 1 else hidden
    got, wanted = network.decode(result.out), logits.double().numpy().transpose(1, 0, 2)
    assert np.abs(got - wanted).max() <= 1e-6 * np.abs(wanted).max()
    assert len(np.unique(result.out)) > 2
    assert (lengths >= 1).all()


@pytest.mark.parametrize("task", ["names", "ptb"])
@pytest.mark.parametrize("stop", [1, 2])
def test_a_training_that_was_stopped_ends_as_one_that_was_not(tmp_path, task, stop):
    """With noise and dropout, whose random numbers run on from epoch to epoch."""
    data = write_names(tmp_path) if task == "names" else write_words(tmp_path)
    design = HEADED if task == "names" else Design("words", (lstm(6, output="value"),))
    text = Text.read(task, data)
    made = replace(config(design, task, text.tokens, noise=Noise(adc=0.3, weight=0.1)), dropout=0.2, batch=4)
    whole = text.train(made, design=design, checkpoint=tmp_path / "whole")
    seen = []

    def interrupt(done, total, perplexity):
        seen.append((done, total))
        if done > stop * total // 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text.train(made, interrupt, design=design, checkpoint=tmp_path / "part")
    assert checkpoint.read_state(tmp_path / "part").epoch == stop
    assert text.train(made, design=design, checkpoint=tmp_path / "part") == whole
    assert (tmp_path / "part").read_bytes() == (tmp_path / "whole").read_bytes()
    assert [done for done, _ in seen] == list(range(1, stop * seen[0][1] // 3 + 2))
    assert text.train(made, design=design, checkpoint=tmp_path / "part") == whole, "and at its end it repeats nothing"
    assert text.train(made, design=design) == whole


def test_checkpoints_that_have_no_network_are_refused(tmp_path):
    data = names(write_names(tmp_path))
    text, file = Text(data), tmp_path / "kept.safetensors"
    made = config(HEADED)

    def interrupt(done, total, perplexity):
        if done == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        text.train(made, interrupt, design=HEADED, checkpoint=file)
    with pytest.raises(DesignError) as raised:
        trained_model(file)
    assert str(raised.value) == (
        "checkpoint 'kept.safetensors' must be of a finished run, but it stopped after epoch 1 of 3; go on with the "
        "same train command"
    )
    with pytest.raises(DesignError, match="must belong to this run, but its configuration differs$"):
        text.train(replace(made, seed=4), design=HEADED, checkpoint=file)
    floating = tmp_path / "float.safetensors"
    text.train(replace(config(ALONE, floating=True), epochs=1), design=ALONE, checkpoint=floating)
    with pytest.raises(DesignError) as raised:
        trained_network(floating)
    assert str(raised.value) == ("checkpoint 'float.safetensors' must be of a quantised run, not of a float one")
    other = tmp_path / "other.safetensors"
    run = {"design": HEADED.to_dict(), "dataset": "vowels", "config": {}}
    checkpoint.write(other, {}, {"run": run, "epoch": 1, "host": {"labels": []}})
    with pytest.raises(DesignError) as raised:
        trained_model(other)
    assert str(raised.value) == (
        "checkpoint 'other.safetensors' must be of a language model, but is of another training"
    )


def test_examples_are_names_to_their_last_character_and_pieces_of_the_text(tmp_path):
    text = Text(names(write_names(tmp_path)))
    tokens, lengths = text.examples(2)
    assert np.array_equal(tokens, text.data.windows[:2, :32])
    assert lengths.tolist() == [9, 6]
    assert (text.tokens, text.measures) == (100, ("accuracy", "perplexity", "name_accuracy", "name_perplexity"))
    words = Text(penn_treebank(write_words(tmp_path)))
    tokens, lengths = words.examples(10**6)
    assert tokens.shape == (len(words.data.valid) // 35, 35)
    assert np.array_equal(tokens.reshape(-1), words.data.valid[: tokens.size])
    assert set(lengths) == {35}
    assert (words.tokens, words.measures) == (6, ("perplexity",))


def test_texts_have_no_end_from_which_a_layer_could_go_back():
    turned = LstmLayer(inputs=100, hidden=4, adcs=4, direction="reverse", max_steps=9)
    with pytest.raises(
        DesignError, match=r"^a design for texts must have no layers in reverse, as a text has no end$"
    ):
        check_design(Design("other", (turned,)), "names", 100)
