"""Names and Penn Treebank: the texts as read, the models' inputs, training, the meaning of each number."""

import gzip
import hashlib
import math
import os
from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train import checkpoint
from ohmgate.train.data.corpora import CHARACTERS, END, NATIONS, WINDOW, names, penn_treebank, penn_treebank_test
from ohmgate.train.language.config import LanguageConfig
from ohmgate.train.language.descent import begin
from ohmgate.train.language.model import LanguageModel, load
from ohmgate.train.language.names import evaluate_names, train_names
from ohmgate.train.language.protocols import language_protocol as protocol
from ohmgate.train.language.words import evaluate_words, train_words
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.noise import Noise
from tests.pretended_device import PretendedDevice, There

external = pytest.mark.skipif("OHMGATE_DATA" not in os.environ, reason="OHMGATE_DATA, the data folder, is not set")


def write_names(folder, **changes):
    (folder / "names").mkdir()
    for nation in NATIONS:
        text = changes.get(nation, f"{nation}son\nO'Neil\nÁvila\n")
        (folder / "names" / f"{nation}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def write_words(folder, train="the cat sat on the mat \n" * 60, valid="the cat sat on the mat \n" * 20):
    (folder / "ptb").mkdir()
    for split, text in (("train", train), ("valid", valid)):
        (folder / "ptb" / f"ptb.{split}.txt.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def small(bits, **fields):
    config = protocol("names", bits, 0, Noise())
    return replace(config, hidden=16, epochs=2, epoch_steps=20, batch=32, learning_rate=0.02, **fields)


def test_names_are_folded_and_padded(tmp_path):
    data = names(write_names(tmp_path))
    assert len(CHARACTERS) == 100
    assert data.windows.shape == (3 * len(NATIONS), WINDOW + 1)
    text = ["".join(CHARACTERS[c] for c in row) for row in data.windows[:3]]
    assert text == [name.ljust(WINDOW + 1, "\n") for name in ("Arabicson", "O'Neil", "Avila")]
    assert data.lengths[:3].tolist() == [9, 6, 5]


def test_words_are_numbered_by_frequency(tmp_path):
    data = penn_treebank(write_words(tmp_path, "b a b \n c b \n", "a c \n"))
    assert data.vocabulary == ("b", "<eos>", "a", "c")
    assert data.train.tolist() == [0, 2, 0, 1, 3, 0, 1]
    assert data.valid.tolist() == [2, 3, 1]


def test_the_test_text_has_the_training_texts_numbers(tmp_path):
    vocabulary = penn_treebank(write_words(tmp_path, "b a b \n c b \n", "a c \n")).vocabulary
    content = b" c b \n a \n"
    (tmp_path / "ptb" / "ptb.test.txt.gz").write_bytes(gzip.compress(content))
    words, found = penn_treebank_test(vocabulary, tmp_path)
    assert words.tolist() == [3, 0, 1, 2, 1]
    assert found == hashlib.sha256(content).hexdigest()
    (tmp_path / "ptb" / "ptb.test.txt.gz").write_bytes(gzip.compress(b"a dog"))
    with pytest.raises(
        DesignError, match=r"^every word of the test text must be one of the training text, not 'dog'$"
    ):
        penn_treebank_test(vocabulary, tmp_path)


def test_one_hot_inputs_are_driven_or_not_and_signs_for_one_bit():
    for bits, rest in ((4, 0), (2, 0), (1, -1)):
        model = LanguageModel(100, small((bits, bits))).eval()
        seen = []
        model.lstm.arrays[0].recorder = lambda array, codes, trace, seen=seen: seen.append(codes)
        with torch.no_grad():
            model(torch.tensor([[3]]))
        top = max(1, 2 ** (bits - 1) - 1)
        assert seen[0].flatten().tolist() == [float(top if k == 3 else rest) for k in range(100)]


def test_dropout_leaves_rows_undriven_and_does_not_move_the_codes_of_others():
    model = LanguageModel(50, replace(protocol("ptb", (4, 2), 0, Noise()), cutoffs=())).train()
    tokens, seen = torch.zeros(4, 1, dtype=torch.long), []
    model.lstm.arrays[0].recorder = lambda array, codes, trace: seen.append(codes.unique().tolist())
    for value in (0.45, 0.9):  # codes 0 and 1; 0.45 would be a 1 if it were scaled ahead of the DAC
        with torch.no_grad():
            model.embedding.weight.fill_(value)
            model(tokens)
    assert seen == [[0.0], [0.0, 1.25]]


def test_a_models_perplexities_are_those_of_its_probabilities(tmp_path):
    data = names(write_names(tmp_path))
    model = LanguageModel(100, small((32, 32)))
    with torch.no_grad():
        model.softmax.weight.zero_()
        model.softmax.bias.fill_(-50.0)
        model.softmax.bias[[END, CHARACTERS.index("n")]] = torch.tensor([math.log(0.75), math.log(0.25)])
        model.softmax.bias[[CHARACTERS.index(c) for c in set("".join(NATIONS)) | set("soO'eilAv")]] = math.log(0.1)
        model.softmax.bias[END] = math.log(0.9)
    got = evaluate_names(model, data)
    p = torch.softmax(model.softmax.bias.detach().double(), 0).numpy()
    targets = data.windows[:, 1:]
    real = np.arange(WINDOW) < data.lengths[:, None]
    assert got["perplexity"] == pytest.approx(math.exp(-np.log(p[targets]).mean()), rel=1e-5)
    assert got["name_perplexity"] == pytest.approx(math.exp(-np.log(p[targets[real]]).mean()), rel=1e-5)
    assert got["accuracy"] == pytest.approx((targets == END).mean())
    assert got["name_accuracy"] == pytest.approx(1 / data.lengths.mean())


def test_a_text_is_read_with_its_state_kept():
    """Whatever the windows: integers are exact, and only the sum of the losses is rounded."""
    config = replace(protocol("ptb", (4, 4), 0, Noise()), hidden=16, embedding=16, cutoffs=())
    torch.manual_seed(0)
    model = LanguageModel(30, config)
    words = np.random.default_rng(0).integers(0, 30, 400)
    whole = evaluate_words(model, words, batch=2, window=200)
    assert evaluate_words(model, words, batch=2, window=7) == pytest.approx(whole, rel=1e-6)
    assert evaluate_words(model, words[:14], batch=2, window=7) != pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("bits", [(32, 32), (4, 4), (1, 1)])
def test_names_are_learned_and_repeat_to_the_bit(tmp_path, bits):
    data = names(write_names(tmp_path))
    runs = [train_names(data, small(bits)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert train_names(data, small(bits, seed=1)) != runs[0]
    first, last = (epoch["train_perplexity"] for epoch in runs[0].epochs)
    assert last < first / 2
    assert runs[0].final["perplexity"] < 1.1 * last
    assert runs[0].final["name_perplexity"] > runs[0].final["perplexity"]


@pytest.mark.parametrize("bits", [(32, 32), (4, 4)])
def test_words_are_learned(tmp_path, bits):
    data = penn_treebank(write_words(tmp_path))
    config = replace(
        protocol("ptb", bits, 0, Noise()), hidden=16, embedding=8, epochs=6, batch=4, window=5, cutoffs=()
    )
    config = replace(config, learning_rate=0.02, dropout=0.0)
    result = train_words(data, config)
    assert len(result.epochs) == 6
    assert result.final["perplexity"] == result.epochs[-1]["valid_perplexity"]
    assert result.final["perplexity"] < len(data.vocabulary) / 2
    assert train_words(data, config, steps=3).epochs[0]["train_perplexity"] > result.epochs[0]["train_perplexity"]


@pytest.mark.parametrize("bits", [(4, 4), (32, 32)])
def test_language_models_train_on_another_device(tmp_path, bits):
    """Both kinds, softmax, dropout and noise; gradients are equal to rounding."""
    config = small(bits, noise=Noise(adc=0.3) if bits == (4, 4) else Noise(), dropout=0.2)
    data = names(write_names(tmp_path))
    here = train_names(data, config)
    with PretendedDevice():
        there = train_names(data, config, device="meta")
        assert isinstance(there.model.lstm.arrays[0].cells, There)
    assert there.epochs[0]["train_perplexity"] == pytest.approx(here.epochs[0]["train_perplexity"], rel=0.02)
    assert there.final["perplexity"] == pytest.approx(here.final["perplexity"], rel=0.1)

    words, config = penn_treebank(write_words(tmp_path)), replace(config, embedding=8, batch=4, window=5)
    config = replace(config, cutoffs=(2, 4))
    here = train_words(words, config)
    with PretendedDevice():
        there = train_words(words, config, device="meta")
    assert there.final["perplexity"] == pytest.approx(here.final["perplexity"], rel=0.1)


def test_word_perplexity_of_a_uniform_model_is_the_vocabulary(tmp_path):
    data = penn_treebank(write_words(tmp_path))
    model = LanguageModel(len(data.vocabulary), LanguageConfig(quant=QuantConfig(), hidden=8, embedding=4))
    torch.nn.init.zeros_(model.softmax.weight)
    torch.nn.init.zeros_(model.softmax.bias)
    assert evaluate_words(model, data.valid, batch=3, window=7) == pytest.approx(len(data.vocabulary), rel=1e-5)


def test_noise_of_a_run_acts_in_training_and_evaluation(tmp_path):
    data = names(write_names(tmp_path))
    plain, noisy = (train_names(data, small((4, 4), noise=Noise(weight=beta))) for beta in (0.0, 0.2))
    assert noisy.epochs != plain.epochs
    for array in noisy.model.lstm.arrays:
        assert array.train_noise == array.eval_noise == Noise(weight=0.2)
    noisy.model.source.seed(1)
    one, two = (evaluate_names(noisy.model, data)["perplexity"] for _ in range(2))
    assert one != two
    assert noisy == train_names(data, small((4, 4), noise=Noise(weight=0.2)))


def test_protocols_are_the_papers():
    config = protocol("names", (4, 4), 3, Noise())
    assert (config.hidden, config.embedding, config.epochs * config.epoch_steps, config.seed) == (256, 0, 8000, 3)
    config = protocol("ptb", (2, 3), 0, Noise())
    assert (config.hidden, config.embedding, config.epochs, config.batch, config.window) == (300, 300, 10, 20, 35)
    assert (config.quant.weight_bits, config.quant.dac_bits, config.quant.adc_bits) == (2, 3, 3)


@pytest.mark.parametrize("bits, dropped, start", [((1, 1), 0.0, 20), ((4, 1), 0.0, 20), ((1, 2), 0.2, 0)])
def test_one_bit_has_a_protocol_of_its_own(bits, dropped, start):
    """Its rows are never undriven in evaluation, and its state depends on where it began."""
    config = replace(protocol("ptb", bits, 0, Noise()), cutoffs=())
    model = LanguageModel(50, config)
    assert (model.lstm.arrays[0].input_dropout, model.dropout.p, config.start_every) == (dropped, 0.2, start)


def test_protocols_have_the_formats_of_the_paper_and_our_own_ranges():
    """Codes go back to the rows and values to the host; ranges reckon with the noise; all of it off in float."""
    for task, drive in (("names", 8), ("ptb", 1)):
        quant = protocol(task, (2, 3), 0, Noise(weight=0.1)).quant
        assert (quant.output, quant.quantiser, quant.range_noise, quant.bias_rows) == ("value", "sawb", 0.1, 4)
        assert (quant.learn_range, quant.input_drive, quant.per_gate) == (True, drive, False)
        floating = protocol(task, (32, 32), 0, Noise()).quant
        assert (floating.output, floating.learn_range, floating.adc_bits) == ("codes", False, 32)
    config = protocol("ptb", (4, 4), 0, Noise())
    assert (config.learning_rate, config.clip_norm, config.dropout, config.cutoffs) == (
        0.003,
        0.25,
        0.2,
        (1000, 4000),
    )


def test_states_start_again_as_often_as_said(tmp_path, monkeypatch):
    data = penn_treebank(write_words(tmp_path))
    config = replace(
        protocol("ptb", (4, 4), 0, Noise()), hidden=4, embedding=4, epochs=2, batch=4, window=5, cutoffs=()
    )
    for every, expected in ((0, [0, 21]), (8, [0, 8, 16, 21, 29, 37])):
        started = []

        def run(model, tokens, state=None, started=started, forward=LanguageModel.forward):
            if model.training:
                started.append(state is None)
            return forward(model, tokens, state)

        with monkeypatch.context() as patch:
            patch.setattr(LanguageModel, "forward", run)
            train_words(data, replace(config, start_every=every))
        assert [number for number, new in enumerate(started) if new] == expected


def test_sentences(tmp_path):
    with pytest.raises(DesignError, match=r"^files of names must be UTF-8 text, but one is not$"):
        names(write_names(tmp_path, Greek=b"\xff\xfe"))
    (tmp_path / "long").mkdir()
    with pytest.raises(DesignError, match=r"^the longest name must have 1 to 31 characters, not 40$"):
        names(write_names(tmp_path / "long", Greek="x" * 40))
    sentence = r"^every word of the validation text must be one of the training text, not 'dog'$"
    with pytest.raises(DesignError, match=sentence):
        penn_treebank(write_words(tmp_path, "a b \n", "a dog \n"))
    (tmp_path / "ptb" / "ptb.valid.txt.gz").write_bytes(b"a b")
    sentence = r"^files of the Penn Treebank must be text compressed by gzip, but cannot be read$"
    with pytest.raises(DesignError, match=sentence):
        penn_treebank(tmp_path)
    for read, file in ((penn_treebank, "ptb/ptb.train.txt.gz"), (names, "names/Arabic.txt")):
        with pytest.raises(
            DesignError, match=rf"^the data folder must have the file '{file}', but .*away' has none$"
        ):
            read(tmp_path / "away")
    config = small((4, 4))
    with pytest.raises(DesignError, match=r"^learning rate must be a number from 0 to 10, not 11$"):
        replace(config, learning_rate=11)
    with pytest.raises(DesignError, match=r"^noise must be a Noise, not None$"):
        replace(config, noise=None)
    with pytest.raises(DesignError, match=r"^a language model must have a QuantConfig, but has none$"):
        replace(config, quant=None)
    (tmp_path / "good").mkdir()
    data = names(write_names(tmp_path / "good"))
    with pytest.raises(DesignError, match=r"^dropping of rows must be true or false, not 1$"):
        replace(config, drop_rows=1)
    with pytest.raises(DesignError, match=r"^a window of names must have 32 steps, not 16$"):
        train_names(data, replace(config, window=16))
    data = penn_treebank(write_words(tmp_path / "long"))
    with pytest.raises(
        DesignError, match=r"^a text must have at least 2 words for each of 20 streams, not 3 in all$"
    ):
        evaluate_words(LanguageModel(5, config), data.valid[:3])


@external
def test_the_real_texts():
    data = names()
    assert data.windows.shape == (20050, WINDOW + 1)
    assert data.lengths.max() <= 20
    assert data.checksum == "8cb5d785e418621c9ae2a9769a0c3360878c05c6fcb4b5457ce4d5ac059ec65d"
    words = penn_treebank()
    assert (len(words.train), len(words.valid), len(words.vocabulary)) == (929589, 73760, 10000)
    test, found = penn_treebank_test(words.vocabulary)
    assert (len(test), found[:8]) == (82430, "dd65dff3")


@pytest.mark.parametrize("cutoffs", [(), (5, 20)])
def test_a_softmax_of_either_kind_is_one_over_all_tokens(cutoffs):
    model = LanguageModel(40, small((4, 4), cutoffs=cutoffs))
    torch.manual_seed(1)
    hidden = torch.randn(2, 3, 16)
    losses = torch.stack([model.losses(hidden, torch.full((2, 3), token)) for token in range(40)])
    assert losses.shape == (40, 2, 3)
    assert torch.allclose(torch.exp(-losses).sum(0), torch.ones(2, 3), atol=1e-5)
    assert torch.equal(model.predict(hidden), losses.argmin(0))


@pytest.mark.parametrize("bits", [(32, 32), (2, 2)])
def test_a_saved_model_computes_the_same(tmp_path, bits):
    data = names(write_names(tmp_path))
    model = train_names(data, small(bits, noise=Noise(weight=0.1))).model
    model.save(tmp_path / "model.safetensors")
    found = load(tmp_path / "model.safetensors")
    assert found.config == model.config
    for each in (model, found):
        each.source.seed(3)
    assert evaluate_names(found, data) == evaluate_names(model, data)
    assert [path.name for path in tmp_path.iterdir() if "model" in path.name] == ["model.safetensors"]


def test_a_file_that_is_no_language_model_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    checkpoint.write(path, {}, {"epoch": 3})
    with pytest.raises(DesignError) as error:
        load(path)
    assert str(error.value) == (
        "network 'other.safetensors' must be a language model of ohmgate, but is something else"
    )


def test_cutoffs_may_lie_anywhere_within_the_tokens():
    for cutoffs in ((1, 39), (1, 2, 3)):
        assert LanguageModel(40, small((4, 4), cutoffs=cutoffs)).softmax.cutoffs == [*cutoffs, 40]


@pytest.mark.parametrize("cutoffs", [(5, 40), (9, 5), (0, 5)])
def test_cutoffs_that_do_not_split_the_tokens_are_refused(cutoffs):
    with pytest.raises(DesignError) as error:
        LanguageModel(40, small((4, 4), cutoffs=cutoffs))
    assert str(error.value) == f"cutoffs must rise and lie between 0 and 40 tokens, not {cutoffs}"


@pytest.mark.parametrize("cutoffs", [(0, 5), (5, 5), (20, 5), (5, 40)])
def test_cutoffs_rise_within_the_vocabulary(cutoffs):
    with pytest.raises(DesignError) as error:
        LanguageModel(40, small((4, 4), cutoffs=cutoffs))
    assert str(error.value) == f"cutoffs must rise and lie between 0 and 40 tokens, not {cutoffs}"


def test_the_noise_of_a_run_follows_from_its_seed():
    first, other = (begin(5, small((4, 4), seed=seed), "cpu")[0].source.key() for seed in (1, 2))
    assert first == begin(5, small((4, 4), seed=1), "cpu")[0].source.key() != other
