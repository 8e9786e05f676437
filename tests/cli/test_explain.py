"""``ohmgate train --explain``: the rules in words, and what a data set's numbers become."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.cli.training import dead_columns
from ohmgate.model.design import Design
from ohmgate.train.usage import CodeUsage


def said_by(ohmgate, *arguments):
    result = ohmgate(*arguments)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def own(tmp_path):
    """A design and a file of 60 sequences: one channel is normal, one never changes, one is 0 but once."""
    x = np.random.default_rng(0).normal(size=(60, 20, 3))
    x[..., 1] = 5
    x[..., 2] = 0
    x[3, 2, 2] = 1
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(60) % 9)
    content = Design.load("vowels").to_dict() | {"name": "own"}
    content["layer"][0]["inputs"] = 3
    Design.from_dict(content).save(tmp_path / "own.toml")
    return [str(tmp_path / "own.toml"), "--dataset", str(tmp_path / "own.npz")]


def test_every_rule_is_told_with_its_reason(ohmgate, own):
    code, out, _ = said_by(ohmgate, "train", *own, "--explain", "--epochs", "7", "--weight-noise", "0.1")
    assert code == 0
    said = {line.split()[0]: line.split(None, 1)[1] for line in out.split("\n\n")[0].splitlines()}
    assert said["epochs"] == "7          given"
    assert said["train_noise"] == "weight 0.1 given"
    assert said["forget_bias"].startswith("1.0        20 steps")
    assert said["quantiser"] == "lsq        weight ranges are learned"
    assert said["clip_norm"] == "1.0        default"
    assert "deviations" not in said
    assert "inputs as 4-bit codes: " in out
    assert "channels that never change: 1\n" in out
    assert "channels that are nearly always code 0: 2\n" in out


def test_noise_by_the_level_is_that_of_aimcs_cells(ohmgate):
    """Three times (0.26348 + 1.965 g - 1.1731 g^2) / 25."""
    options = ("--level-noise", 3, "--weight-clip", 2.5, "--distil", 0.5, "--learn-input")
    code, out, _ = said_by(ohmgate, "train", "har", "--explain", *options)
    assert code == 0
    assert "train_noise      level 0.0316 0.236 -0.141 given\n" in out
    for name, value in (("weight_clip", "2.5"), ("distil", "0.5"), ("learn_input", "True")):
        assert f"{name:<16} {value:<10} given\n" in out
    code, _, said = said_by(ohmgate, "train", "har", "--explain", "--level-noise", -1)
    assert (code, said) == (2, "ohmgate: error: level noise must be a number from 0 to 1000, not -1.0\n")


def test_a_preset_tells_its_protocol(ohmgate):
    code, out, _ = said_by(ohmgate, "train", "vowels", "--explain")
    assert code == 0
    assert "learning_rate    0.02       protocol of vowels\n" in out
    assert "train_noise      adc 0.289, weight 0.1 protocol of vowels\n" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("names", "--explain"),
            "--explain must be of sequences; names has a protocol of its own, see docs/sweeps.md",
        ),
        (("vowels",), "--out must name a run folder, but is not given"),
    ],
)
def test_what_is_refused(ohmgate, arguments, sentence):
    code, out, error = said_by(ohmgate, "train", *arguments)
    assert (code, out) == (2, "")
    assert sentence in error


def test_a_training_tells_of_silent_channels(ohmgate, own, tmp_path):
    code, out, _ = said_by(ohmgate, "train", *own, "--epochs", "1", "--out", str(tmp_path / "run"))
    assert code == 0
    assert "channels that never change: 1\n" in out


def test_dead_columns_are_told_of():
    usage = CodeUsage(
        "layers.1",
        weights=np.ones(15, int),
        inputs=np.ones(15, int),
        hidden=None,
        adc=np.ones((1, 16), int),
        inputs_clipped=0.0,
        adc_clipped=np.zeros(1),
        dead=np.array([True, False, True]),
    )
    alive = replace(usage, dead=np.zeros(3, bool))
    assert dead_columns([usage, alive]) == ["layers.1 has 2 of 3 columns that always clip or give one code"]
