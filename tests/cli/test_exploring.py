"""``ohmgate explore --trials``: what is trained, what shares it, what it writes, and its error sentences."""

import json
import re
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from ohmgate.cli import exploring
from ohmgate.cost.explore import FREE, TRAINED, standing, variant
from ohmgate.firmware import image
from ohmgate.model.design import Design
from ohmgate.train.config import TrainConfig
from ohmgate.train.data.datasets import vowels
from ohmgate.train.experiments.search import Proposal
from ohmgate.train.layers.noise import Noise
from ohmgate.train.training import train
from tests.train.experiments.test_sweep import Inline

pytest.importorskip("optuna", reason="Optuna (extra: explore) is not installed")

GRID = ("--vary", "hidden=2,3", "--vary", "adc_bits=3,4", "--vary", "adcs=4,8,12")  # 8 does not divide 3, nor 12 2
TRAIN = ("--trials", 3, "--epochs", 1, "--seed", 4)  # of four; (2, 3), the cheapest, is not among them


@pytest.fixture
def here(monkeypatch):
    """Trials are trained in this process."""
    monkeypatch.setattr(exploring, "executor_for", lambda name, workers: nullcontext(Inline()))


@pytest.fixture(scope="module")
def explored(ohmgate, tiny, tmp_path_factory):
    """What explore printed, and its folder."""
    out = tmp_path_factory.mktemp("explored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exploring, "executor_for", lambda name, workers: nullcontext(Inline()))
        result = ohmgate("explore", tiny / "tiny.toml", *GRID, *TRAIN, "--adc-noise", 0.5, "--out", out)
    assert result.exit_code == 0, result.stderr
    return result.stdout, out


def never(*task):
    raise AssertionError("a trial is repeated")


def read(out: Path) -> dict:
    return json.loads((out / "explore.json").read_text())


def test_adcs_change_nothing_of_a_training():
    """With noise of all kinds, so also none of what is drawn: variants that differ in them may share a training."""
    noise = Noise(adc=0.5, weight=0.1, dac=0.2, redraw="per_batch")
    config = TrainConfig(epochs=1, train_noise=noise, eval_noise=noise, quantiser="lsq", learn_range=True)
    base = standing(Design.load("vowels")) | {"hidden": 4}
    own = [variant(Design.load("vowels"), base | {"adcs": adcs}, f"own_{adcs}") for adcs in (4, 16)]
    first, second = [train(design, vowels(), config) for design in own]
    assert first.losses == second.losses
    assert np.array_equal(first.outputs, second.outputs)
    assert first.network.layers == second.network.layers


def test_a_journal_knows_what_waiting_columns_do(ohmgate, tiny, explored, here, tmp_path):
    """They are in the price that the sampler sees; at ground they are what they were before there was a choice."""
    assert "unselected" not in read(explored[1])["trained"]
    command = ("explore", tiny / "tiny.toml", *GRID, *TRAIN, "--unselected", "cut_off", "--out")
    result = ohmgate(*command, explored[1])
    assert result.exit_code == 2
    assert "must be of this design, grid, data, training and seed" in result.stderr


def test_every_point_has_the_accuracy_of_its_trial_or_none(explored):
    found = read(explored[1])
    trials = {tuple(trial[field] for field in TRAINED): trial for trial in found["trained"]["trials"]}
    assert len(trials) == 3
    assert len(found["points"]) == 2 * 2 + 2 * 2  # two numbers of ADCs divide 2 hidden units, two others 3
    shared = 0
    for point in found["points"]:
        trial = trials.get(tuple(point[field] for field in TRAINED))
        assert point["trial"] == (trial and trial["name"])
        assert point.get("accuracy") == (trial and trial["accuracy"])
        shared += trial is not None
    assert shared == 6
    assert set(TRAINED) | set(FREE) < set(found["points"][0])


def test_the_front_of_what_was_trained(explored):
    found = read(explored[1])
    figures = ("accuracy", "sequence_pj", "sequence_ns", "area_um2")
    rows = {p["name"]: np.array([p[f] for f in figures]) * (-1, 1, 1, 1) for p in found["points"] if p["trial"]}
    best = [
        name for name, row in rows.items() if not any((o <= row).all() and (o < row).any() for o in rows.values())
    ]
    assert found["trained"]["front"] == best
    assert {path.stem for path in (explored[1] / "designs").iterdir()} == set(best) | set(found["front"])


def test_a_trial_is_the_training_of_its_variant_with_noise_in_both(explored, tiny):
    """The configuration is that of the design as it stands, for all variants."""
    config = read(explored[1])["trained"]["train"]
    noise = {"adc": 0.5, "weight": 0.0, "dac": 0.0, "drop": 0.0, "redraw": "per_batch"}
    assert config["train_noise"] == config["eval_noise"] == noise
    design, trials = Design.load(tiny / "tiny.toml"), read(explored[1])["trained"]["trials"]
    assert [trials[0][field] for field in TRAINED] == [standing(design)[field] for field in TRAINED]
    for trial in trials:
        choice = standing(design) | {field: trial[field] for field in TRAINED}
        choice |= {"adcs": 8 if choice["hidden"] == 2 else 4}
        own = variant(design, choice, "own")
        trained = train(own, vowels(), TrainConfig.from_dict({"seed": 4, "floating": False, **config}))
        assert trained.scores == {name: trial[name] for name in trained.scores}


def test_its_network_can_be_packed(explored, ohmgate, tmp_path):
    """With the ADCs of the design as it stands, or with one a gate."""
    trials = read(explored[1])["trained"]["trials"]
    for trial in trials:
        network = explored[1] / "networks" / f"{trial['name']}.safetensors"
        result = ohmgate("pack", network, "--out", tmp_path / "x.image")
        assert result.exit_code == 0, result.stderr
        layer = image.read(tmp_path / "x.image").design.layers[0]
        assert (layer.hidden, layer.adc_bits, layer.adcs) == (
            trial["hidden"],
            trial["adc_bits"],
            8 if layer.hidden == 2 else 4,
        )


def test_the_page_and_the_terminal(explored):
    printed, out = explored
    found, page = read(out), (out / "explore.html").read_text()
    scores = sorted(trial["accuracy"] for trial in found["trained"]["trials"])
    assert (
        printed.splitlines()[0]
        == f"8 variants of tiny, {len(found['front'])} that no other beats in energy, time and area"
    )
    assert printed.splitlines()[1] == (
        f"3 trained, accuracy {100 * scores[0]:.2f} % to {100 * scores[-1]:.2f} %; they stand for 6 variants, "
        f"{len(found['trained']['front'])} of which no other trained one beats in any of the four"
    )
    points = {point["name"]: point for point in found["points"]}
    for name in {*found["trained"]["front"], *found["front"]}:
        origin = f"trained, {points[name]['trial']}" if points[name]["trial"] else "closed form"
        assert f'<td><a href="designs/{name}.toml">{name}</a></td><td>{origin}</td>' in page
    for name in found["trained"]["front"]:
        assert f'<td class="n">{100 * points[name]["accuracy"]:.2f} %</td>' in page
    assert page.count("<img ") == 2
    assert "No other trained variant is as good in accuracy, energy, time and area" in printed
    assert re.search(r"\| variant +\| origin +\| accuracy \| hidden \| adc_bits \| adcs \|", printed)  # what varies


def test_the_same_command_again_trains_nothing(explored, ohmgate, tiny, here, monkeypatch):
    before = read(explored[1])
    monkeypatch.setattr(exploring, "train_variant", never)
    result = ohmgate("explore", tiny / "tiny.toml", *GRID, *TRAIN, "--adc-noise", 0.5, "--out", explored[1])
    assert result.exit_code == 0, result.stderr
    assert read(explored[1]) == before


def test_free_choices_may_change_and_keep_what_was_trained(explored, ohmgate, tiny, here, monkeypatch):
    """ADCs and clock are not part of what a trial is."""
    monkeypatch.setattr(exploring, "train_variant", never)
    before = read(explored[1])["trained"]["trials"]
    more = ("--vary", "clock_mhz=320,640", "--steps", 9, "--adc-noise", 0.5)
    result = ohmgate("explore", tiny / "tiny.toml", *GRID, *more, *TRAIN, "--out", explored[1])
    assert result.exit_code == 0, result.stderr
    assert read(explored[1])["trained"]["trials"] == before
    assert len(read(explored[1])["points"]) == 16


def test_another_exploration_in_the_folder_is_refused(explored, ohmgate, tiny):
    result = ohmgate("explore", tiny / "tiny.toml", *GRID, "--trials", 3, "--epochs", 2, "--out", explored[1])
    assert result.exit_code == 2
    said = r"journal '.*trials.journal' must be of this design, grid, data, training and seed, but is of others; choose .*"
    assert re.fullmatch(f"ohmgate: error: {said}", result.stderr.splitlines()[-1])


def test_values_are_better_the_less_they_err(ohmgate, tmp_path, here):
    """RMSE, of a user's own data; all four there are."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x=rng.normal(size=(20, 4, 2)), y=rng.normal(size=(20, 4, 3)))
    (tmp_path / "own.toml").write_text(
        'name = "own"\n[[layer]]\nkind = "lstm"\ninputs = 2\nhidden = 4\nadcs = 8\n'
        '[[layer]]\nkind = "dense"\ninputs = 4\noutputs = 3\nadcs = 3\nadc_bits = 8\noutput = "codes"\nemit = "step"\n'
    )
    options = ("--dataset", tmp_path / "own.npz", "--epochs", 1, "--trials", 9, "--out", tmp_path / "out")
    vary = ("--vary", "dac_bits=2,4", "--vary", "weight_bits=2,4", "--vary", "adcs=4")
    result = ohmgate("explore", tmp_path / "own.toml", *vary, *options)
    assert result.exit_code == 0, result.stderr
    found = read(tmp_path / "out")
    assert found["trained"]["metric"] == "rmse"
    assert len(found["trained"]["trials"]) == len(found["points"]) == 4
    least = min(found["points"], key=lambda point: point["rmse"])
    assert least["name"] in found["trained"]["front"]
    first = next(line for line in result.stdout.splitlines() if line.startswith("| own_"))
    assert first.split("|")[1].strip() == least["name"]


def test_a_text_is_trained_by_the_protocol_of_each_variant(tmp_path, monkeypatch):
    """Its configuration holds the widths, so it is not one for all."""
    design = Design.load("names")
    shared = exploring.Shared(design, "names", None, 3, {"epochs": 1}, {"weight": 0.1})
    trained = {}

    class Text(exploring.TextTask):
        def __init__(self, design, dataset, data):
            self.design = design

        def config(self, seed, floating, protocol, noise):
            return seed, floating, protocol, noise, self.design.layers[0].hidden

        def train(self, config, checkpoint, progress, start):
            trained["config"], trained["design"] = config, self.design
            checkpoint.write_bytes(b"network")
            return exploring_trained()

    def exploring_trained():
        from ohmgate.cli.tasks import Trained

        return Trained({"perplexity": 2.0}, None, {})

    monkeypatch.setattr(exploring, "task_of", Text)
    choice = tuple((standing(design) | {"hidden": 24})[field] for field in TRAINED)
    outcome = exploring.train_variant(shared, tmp_path, Proposal(5, choice))
    assert (outcome.scores, outcome.network) == ({"perplexity": 2.0}, b"network")
    assert trained["config"] == (3, False, {"epochs": 1}, {"weight": 0.1}, 24)
    assert (trained["design"].name, trained["design"].layers[0].hidden) == ("names_trial_5", 24)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (("--trials", -1), "trials must be an integer from 0 to 100000, not -1"),
        (("--epochs", 3), "dataset, epochs and noise must be left out where nothing is trained; give --trials, too"),
        (("--adc-noise", 0.3), "dataset, epochs and noise must be left out .*"),
        (("--dataset", "vowels"), "dataset, epochs and noise must be left out .*"),
        (("--trials", 1, "--workers", 0), "workers must be an integer from 1 to 1024, not 0"),
        (("--trials", 1, "--executor", "slurm"), "executor must be local or dask:ADDRESS, not 'slurm'"),
        (("--trials", 1, "--epochs", 0), "epochs must be an integer from 1 to 100000, not 0"),
        (("--trials", 1, "--weight-noise", -1), "weight noise must be a number from 0 to 1000, not -1.0"),
        (("--trials", 1, "--seed", -1), "seed must be an integer from 0 to 2147483647, not -1"),
        (("--trials", 1, "--dataset", "none.npz"), ".*none.npz.*"),
    ],
)
def test_bad_options_are_one_sentence(ohmgate, tmp_path, options, sentence):
    result = ohmgate("explore", "vowels", *options, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert re.fullmatch(f"ohmgate: error: {sentence}", result.stderr.splitlines()[-1])
    assert not list((tmp_path / "out").glob("*"))


@pytest.mark.full
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_exploration_ends_as_one_that_was_not(tiny, tmp_path):
    """Two workers; killed when two trials are done. The same by one worker, uninterrupted."""
    words = [sys.executable, "-c", "from ohmgate.cli.entry import main; main()", "explore", str(tiny / "tiny.toml")]
    words += map(str, (*GRID, "--trials", 4, "--epochs", 6))
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = subprocess.Popen([*words, "--workers", "2", "--out", str(killed)])
    deadline = time.monotonic() + 300
    while len(list(killed.glob("networks/trial_*"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert not (killed / "explore.json").exists()
    subprocess.run([*words, "--workers", "2", "--out", str(killed)], check=True)
    subprocess.run([*words, "--out", str(whole)], check=True)
    assert read(killed) == read(whole)
    networks = [{path.name: path.read_bytes() for path in (out / "networks").iterdir()} for out in (killed, whole)]
    assert networks[0] == networks[1]


@pytest.mark.full
def test_trials_on_dask_workers_are_those_of_this_machine(explored, tiny, tmp_path, ohmgate):
    distributed = pytest.importorskip("distributed", reason="dask.distributed (extra: cluster) is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options, dashboard_address=None) as cluster:
        to = ("--executor", f"dask:{cluster.scheduler_address}", "--out", tmp_path)
        result = ohmgate("explore", tiny / "tiny.toml", *GRID, *TRAIN, "--adc-noise", 0.5, *to)
    assert result.exit_code == 0, result.stderr
    assert read(tmp_path)["trained"] == read(explored[1])["trained"]
