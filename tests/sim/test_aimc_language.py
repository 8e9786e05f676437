"""The Penn Treebank on chips of the preset aimc: what is read, by which network, and what a trial tells of it."""

import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from ohmgate.analog.config import ArrayConfig
from ohmgate.analog.inference import build_arrays, convert_through
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.seeds import child
from ohmgate.sim import aimc, aimc_language
from ohmgate.sim.aimc_language import LanguageAimcTrial, chance, hidden_values, pieces_of, score_chip
from ohmgate.train.data.corpora import Words
from ohmgate.train.language.next_words import score_of
from ohmgate.train.language.words import begin_words, train_words
from ohmgate.train.layers.noise import Noise
from tests.designs import random_inputs, random_network
from tests.train.language.test_warm import DESIGN, TOKENS, config_of

SMALL = {"inputs": 5, "hidden": 6, "adcs": 4, "weight_bits": 5, "dac_bits": 6, "adc_bits": 5, "bias_rows": 2}


def test_the_network_is_the_papers_with_eight_bits_in_two_tiles():
    [layer] = aimc_language.design_of().layers
    assert (layer.weight_bits, layer.dac_bits, layer.adc_bits, layer.output) == (8, 8, 8, "value")
    assert [each.stop - each.start for each in layer.row_slices] == [302, 302]
    floating, hardware = aimc_language.floating_of(3), aimc_language.hardware_of(3)
    assert (floating.quant.is_float, floating.epochs, floating.learning_rate, floating.seed) == (True, 10, 0.003, 3)
    assert (hardware.quant.tile_rows, hardware.quant.weight_bits, hardware.seed) == (512, 8, 3)
    assert (hardware.epochs, hardware.learning_rate, hardware.quant.learn_range) == (3, 0.00075, True)
    preset = aimc.aged(1.0)
    assert hardware.noise.adc == preset.conversion_sigma
    assert hardware.noise.level == pytest.approx(tuple(3 * each for each in preset.cells.device.program_sigma))
    mapped = aimc_language.mapped_of(3)
    assert (mapped.noise, mapped.distil, mapped.quant) == (Noise(), 0.0, hardware.quant)


@pytest.mark.parametrize(
    ("tile", "shift", "output"), [(0, 0, "value"), (7, 0, "value"), (5, 0, "codes"), (5, 2, "value")]
)
def test_what_is_handed_on_step_by_step_is_the_references(tile, shift, output):
    [layer] = Design.load("ptb").layers
    design = Design("small", (replace(layer, **SMALL, tile_rows=tile, input_tile_shift=shift, output=output),))
    rng = np.random.default_rng(tile)
    network = random_network(design, rng)
    codes, _ = random_inputs(design, rng, 3, 9)
    want = reference.run(network, codes, None).out
    got = np.stack(list(hidden_values(network, codes, reference.exact_codes(network))), axis=1)
    assert np.array_equal(got, want)
    assert len(np.unique(got)) > 5
    noisy = [
        convert_through(build_arrays(network, replace(aimc.aged(60.0), gains="as_trained"), 3, 3)) for _ in range(2)
    ]
    want = reference.run(network, codes, None, noisy[0]).out
    assert np.array_equal(np.stack(list(hidden_values(network, codes, noisy[1])), axis=1), want)


def test_a_piece_of_each_two_is_read(monkeypatch):
    monkeypatch.setattr(aimc_language, "PIECE", 4)
    words = np.arange(23)
    assert pieces_of(words).tolist() == [[0, 1, 2, 3, 4], [8, 9, 10, 11, 12], [16, 17, 18, 19, 20]]
    assert pieces_of(words[:20]).tolist() == [[0, 1, 2, 3, 4], [8, 9, 10, 11, 12]]
    with pytest.raises(DesignError, match="^a text for chips must have at least 5 words, not 4$"):
        pieces_of(words[:4])


def test_chance_is_the_share_of_the_most_frequent_word():
    assert chance(np.array([[0, 0, 3, 0], [0, 2, 0, 1]])) == 0.5


@pytest.fixture(scope="module")
def text():
    rng = np.random.default_rng(0)
    words = np.cumsum(rng.choice([1, 1, 1, 2, 5], 900)) % TOKENS
    return Words(words[:600], words[600:800], tuple("abcdefghijkl"), "5" * 64), words[600:]


@pytest.fixture(scope="module")
def model(text):
    return train_words(text[0], config_of(), design=DESIGN).model


def test_ideal_arrays_score_what_the_model_does(monkeypatch, text, model):
    """The model's own evaluation is the other way: integers alike, so like words, and losses but for rounding."""
    monkeypatch.setattr(aimc_language, "PIECE", 30)
    monkeypatch.setattr(aimc_language, "TOGETHER", 7)
    tokens = pieces_of(text[1])
    found = score_chip(model, tokens, ArrayConfig(), 0, 0)
    with torch.no_grad():
        hidden = model.evaluate(tokens[:, :-1])
        targets = torch.from_numpy(tokens.T[1:].copy())
        said = torch.stack([model.losses(hidden, torch.full_like(targets, word)) for word in range(TOKENS)])
    assert found.accuracy == float((said.argmin(0) == targets).double().mean())
    losses = said.gather(0, targets[None])[0].double()
    assert found.perplexity == pytest.approx(math.exp(float(losses.mean())), rel=1e-6)
    assert found == replace(score_of(model, tokens), perplexity=found.perplexity)
    assert 0.2 < found.accuracy < 1


def test_a_chip_depends_on_its_seed_and_number_alone(monkeypatch, text, model):
    monkeypatch.setattr(aimc_language, "PIECE", 30)
    tokens, config = pieces_of(text[1]), aimc.aged(aimc.YEAR)
    found = [score_chip(model, tokens, config, 7, chip) for chip in (1, 2, 1)]
    assert found[0] == found[2] != found[1]
    network = model.export()
    arrays = build_arrays(network, config, child(7, 1), len(tokens))
    out = reference.run(network, network.encode(model.inputs(tokens[:, :-1])), None, convert_through(arrays)).out
    with torch.no_grad():
        hidden = torch.from_numpy(network.decode(out)).transpose(0, 1).float()
        right = float((model.predict(hidden).numpy() == tokens.T[1:]).mean())
    assert found[0].accuracy == right


def test_a_trial_tells_what_its_chips_do(monkeypatch, tmp_path, text):
    """On a small text: every number follows from the networks that trainings by hand give."""
    data, test = text
    for name, value in (
        ("PIECE", 30), ("CHIPS", 2), ("TIMES", {"1 h": aimc.HOUR, "1 year": aimc.YEAR}), ("design_of", lambda: DESIGN), ("penn_treebank", lambda folder: data),
        ("penn_treebank_test", lambda vocabulary, folder: (test, "6" * 64)),
        ("floating_of", lambda seed: config_of(True)), ("hardware_of", lambda seed: config_of(distil=0.5, epochs=1)),
    ):  # fmt: skip
        monkeypatch.setattr(aimc_language, name, value)
    aimc_language._last.clear()
    tokens = pieces_of(test)
    floating = train_words(data, config_of(True), design=DESIGN).model
    hardware = train_words(data, config_of(distil=0.5, epochs=1), design=DESIGN, start=floating).model
    mapped = begin_words(data, config_of(), "cpu", DESIGN, floating)[0]
    for mapping, by_hand in (("direct", mapped), ("hwa", hardware)):
        kept = tmp_path / f"{mapping}.safetensors"
        trial = LanguageAimcTrial(mapping=mapping)
        outcome = trial.run(None, lambda *told: None, device="cpu", network=kept)
        assert outcome.checksum == f"{'5' * 64}, {'6' * 64}"
        assert outcome.final["float"] == score_of(floating, tokens).accuracy
        assert outcome.final["float_perplexity"] == score_of(floating, tokens).perplexity
        assert outcome.final["quiet"] == score_chip(by_hand, tokens, ArrayConfig(), 0, 0).accuracy
        assert outcome.final["chance"] == chance(tokens)
        assert [point["chip"] for point in outcome.epochs] == [0, 1] * 2
        year = score_chip(by_hand, tokens, aimc.aged(aimc.YEAR), 0, 1)
        assert outcome.epochs[-1] == {"seconds": aimc.YEAR, "chip": 1} | asdict(year)
        for name, key in (("accuracy", "1 year"), ("perplexity", "1 year_perplexity")):
            mean = (outcome.epochs[-2][name] + outcome.epochs[-1][name]) / 2
            assert outcome.final[key] == pytest.approx(mean)
    files = ["aimc_ptb_float_seed0.checkpoint", "direct.safetensors", "hwa.checkpoint", "hwa.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    aimc_language._last.clear()
    before = [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*.checkpoint"))]
    again = LanguageAimcTrial(mapping="hwa").run(
        None, lambda *told: None, device="cpu", network=tmp_path / "hwa.safetensors"
    )
    assert again == outcome
    assert before == [path.stat().st_mtime_ns for path in sorted(tmp_path.glob("*.checkpoint"))]


def test_a_mapping_is_one_of_two():
    with pytest.raises(DesignError, match="^mapping must be one of direct, hwa, not 'x'$"):
        LanguageAimcTrial(mapping="x")
