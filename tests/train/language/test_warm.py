"""A language model that begins with another's weights: quantised, clipped, in growing noise, distilled."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.train.data.corpora import Words
from ohmgate.train.language.config import LanguageConfig
from ohmgate.train.language.descent import begin
from ohmgate.train.language.model import LanguageModel
from ohmgate.train.language.names import train_names
from ohmgate.train.language.protocols import design_protocol
from ohmgate.train.language.warm import distance, start_from
from ohmgate.train.language.words import begin_words, evaluate_words, train_words
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.noise import Noise
from tests.train.test_epochs import some_names

TOKENS = 12
WIDE = {"weight_bits": 8, "dac_bits": 8, "adc_bits": 8}
[LAYER] = Design.load("ptb").layers
DESIGN = Design("small", (replace(LAYER, inputs=6, hidden=8, adcs=8, bias_rows=2, tile_rows=10, **WIDE),))
SIZES = {"batch": 4, "window": 5, "epochs": 2, "learning_rate": 0.02, "dropout": 0.0}


def text(count=400):
    """Each word is the last one and 1, 2 or 3 more, so that there is something to learn."""
    steps = np.random.default_rng(0).integers(1, 4, count)
    words = np.cumsum(steps) % TOKENS
    return Words(words[: count // 2], words[count // 2 :], tuple("abcdefghijkl"), "none")


def config_of(floating=False, **fields) -> LanguageConfig:
    chosen = SIZES | {"quantiser": "absmax"} | fields
    noise = chosen.pop("noise", Noise())
    config = design_protocol(DESIGN, "ptb", TOKENS, seed=1, floating=floating, noise=noise, **chosen)
    return replace(config, cutoffs=(4, 8))


@pytest.fixture(scope="module")
def floating():
    return train_words(text(), config_of(True, epochs=6), design=DESIGN).model


def test_a_quantised_start_has_the_float_models_numbers(floating):
    """At 8 bits little is left between them; the LSTM's real weights are the same, the full scale taken out."""
    data = text()
    with torch.no_grad():
        floating.embedding.weight.mul_(4)  # beyond 1, so that the DACs have a full scale of their own
    try:
        model, _, _ = begin_words(data, config_of(), "cpu", DESIGN, floating)
        [array], [other] = model.arrays, floating.arrays
        full = float(array.full_scale)
        assert full > 1.2
        assert torch.allclose(array.cells[:6], other.cells[:6] * full)
        assert torch.equal(array.cells[6:], other.cells[6:])
        assert torch.equal(model.embedding.weight, floating.embedding.weight)
        want, got = (evaluate_words(each, data.valid, 4, 5) for each in (floating, model))
        assert got == pytest.approx(want, rel=0.03)
        assert want < 9
    finally:
        with torch.no_grad():
            floating.embedding.weight.div_(4)


def test_a_rate_of_nothing_keeps_the_start(floating):
    data = text()
    result = train_words(data, config_of(learning_rate=0), design=DESIGN, start=floating)
    begun, _, _ = begin_words(data, config_of(), "cpu", DESIGN, floating)
    assert all(torch.equal(a, b) for a, b in zip(result.model.state_dict().values(), begun.state_dict().values()))
    assert result.final["perplexity"] == evaluate_words(begun, data.valid)


def test_noise_grows_over_its_share_of_the_epochs(monkeypatch, floating):
    """20 windows in 2 epochs, of which half have a ramp: the window of number k trains in noise of k / 10."""
    noise, seen = Noise(adc=0.4, weight=0.1, level=(0.02, 0.1, -0.05)), []
    forward = LanguageModel.forward

    def spy(model, tokens, state=None):
        if model.training:
            seen.append(model.arrays[0].train_noise)
        return forward(model, tokens, state)

    monkeypatch.setattr(LanguageModel, "forward", spy)
    data = text()
    train_words(data, config_of(noise=noise, noise_ramp=0.5), design=DESIGN, start=floating)
    assert len(seen) == 20
    assert seen == [noise.scaled(min(k / 10, 1.0)) if k < 10 else noise for k in range(20)]
    seen.clear()
    quant = QuantConfig(bias_rows=2)
    names = LanguageConfig(quant=quant, hidden=4, epochs=2, epoch_steps=5, batch=3, noise=noise, noise_ramp=1.0)
    train_names(some_names(), names)
    assert [each.adc for each in seen] == pytest.approx([0.04 * k for k in range(10)])


def test_weights_are_clipped_after_every_step(floating):
    clipped, free = (
        train_words(text(), config_of(weight_clip=clip), design=DESIGN, start=floating).model.arrays[0].cells.detach()
        for clip in (1.3, 0.0)
    )
    ratios = [float(cells.abs().max() / cells.square().mean().sqrt()) for cells in (clipped, free)]
    assert ratios[0] < 1.45 < ratios[1]  # the mean square is taken ahead of the clip


def test_the_distance_is_that_of_two_distributions():
    """By hand: 4 frequent words and 2 clusters, each a term of p ln(p / q)."""
    torch.manual_seed(2)
    model, teacher = (LanguageModel(TOKENS, config_of(floating=True)) for _ in range(2))
    hidden = torch.randn(3, 2, 8)
    shares = [torch.softmax(each.softmax.head(hidden), -1).detach().double() for each in (teacher, model)]
    assert shares[0].shape == (3, 2, 6)
    expected = float((shares[0] * (shares[0] / shares[1]).log()).sum() / 6)
    found = [distance(model, hidden, each.log_shares(hidden)).item() for each in (teacher, model)]
    assert found == [pytest.approx(expected, rel=1e-5), pytest.approx(0, abs=1e-6)]
    plain = LanguageModel(TOKENS, replace(config_of(floating=True), cutoffs=()))
    assert torch.allclose(plain.log_shares(hidden).exp().sum(-1), torch.ones(3, 2))
    assert torch.equal(plain.log_shares(hidden).argmax(-1), plain.predict(hidden))


def test_a_pupil_comes_near_its_teacher(floating):
    """Targets without any sense cannot move it where the teacher is all of the loss, and do where it is none."""
    data = replace(text(), train=np.random.default_rng(5).integers(0, TOKENS, 200))
    found = {}
    for share in (1.0, 0.0):
        config = config_of(distil=share, epochs=4)
        model = train_words(data, config, design=DESIGN, start=floating).model
        found[share] = evaluate_words(model, data.valid, 4, 5)
    want = evaluate_words(floating, data.valid, 4, 5)
    assert found[1.0] == pytest.approx(want, rel=0.05)
    assert found[0.0] > 1.2 * want


def test_a_teacher_keeps_its_state_from_window_to_window(monkeypatch, floating):
    """What it says in all windows of an epoch is what it says of the whole text at once."""
    heard, log_shares = [], LanguageModel.log_shares
    monkeypatch.setattr(
        LanguageModel, "log_shares",
        lambda model, hidden: (found := log_shares(model, hidden), model is floating and heard.append(found))[0],
    )  # fmt: skip
    data = text()
    train_words(data, config_of(distil=0.5, epochs=1), design=DESIGN, start=floating)
    stream = torch.from_numpy(data.train.reshape(4, 50).T.copy())
    with torch.no_grad():
        whole = log_shares(floating, floating.eval()(stream)[0])
    assert torch.allclose(torch.cat(heard), whole[: sum(map(len, heard))], atol=1e-5)
    assert sum(map(len, heard)) == 49


@pytest.mark.parametrize("distil", [0.0, 0.5])
def test_a_stopped_training_goes_on_from_its_start(tmp_path, floating, distil):
    config = config_of(noise=Noise(level=(0.02, 0.1, -0.05)), noise_ramp=0.5, weight_clip=2.0, distil=distil)
    whole = train_words(text(), config, design=DESIGN, start=floating)
    file = tmp_path / "kept.checkpoint"

    def stop(done, total, perplexity):
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_words(text(), config, stop, design=DESIGN, start=floating, checkpoint=file)
    again = train_words(text(), config, design=DESIGN, start=floating, checkpoint=file)
    assert again == whole
    assert all(
        torch.equal(a, b) for a, b in zip(again.model.state_dict().values(), whole.model.state_dict().values())
    )
    other = LanguageModel(TOKENS, config_of(floating=True), DESIGN)
    with pytest.raises(DesignError, match="must belong to this run, but its configuration differs$"):
        train_words(text(), config, design=DESIGN, start=other, checkpoint=file)


def test_what_does_not_use_the_options_is_known_by_what_it_was():
    plain = config_of()
    assert not {"noise_ramp", "weight_clip", "distil"} & set(plain.to_dict())
    used = replace(plain, noise_ramp=0.3, weight_clip=2.5, distil=0.5)
    assert {name: used.to_dict()[name] for name in ("noise_ramp", "weight_clip", "distil")} == {
        "noise_ramp": 0.3,
        "weight_clip": 2.5,
        "distil": 0.5,
    }
    assert math.isclose(replace(used, noise=Noise(adc=1.0)).noise_at(0.15).adc, 0.5)


def test_sentences(floating):
    teacher = "a training that distils must start from a float model, which is the teacher"
    quantised = LanguageModel(TOKENS, config_of(), DESIGN)
    for start in (None, quantised):
        with pytest.raises(DesignError, match=f"^{teacher}$"):
            train_words(text(), config_of(distil=0.5), design=DESIGN, start=start)
    with pytest.raises(DesignError, match=f"^{teacher}$"):
        begin(5, LanguageConfig(quant=QuantConfig(), distil=1.0), "cpu")
    tokens = torch.zeros(3, 2, dtype=torch.long)
    other = LanguageModel(TOKENS, replace(config_of(floating=True), hidden=9))
    with pytest.raises(DesignError) as raised:
        start_from(quantised, other, tokens)
    assert str(raised.value) == (
        "a start must have the layers of the model, an embedding of 6, arrays of 16 x 32, a softmax up to 12, 4, 8, "
        "but has an embedding of 6, arrays of 17 x 36, a softmax up to 12, 4, 8"
    )
    loaded = LanguageModel(TOKENS, config_of(), DESIGN)
    loaded.arrays[0].load_data(quantised.export().layers[0])
    with pytest.raises(DesignError, match="^a start must have real weights, not the integers of a description$"):
        start_from(quantised, loaded, tokens)
