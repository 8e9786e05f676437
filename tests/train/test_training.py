"""Runs: determinism, resumption, accuracy, error sentences."""

import hashlib
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.model.tables import gate_tables
from ohmgate.train import checkpoint
from ohmgate.train.config import TrainConfig
from ohmgate.train.data import datasets
from ohmgate.train.data.datasets import DATASETS, SequenceDataset, load_dataset
from ohmgate.train.epochs import schedule
from ohmgate.train.export.verify import verify
from ohmgate.train.layers.noise import PAPER_ADC, Noise
from ohmgate.train.network import DesignNetwork
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.seeds import train_seeds
from ohmgate.train.training import train, trained_network

VOWELS = load_dataset("vowels")
SMALL = SequenceDataset("vowels", VOWELS.train.take(np.arange(0, 270, 10)), VOWELS.test, VOWELS.classes)
NOISY = Noise(adc=PAPER_ADC, weight=0.05, redraw="per_sequence")
CONFIG = TrainConfig(epochs=4, batch=10, train_noise=NOISY)
DESIGN = Design.load("vowels")


def digest(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    results = [train(DESIGN, SMALL, CONFIG, checkpoint=tmp_path / name) for name in ("a", "b")]
    other = train(DESIGN, SMALL, replace(CONFIG, seed=1))
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    assert results[0].network == results[1].network
    assert results[0].losses == results[1].losses
    assert other.network != results[0].network


def test_the_kernel_trains_repeatably_too(tmp_path):
    config = replace(CONFIG, fast=True, learn_range=True, quantiser="lsq")
    for name in ("a", "b"):
        result = train(DESIGN, SMALL, config, checkpoint=tmp_path / name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    codes = result.network.encode(SMALL.test.features)
    assert verify(result.model, codes, SMALL.test.lengths, result.network).mismatches == 0


def test_the_kernel_starts_as_the_eager_path():
    """One epoch apart only by rounding: the losses agree closely."""
    config = replace(CONFIG, epochs=1)
    fast, eager = (train(DESIGN, SMALL, replace(config, fast=fast)) for fast in (True, False))
    assert fast.losses == pytest.approx(eager.losses, rel=1e-3)


def test_a_seed_decides_the_first_weights_too():
    config = replace(CONFIG, epochs=1, learning_rate=0)
    first, again, other = (train(DESIGN, SMALL, replace(config, seed=seed)).model.layers for seed in (3, 3, 4))
    for a, b, c in zip(first, again, other):
        assert torch.equal(a.cells, b.cells)
        assert (a.cells == c.cells).float().mean() < 0.05  # the forget gate begins with one bias


def test_what_a_run_is_told_of_ranges_and_noise_reaches_its_layers():
    evaluate = Noise(adc=0.2, weight=0.03, redraw="per_sequence")
    config = replace(
        CONFIG, epochs=1, quantiser="lsq", per_gate=True, learn_range=True, eval_noise=evaluate, fast=True, curve=2
    )
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert "curve" not in CONFIG.to_dict(), "a run of before is known by the same fields as then"
    for layer in train(DESIGN, SMALL, config).model.layers:
        assert (layer.train_noise, layer.eval_noise) == (NOISY, evaluate)
        assert (layer.config.quantiser, layer.config.per_gate, layer.config.learn_range) == ("lsq", True, True)
        assert layer.fast
        assert layer.curve == 2
    floating = train(DESIGN, SMALL, replace(config, floating=True))
    for layer in floating.model.layers:
        assert (layer.train_noise, layer.eval_noise) == (Noise(), Noise()), "the baseline has no array that is noisy"
        assert not layer.config.learn_range
    constant = Design.from_dict(DESIGN.to_dict() | {"layer": [DESIGN.to_dict()["layer"][0] | {"tables": "constant"}]})
    assert not DesignNetwork(constant, learn_range=True).layers[0].config.learn_range


def test_protocols_are_of_known_data_sets():
    assert set(PROTOCOLS) == set(DATASETS)
    hardened = Noise(adc=12**-0.5, weight=0.1, redraw="per_batch")
    assert PROTOCOLS["vowels"] == TrainConfig(quantiser="lsq", input_noise=0.2, train_noise=hardened)


def test_sawb_reckons_with_noise_where_the_run_says_so():
    config = replace(CONFIG, epochs=1, quantiser="sawb", range_noise=0.05)
    layers = train(DESIGN, SMALL, config).model.layers
    assert [layer.config.range_noise for layer in layers] == [0.05] * len(layers)
    assert TrainConfig.from_dict(config.to_dict()) == config
    before = replace(config, range_noise=0.0)  # a run of before is known by the same fields as then
    assert "range_noise" not in before.to_dict()
    assert TrainConfig.from_dict(before.to_dict()) == before


def test_learned_tables_are_in_the_network_the_checkpoint_and_its_record(tmp_path):
    config = replace(CONFIG, epochs=2, fast=True, learn_tables=True, forget_ceiling=True)
    trained = train(DESIGN, SMALL, config, checkpoint=tmp_path / "whole")
    lstm = trained.network.layers[0].tables
    nominal = gate_tables(4, 8, tuple(trained.model.layers[0].real_steps().tolist()))
    assert lstm[0, -1] > 252 > nominal[0, -1]
    assert (lstm != nominal).mean() > 0.2
    codes = trained.network.encode(SMALL.test.features)
    assert verify(trained.model, codes, SMALL.test.lengths, trained.network).mismatches == 0
    assert trained_network(tmp_path / "whole") == trained.network
    assert DesignNetwork.from_network(trained.network).export(labels=SMALL.classes).layers == trained.network.layers

    def stopped(done, *_):
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(DESIGN, SMALL, config, checkpoint=tmp_path / "parts", progress=stopped)
    train(DESIGN, SMALL, config, checkpoint=tmp_path / "parts")
    assert digest(tmp_path / "parts") == digest(tmp_path / "whole")
    known = config.to_dict()
    assert (known["learn_tables"], known["forget_ceiling"]) == (True, True)
    assert TrainConfig.from_dict(known) == config
    assert not {"learn_tables", "forget_ceiling"} & set(CONFIG.to_dict()), "runs of before are known as they were"


def test_tables_that_cannot_be_learned():
    config = replace(CONFIG, epochs=1, learn_tables=True)
    floating = train(DESIGN, SMALL, replace(config, floating=True, forget_ceiling=True)).model.layers[0].config
    assert (floating.learn_tables, floating.forget_ceiling) == (False, False)
    lstm, head = DESIGN.layers
    constant = Design("constant", (replace(lstm, tables="constant"), head))
    with pytest.raises(DesignError, match="^gate tables can be learned only where they are loaded, not constant$"):
        train(constant, SMALL, config)


def test_what_a_run_ends_with_does_not_depend_on_where_it_was_resumed(tmp_path):
    """Noise of the evaluation begins anew, whatever was drawn in training."""
    config = replace(CONFIG, eval_noise=Noise(adc=1.0, weight=0.1, redraw="per_batch"))
    whole = train(DESIGN, SMALL, config, checkpoint=tmp_path / "run")
    resumed = train(DESIGN, SMALL, config, checkpoint=tmp_path / "run")
    assert resumed.losses == ()
    assert np.array_equal(resumed.predictions, whole.predictions)


class Killed(Exception):
    pass


@pytest.mark.parametrize("floating", [False, True])
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, floating):
    config = replace(CONFIG, floating=floating)
    whole = train(DESIGN, SMALL, config, checkpoint=tmp_path / "whole")

    def kill(epoch, epochs, loss):
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train(DESIGN, SMALL, config, checkpoint=tmp_path / "cut", progress=kill)
    rest = train(DESIGN, SMALL, config, checkpoint=tmp_path / "cut")
    assert rest.losses == whole.losses[2:]
    assert digest(tmp_path / "cut") == digest(tmp_path / "whole")
    assert np.array_equal(rest.predictions, whole.predictions)
    again = train(DESIGN, SMALL, config, checkpoint=tmp_path / "cut")
    assert again.losses == ()
    assert again.accuracy == whole.accuracy


def test_vowels_reach_the_float_accuracy_and_the_references_integers():
    config = TrainConfig(epochs=30)
    quantised = train(DESIGN, VOWELS, config)
    floating = train(DESIGN, VOWELS, replace(config, floating=True))
    assert floating.accuracy > 0.94
    assert quantised.accuracy > 0.94
    network = quantised.network
    report = verify(quantised.model, network.encode(VOWELS.test.features), VOWELS.test.lengths, network)
    assert report.mismatches == 0
    assert report.integers == int(VOWELS.test.lengths.sum()) * (4 * 32 * 2 + 2 * 32) + 370 * (9 + 1)
    assert network.labels == VOWELS.classes
    assert floating.network is None


def test_seeds_run_in_processes_and_resume(tmp_path):
    lines = []
    config = TrainConfig(epochs=2, batch=27)
    call = {"seeds": (3, 1), "folder": tmp_path, "workers": 2}
    result = train_seeds(DESIGN, SMALL, config, **call, progress=lambda *line: lines.append(line))
    assert [line[:2] for line in lines] == [(k, 4) for k in range(1, 5)]
    assert sorted(line[2].split(":")[0] for line in lines) == [
        "seed 1 float", "seed 1 quantised", "seed 3 float", "seed 3 quantised",
    ]  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "float_1.safetensors", "float_3.safetensors", "quantised_1.safetensors", "quantised_3.safetensors",
    ]  # fmt: skip
    alone = train(DESIGN, SMALL, replace(config, seed=3))
    assert result.network == alone.network
    assert result.quantised[0] == alone.accuracy
    assert np.array_equal(result.predictions, alone.predictions)
    assert result.losses == alone.losses
    mean = sum(result.quantised) / 2 - sum(result.floating) / 2
    assert result.difference == pytest.approx(100 * mean)


def test_schedule_rises_and_falls():
    assert schedule(0) == pytest.approx(0.04)
    assert schedule(0.2) == 1
    assert schedule(0.6) == pytest.approx(0.5)
    assert schedule(1) == pytest.approx(0)


@pytest.mark.parametrize(
    "fields, sentence",
    [
        ({"seed": -1}, "seed must be an integer from 0 to 2147483647, not -1"),
        ({"epochs": 0}, "epochs must be an integer from 1 to 100000, not 0"),
        ({"batch": 1.5}, "batch must be an integer from 1 to 100000, not 1.5"),
        ({"learning_rate": "high"}, "learning rate must be a number from 0 to 10, not 'high'"),
        ({"deviations": 0}, "deviations must be a number from 0.1 to 100, not 0"),
        ({"fast": "yes"}, "fast must be true or false, not 'yes'"),
        ({"learn_range": 1}, "learn range must be true or false, not 1"),
        ({"learn_tables": 0}, "learn tables must be true or false, not 0"),
        ({"forget_ceiling": "f"}, "forget ceiling must be true or false, not 'f'"),
        ({"train_noise": None}, "noise must be a Noise, not None"),
    ],
)
def test_configuration_sentences(fields, sentence):
    with pytest.raises(DesignError) as error:
        TrainConfig(**fields)
    assert str(error.value) == sentence


def test_data_that_do_not_fit():
    with pytest.raises(DesignError, match=r"^a design for vowels must have 12 inputs, not 9$"):
        train(Design.load("har"), SMALL, CONFIG)
    design = Design("headless", DESIGN.layers[:1])
    sentence = r"^a design for vowels must end in a dense layer of 9 outputs that emits at the end, not 32 of lstm$"
    with pytest.raises(DesignError, match=sentence):
        train(design, SMALL, CONFIG)


def test_a_checkpoint_is_the_whole_network_without_its_data(tmp_path, monkeypatch):
    path, config = tmp_path / "run", replace(CONFIG, epochs=1, quantiser="lsq", learn_range=True)
    trained = train(DESIGN, replace(SMALL, name="har"), config, checkpoint=path)
    monkeypatch.setattr(datasets, "data_file", lambda *_: pytest.fail("data are read"))
    found = trained_network(path)
    assert found == trained.network
    assert (found.labels[0], len(found.input_scale), len(found.input_offset)) == ("speaker 1", 12, 12)


def test_an_older_checkpoint_gets_what_it_lacks_without_training(tmp_path):
    path, config = tmp_path / "run.safetensors", replace(CONFIG, epochs=1)
    trained = train(DESIGN, SMALL, config, checkpoint=path)
    whole = path.read_bytes()
    content, tensors = checkpoint.read(path)
    checkpoint.write(path, tensors, {name: content[name] for name in ("run", "epoch")})
    sentence = (
        r"^checkpoint 'run.safetensors' must hold input units and labels, but an older version left them out; "
        "the same train command adds them without training again$"
    )
    with pytest.raises(DesignError, match=sentence):
        trained_network(path)
    assert train(DESIGN, SMALL, config, checkpoint=path).losses == ()
    content, kept = checkpoint.read(path)
    checkpoint.write(tmp_path / "whole", kept, content | {"epochs": [asdict(epoch) for epoch in trained.epochs]})
    assert (tmp_path / "whole").read_bytes() == whole, "but for what its epochs gave, which nobody knows any more"
    assert trained_network(path) == trained.network


def test_a_checkpoint_of_before_is_gone_on_with_where_its_name_says_the_data(tmp_path):
    path, config = tmp_path / "kept", replace(CONFIG, epochs=1)
    train(DESIGN, VOWELS, config, checkpoint=path)
    content, tensors = checkpoint.read(path)
    for name, data in (("vowels", VOWELS), ("vowels", SMALL), ("har", VOWELS), ("aa", replace(SMALL, checksum="aa"))):
        content["run"]["dataset"] = name
        checkpoint.write(path, tensors, content)
        if data is VOWELS and name == "vowels":
            assert train(DESIGN, data, config, checkpoint=path).losses == ()
            continue
        with pytest.raises(
            DesignError, match="^checkpoint 'kept' must belong to these data, but was trained on others$"
        ):
            train(DESIGN, data, config, checkpoint=path)


def test_checkpoint_sentences(tmp_path):
    path = tmp_path / "run.safetensors"
    train(DESIGN, SMALL, replace(CONFIG, epochs=1), checkpoint=path)
    sentence = r"^checkpoint 'run.safetensors' must belong to this run, but its configuration differs$"
    with pytest.raises(DesignError, match=sentence):
        train(DESIGN, SMALL, replace(CONFIG, epochs=2), checkpoint=path)
    other = tmp_path / "network.safetensors"
    checkpoint.write(other, {}, {"tokens": 3, "config": {}})
    sentence = r"^checkpoint 'network.safetensors' must be of a training, but is something else$"
    for reading in (checkpoint.read_state, lambda path: train(DESIGN, SMALL, CONFIG, checkpoint=path)):
        with pytest.raises(DesignError, match=sentence):
            reading(other)
    state = checkpoint.read_state(path)
    for content in (5, {"run": {}, "epoch": 1}, {"run": {"design": {}, "config": {}}, "epoch": 1}):
        checkpoint.write(other, {}, content)
        with pytest.raises(
            DesignError, match=r"^checkpoint 'network.safetensors' must be (of a training|a checkpoint)"
        ):
            checkpoint.read_state(other)
    name = next(key for key in state.tensors if key.startswith("model.") and key.endswith("cells"))
    for tensors, found in (
        ({k: v for k, v in state.tensors.items() if k != name}, "has none"),
        (state.tensors | {name: torch.zeros(2, 3)}, r"has \(2, 3\)"),
    ):
        checkpoint.write(other, tensors, {"run": state.run, "epoch": 1, "host": state.host})
        with pytest.raises(
            DesignError, match=rf"^a checkpoint must hold {name[6:]} of shape \(.*\), but this one {found}$"
        ):
            trained_network(other)
    path.write_bytes(path.read_bytes()[:100])
    sentence = r"^checkpoint 'run.safetensors' must be a checkpoint of ohmgate, but cannot be read$"
    with pytest.raises(DesignError, match=sentence):
        train(DESIGN, SMALL, CONFIG, checkpoint=path)
    with pytest.raises(DesignError, match=r"^seeds must be at least one integer, but there is none$"):
        train_seeds(DESIGN, SMALL, seeds=())
