"""Networks of texts by commands: trained, gone on with, packed, simulated; and the default data set."""

import json
import re
from dataclasses import replace

import pytest

from ohmgate.cli.tasks import dataset_of
from ohmgate.firmware import image
from ohmgate.model.design import Design, presets
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.train.data.corpora import names
from ohmgate.train.language.names import train_names
from ohmgate.train.language.protocols import language_protocol
from ohmgate.train.layers.noise import Noise
from tests.cli.test_errors import refused
from tests.train.language.test_language import write_names, write_words

WORDS = 'name = "words"\n[[layer]]\nkind = "lstm"\ninputs = 5\nhidden = 4\nadcs = 8\noutput = "value"\n'


@pytest.fixture(scope="module")
def words(ohmgate, tmp_path_factory):
    """A folder with the design words.toml, a text in data, and a run of two seeds, packed from the second one."""
    folder = tmp_path_factory.mktemp("words")
    (folder / "words.toml").write_text(WORDS)
    (folder / "data").mkdir()
    write_words(folder / "data")
    given = ("--dataset", "ptb", "--data", folder / "data", "--epochs", 1, "--batch", 4)
    for each in (("--seeds", 1, "--float"), ("--seeds", 2)):
        made = ohmgate("train", folder / "words.toml", *given, *each, "--out", folder / "run")
        assert made.exit_code == 0, made.stderr
    assert ohmgate("pack", folder / "run", "--seed", 1).exit_code == 0
    return folder


@pytest.mark.parametrize("option, value", [("validation", 0.2), ("float-epochs", 0.5), ("start", "run")])
def test_what_only_sequences_have_is_refused(ohmgate, words, option, value):
    given = ("--dataset", "ptb", "--data", words / "data", "--out", words / "other")
    value = words / value if option == "start" else value
    said = refused(ohmgate("train", words / "words.toml", *given, f"--{option}", value))
    assert said == f"--{option} must be left out for the text ptb, which has no use for it"
    assert not (words / "other").exists()


def test_a_text_leaves_a_run_with_its_own_figures(words):
    results = json.loads((words / "run/results.json").read_text())
    assert list(results["perplexity"]) == ["quantised_0", "quantised_1"]
    assert all(1 < value < 7 for value in results["perplexity"].values())
    assert results["units"]["perplexity"] == "per word of the validation text, 1 or more"
    assert "accuracy" not in results
    assert list(results["clipped"]["quantised_0"]) == ["lstm.arrays.0"]
    config = json.loads((words / "run/config.json").read_text())
    assert (config["dataset"], config["train"]["embedding"]) == ("ptb", 5)
    assert sorted(path.name for path in (words / "run/checkpoints").iterdir()) == [
        "float_0.safetensors", "quantised_0.safetensors", "quantised_1.safetensors",
    ]  # fmt: skip
    assert image.read(words / "run/words.image").design == Design.load(words / "words.toml")


@pytest.mark.slow
def test_embedded_words_run_through_the_verilog(ohmgate, words, tmp_path):
    given = ("--data", words / "data", "--simulator", "icarus", "--sequences", 1)
    done = ohmgate("simulate", words / "run", *given)
    assert done.exit_code == 0, done.stderr
    assert re.match(r"[1-9]\d{3} integers compared, 0 differ\n\d+ clock cycles for 35 time steps$", done.stdout)
    alone = (tmp_path / "words.image").write_bytes((words / "run/words.image").read_bytes())
    assert alone > 0
    sentence = refused(ohmgate("simulate", tmp_path / "words.image", "--dataset", "ptb", *given))
    assert sentence == (
        f"inputs from ptb must be embedded by the model that was trained, but {str(tmp_path / 'words.image')!r} is no "
        "run folder with its checkpoint"
    )


def test_what_asks_for_labels_refuses_a_text(ohmgate, words):
    sentence = refused(ohmgate("montecarlo", words / "run", "--data", words / "data"))
    assert sentence == "ptb is a text to learn the next token of, which has no labels"


def test_a_network_that_a_sweep_kept_is_packed(ohmgate, tmp_path):
    config = replace(language_protocol("names", (2, 2), 0, Noise()), hidden=4, epochs=1, epoch_steps=2)
    model = train_names(names(write_names(tmp_path)), config).model
    model.save(tmp_path / "names_w2_a2_seed0.safetensors")
    assert ohmgate("pack", tmp_path / "names_w2_a2_seed0.safetensors").exit_code == 0
    network = image.read(tmp_path / "names_w2_a2_seed0.image")
    [layer] = network.design.layers
    assert (layer.inputs, layer.hidden, layer.weight_bits, layer.output, layer.input_drive) == (100, 4, 2, "value", 8)
    assert network.layers == (model.lstm.arrays[0].layer_data(),)


def test_a_designs_own_data_set_is_the_default():
    assert {name: dataset_of(Design.load(name), None) for name in presets()} == {name: name for name in presets()}
    fits = Design(
        "mine",
        (
            LstmLayer(inputs=12, hidden=4, adcs=4),
            DenseLayer(inputs=4, outputs=9, adcs=9, output="argmax", emit="end"),
        ),
    )
    assert dataset_of(fits, None) == "vowels"
    assert dataset_of(Design.load("vowels"), "har") == "har"
