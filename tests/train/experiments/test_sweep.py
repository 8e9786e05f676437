"""Sweeps: the trials of each experiment, resuming, killing, executors."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ohmgate.model.design import Design
from ohmgate.model.executors import executor_for
from ohmgate.model.formats import DesignError
from ohmgate.train import warm
from ohmgate.train.data import datasets
from ohmgate.train.data.corpora import names
from ohmgate.train.experiments.paper import EXPERIMENTS, Trial, har_design
from ohmgate.train.experiments.results import read_results, results_path, write_result
from ohmgate.train.experiments.sweep import run_sweep
from ohmgate.train.experiments.trial import Outcome, belongs, check_device, identity, of_seeds, record, run_trial
from ohmgate.train.language import protocols
from ohmgate.train.language.model import load
from ohmgate.train.language.names import evaluate_names
from ohmgate.train.layers.noise import Noise
from ohmgate.train.recipe import PROTOCOLS
from tests.train.language.test_language import write_names

TRIALS = of_seeds(EXPERIMENTS["table1"])


def read_result(out, trial) -> dict | None:
    return read_results(out, [trial]).get(trial)


class Inline(Executor):
    """Runs a call where it is submitted."""

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def quick(trial, folder):
    """A record at once."""
    return {**identity(trial), "final": {"folder": str(folder)}, "pid": os.getpid()}


def test_the_grids():
    assert [(c.weight_bits, c.converter_bits) for c in TRIALS] == [(32, 32), (4, 4), (2, 2), (1, 1)]
    assert {name: len(trials) for name, trials in EXPERIMENTS.items()} == {
        "fig4": 15, "fig5": 4, "fig6": 17, "table1": 4, "fig7": 16, "fig8": 10,
    }  # fmt: skip
    assert set(EXPERIMENTS["fig5"]) <= set(EXPERIMENTS["fig6"])
    everything = {trial for trials in EXPERIMENTS.values() for trial in trials}
    assert len({trial.name for trial in everything}) == len(everything)
    assert [c.seed for c in of_seeds(EXPERIMENTS["table1"], 2)] == [0] * 4 + [1] * 4
    noisy = Trial(task="ptb", weight_bits=2, converter_bits=4, weight_noise=0.05, adc_noise=0.3, seed=7)
    assert noisy.name == "ptb_w2_a4_adcnoise_beta5_seed7"


def bits_of(trials) -> list[tuple[int, int]]:
    return [(trial.weight_bits, trial.converter_bits) for trial in trials]


def test_the_experiments_are_the_papers():
    """Ma et al., figures 4 to 8 and Table I: tasks, widths and noise."""
    wide = [(b, b) for b in (1, 2, 3, 4, 6, 8, 16)]
    grid_of = [(w, a) for w in (1, 2, 3, 4) for a in (1, 2, 3, 4)]
    fig4, fig7, fig8 = (EXPERIMENTS[name] for name in ("fig4", "fig7", "fig8"))
    assert bits_of(fig4) == [(32, 32), *wide, *wide]
    assert [trial.post_training for trial in fig4] == [False] * 8 + [True] * 7
    assert bits_of(EXPERIMENTS["fig5"]) == [(32, 32), (4, 4), (2, 2), (1, 2)]
    assert bits_of(EXPERIMENTS["fig6"]) == [(32, 32), *grid_of]
    assert bits_of(fig7) == [pair for pair in grid_of if pair[0] in (2, 4)] * 2
    assert [trial.adc_noise for trial in fig7] == pytest.approx([0.0] * 8 + [12**-0.5] * 8)
    assert bits_of(fig8) == [(2, 4), (4, 4)] * 5
    assert [trial.weight_noise for trial in fig8] == [beta for beta in (0.0, 0.05, 0.1, 0.15, 0.2) for _ in range(2)]
    tasks = {name: {trial.task for trial in trials} for name, trials in EXPERIMENTS.items()}
    words = ("fig5", "fig6", "fig7", "fig8")
    assert tasks == {"fig4": {"har"}, "table1": {"names"}} | {name: {"ptb"} for name in words}
    noisy = {name for name, trials in EXPERIMENTS.items() if any(c.adc_noise or c.weight_noise for c in trials)}
    assert noisy == {"fig7", "fig8"}


KEPT = Path(__file__).parents[3] / "results"


@pytest.mark.skipif(not KEPT.exists(), reason="the results are not here, only the code")
def test_the_kept_results_are_of_the_protocols_of_today():
    """A protocol or default that changes makes results that took days another experiment's: run them again with it."""
    planned = {trial for name in EXPERIMENTS for trial in of_seeds(EXPERIMENTS[name], 10)}
    for task in ("har", "names", "ptb"):
        records = [json.loads(line) for line in results_path(KEPT, task).read_text("utf-8").splitlines()]
        trials = [Trial(**record["trial"]) for record in records]
        assert trials
        assert [trial.name for trial in trials] == sorted({trial.name for trial in trials})
        assert {trial.task for trial in trials} == {task}
        for trial, kept in zip(trials, records):
            assert belongs(kept, trial), trial.name
            assert trial in planned, trial.name


def test_noise_of_a_trial_acts_in_training_and_evaluation():
    for task, bits in (("ptb", (2, 4)), ("names", (4, 4)), ("har", (4, 4))):
        trial = Trial(task=task, weight_bits=bits[0], converter_bits=bits[1], weight_noise=0.1, adc_noise=0.3)
        found = trial.protocol()
        noises = [found.train_noise, found.eval_noise] if task == "har" else [found.noise]
        assert noises == [Noise(weight=0.1, adc=0.3, redraw="per_batch")] * len(noises)
        if task != "har":
            assert found.quant.range_noise == 0.1


def test_a_finished_trial_is_not_repeated(tmp_path):
    calls = []

    def work(trial, folder):
        calls.append(trial)
        return quick(trial, folder)

    assert run_sweep(TRIALS[:2], tmp_path, Inline(), data="there", work=work) == 2
    assert run_sweep(TRIALS, tmp_path, Inline(), work=work) == 2
    assert calls == TRIALS
    assert read_result(tmp_path, TRIALS[0])["final"] == {"folder": "there"}
    assert run_sweep(TRIALS, tmp_path, Inline(), work=work) == 0


def test_a_record_of_another_protocol_is_refused_before_any_work(tmp_path):
    stale = identity(TRIALS[-1])
    stale["protocol"]["clip_norm"] = 99.0
    write_result(tmp_path, TRIALS[-1], stale)
    calls = []
    with pytest.raises(DesignError, match="has another; take its line out of 'names.jsonl'$"):
        run_sweep(TRIALS, tmp_path, Inline(), work=lambda *call: calls.append(call))
    assert calls == []


def test_a_kept_network_is_there_before_its_record_and_is_what_was_evaluated(tmp_path, monkeypatch):
    data, trial, out = names(write_names(tmp_path)), TRIALS[1], tmp_path / "out"
    usual = protocols.language_protocol
    small = {"hidden": 8, "epochs": 1, "epoch_steps": 5}
    monkeypatch.setattr(protocols, "language_protocol", lambda *given: replace(usual(*given), **small))
    network = out / "networks" / f"{trial.name}.safetensors"

    def work(trial, folder):
        record = run_trial(trial, folder, out / "networks")
        assert network.exists()
        assert read_result(out, trial) is None
        return record

    assert run_sweep([trial], out, Inline(), data=tmp_path, work=work) == 1
    assert evaluate_names(load(network), data) == read_result(out, trial)["final"]


def test_a_trial_that_fails_does_not_lose_the_others(tmp_path):
    def work(trial, folder):
        if trial == TRIALS[1]:
            raise RuntimeError("broken")
        return quick(trial, folder)

    with pytest.raises(RuntimeError, match="broken"):
        run_sweep(TRIALS, tmp_path, Inline(), work=work)
    assert [read_result(tmp_path, trial) is None for trial in TRIALS] == [False, True, False, False]


def test_a_trial_that_another_sweep_runs_is_not_run_twice(tmp_path):
    sentences = []

    def second(trials):
        try:
            sentences.append(run_sweep(trials, tmp_path, Inline(), work=quick))
        except DesignError as error:
            sentences.append(str(error))

    def work(trial, folder):
        if trial == TRIALS[1]:
            for trials in (
                TRIALS[1:3],
                of_seeds(EXPERIMENTS["fig5"]),
            ):  # the same trial, and others in the same folder
                thread = threading.Thread(target=second, args=(trials,))
                thread.start()
                thread.join()
        return quick(trial, folder)

    assert run_sweep(TRIALS[:2], tmp_path, Inline(), work=work) == 2
    start = f"trial {TRIALS[1].name!r} is in use by another ohmgate (process {os.getpid()}); "
    assert sentences == [start + "wait for it or choose another --out", 4]
    kept = (*TRIALS[:2], *of_seeds(EXPERIMENTS["fig5"]))
    assert set(read_results(tmp_path, kept)) == set(kept)
    assert {path.name for path in (tmp_path / "trials").iterdir()} == {"names.jsonl", "ptb.jsonl"}


def test_the_lock_of_a_killed_sweep_goes_with_the_next(tmp_path):
    (tmp_path / "trials").mkdir()
    for trial in TRIALS[:2]:
        (tmp_path / "trials" / f".{trial.name}.lock").write_text("1")
    write_result(tmp_path, TRIALS[0], quick(TRIALS[0], None))
    (tmp_path / "trials" / ".names.jsonl.lock").write_text("1")
    assert run_sweep(TRIALS[:2], tmp_path, Inline(), work=quick) == 1
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["names.jsonl"]


def test_results_that_are_written_at_the_same_time_are_all_kept(tmp_path):
    trials = of_seeds(EXPERIMENTS["table1"], 10)
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(write_result, tmp_path, trial, quick(trial, trial.name)) for trial in trials]:
            future.result()
    found = read_results(tmp_path, trials)
    assert [found[trial]["final"]["folder"] for trial in trials] == [trial.name for trial in trials]
    lines = results_path(tmp_path, "names").read_text().splitlines()
    assert [json.loads(line)["final"]["folder"] for line in lines] == sorted(trial.name for trial in trials)


def test_an_interrupted_sweep_cancels_what_has_not_begun(tmp_path):
    waiting = []

    class One(Inline):
        def submit(self, function, *arguments):
            if not waiting:
                waiting.append(super().submit(function, *arguments))
            else:
                waiting.append(Future())
            return waiting[-1]

    def interrupt(done, total, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(TRIALS, tmp_path, One(), work=quick, progress=interrupt)
    assert read_result(tmp_path, TRIALS[0]) is not None
    assert [future.cancelled() for future in waiting] == [False, True, True, True]


SCRIPT = """
import sys, time
from ohmgate.model.design import Design
from ohmgate.model.executors import executor_for
from ohmgate.train.experiments.paper import EXPERIMENTS
from ohmgate.train.experiments.trial import identity, of_seeds
from ohmgate.train.language.model import load
from ohmgate.train.language.names import evaluate_names
from ohmgate.train.layers.noise import Noise
from ohmgate.train.experiments.sweep import run_sweep

def slow(trial, folder):
    with open(folder, "a") as log:
        log.write(trial.name + "\\n")
    time.sleep(0.5)
    return identity(trial)

if __name__ == "__main__":
    with executor_for("local") as pool:
        run_sweep(of_seeds(EXPERIMENTS["table1"]), sys.argv[1], pool, data=sys.argv[2], work=slow)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_sweep_loses_the_running_trial_alone(tmp_path):
    script, out, log = tmp_path / "script.py", tmp_path / "out", tmp_path / "log"
    script.write_text(SCRIPT)
    call = [sys.executable, str(script), str(out), str(log)]
    process = subprocess.Popen(call)
    deadline = time.monotonic() + 120
    while not (log.exists() and len(log.read_text().splitlines()) == 3):  # the third trial has just begun
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {trial for trial in TRIALS if read_result(out, trial) is not None}
    assert set(TRIALS[:1]) <= finished <= set(TRIALS[:2])
    time.sleep(1)  # a worker that lived on would begin the fourth trial
    begun = log.read_text().splitlines()
    assert begun == [trial.name for trial in TRIALS[:3]]
    subprocess.run(call, check=True)
    again = log.read_text().splitlines()[3:]
    assert again == [trial.name for trial in TRIALS if trial not in finished]
    assert all(read_result(out, trial) is not None for trial in TRIALS)
    assert [path.name for path in (out / "trials").iterdir() if path.name[-4:] != "part"] == ["names.jsonl"]


@pytest.mark.slow
def test_dask_workers_on_loopback(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed (extra: cluster) is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with (
        distributed.LocalCluster(**options, dashboard_address=None) as cluster,
        executor_for(f"dask:{cluster.scheduler_address}") as pool,
    ):
        assert run_sweep(TRIALS, tmp_path, pool, data="there", work=quick) == 4
        assert run_sweep(TRIALS, tmp_path, pool, work=quick) == 0
    records = [read_result(tmp_path, trial) for trial in TRIALS]
    assert all(record["final"] == {"folder": "there"} for record in records)
    assert os.getpid() not in {record["pid"] for record in records}


def write_har(folder):
    rng = np.random.default_rng(0)
    arrays = {"classes": np.array([f"activity {k}" for k in range(6)])}
    for split, count in (("train", 24), ("test", 12)):
        arrays[f"y_{split}"] = (np.arange(count) % 6).astype(np.uint8)
        wave = rng.normal(size=(count, 16, 9)) * 0.1 + arrays[f"y_{split}"][:, None, None] / 3
        arrays[f"x_{split}"] = wave.astype(np.float32)
        arrays[f"subject_{split}"] = np.arange(count, dtype=np.uint8) % 3
    np.savez(folder / "har.npz", **arrays)


def test_trials_of_har_and_their_records(tmp_path, monkeypatch):
    write_har(tmp_path)
    monkeypatch.setitem(PROTOCOLS, "har", replace(PROTOCOLS["har"], epochs=2, batch=8, fast=False))
    trials = [
        Trial(task="har", weight_bits=8, converter_bits=8),
        Trial(task="har", weight_bits=8, converter_bits=8, post_training=True),
        Trial(task="har", weight_bits=32, converter_bits=32),
        Trial(task="har", weight_bits=1, converter_bits=1, post_training=True),
    ]
    assert run_sweep(trials, tmp_path, Inline(), data=tmp_path) == 4
    trained, post, floating, binary = (read_result(tmp_path, trial) for trial in trials)
    assert set(trained) == {
        "trial", "protocol", "data_sha256", "epochs", "final", "minutes", "cpu_minutes", "versions", "machine",
    }  # fmt: skip
    assert len(trained["data_sha256"]) == 64
    assert [list(epoch) for epoch in trained["epochs"]] == [["train_loss"]] * 2
    assert post["epochs"] == floating["epochs"]
    assert all(0 <= record["final"]["accuracy"] <= 1 for record in (trained, post, floating, binary))
    assert floating["protocol"]["floating"]
    assert not trained["protocol"]["floating"]


def test_quantisation_after_training_at_many_bits_changes_nothing(tmp_path, monkeypatch):
    write_har(tmp_path)
    monkeypatch.setitem(PROTOCOLS, "har", replace(PROTOCOLS["har"], epochs=12, batch=8, fast=False))
    floating = run_trial(Trial(task="har", weight_bits=32, converter_bits=32), tmp_path)
    post = run_trial(Trial(task="har", weight_bits=12, converter_bits=12, post_training=True), tmp_path)
    assert floating["final"]["accuracy"] > 0.6
    assert post["final"] == floating["final"]


def test_ranges_after_training_are_of_the_data_as_the_network_gets_them(tmp_path, monkeypatch):
    """Scaled, offset and clipped; of every so many sequences, 256 at most."""
    write_har(tmp_path)
    monkeypatch.setitem(PROTOCOLS, "har", replace(PROTOCOLS["har"], epochs=1, batch=8, fast=False, deviations=1.0))
    seen = []

    def spy(model, run):
        handle = model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
        run()
        handle.remove()

    monkeypatch.setattr(warm, "calibrate", spy)
    run_trial(Trial(task="har", weight_bits=4, converter_bits=4, post_training=True), tmp_path)
    data = datasets.har(tmp_path)
    scale, offset = data.input_range(PROTOCOLS["har"].deviations)
    expected = np.clip((data.train.features * scale + offset).astype(np.float32), -1, 1)
    assert np.array_equal(seen[0].numpy(), expected)
    assert (np.abs(expected) == 1).any()


def test_har_designs():
    design = har_design(4)
    assert design.fingerprint == Design.load("har").fingerprint
    assert [layer.adc_bits for layer in har_design(16).layers] == [16, 16, 16]
    assert [layer.adc_bits for layer in har_design(2).layers] == [2, 2, 8]
    assert [har_design(bits).layers[0].function for bits in (1, 2, 32)] == ["tanh", "relu", "relu"]
    assert [[layer.dac_bits, layer.weight_bits] for layer in har_design(3).layers] == [[3, 3]] * 3
    assert har_design(32) == Design.load("har")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:99", "cuda:-1", "meta", ""])
def test_a_device_that_is_not_there(name):
    sentence = rf"^device must be cpu, or cuda or cuda:N of a GPU that torch sees, not '{name}'$"
    with pytest.raises(DesignError, match=sentence):
        check_device(name)
    with pytest.raises(DesignError, match=sentence):
        run_trial(of_seeds(EXPERIMENTS["table1"])[0], device=name)


def test_sentences(tmp_path):
    with pytest.raises(DesignError, match=r"^har has one width for all, not 2 and 4 bits$"):
        Trial(task="har", weight_bits=2, converter_bits=4)
    with pytest.raises(DesignError, match=r"^quantisation after training is for har at 1 to 16 bits alone$"):
        Trial(task="ptb", weight_bits=2, converter_bits=4, post_training=True)
    other = identity(TRIALS[0])
    other["protocol"]["batch"] = 1
    write_result(tmp_path, TRIALS[0], other)
    sentence = (
        r"^result 'names_w32_a32_seed0' must have its trial's protocol, but has another; "
        "take its line out of 'names.jsonl'$"
    )
    with pytest.raises(DesignError, match=sentence):
        read_result(tmp_path, TRIALS[0])
    write_result(tmp_path, TRIALS[0], other | {"protocol": {}})
    sentence = r"^result 'names_w32_a32_seed0' must hold its trial's protocol, but does not$"
    with pytest.raises(DesignError, match=sentence):
        read_result(tmp_path, TRIALS[0])
    for line in (
        "{",
        "[]",
        '{"trial": {"task": "poems", "weight_bits": 4, "converter_bits": 4}}',
        '{"trial": {"x": 1}}',
    ):
        write_result(tmp_path / str(len(line)), TRIALS[1], quick(TRIALS[1], None))
        with results_path(tmp_path / str(len(line)), "names").open("a") as file:
            file.write(line)
        sentence = r"^line 2 of 'names.jsonl' must be a trial's JSON, but cannot be read$"
        with pytest.raises(DesignError, match=sentence):
            read_result(tmp_path / str(len(line)), TRIALS[0])


def test_a_record_from_before_a_field_was_added_still_belongs_to_its_trial(tmp_path):
    for trial in (TRIALS[1], of_seeds(EXPERIMENTS["fig4"])[0]):
        run_sweep([trial], tmp_path, Inline(), work=quick)
        record = read_result(tmp_path, trial)
        removed = record["protocol"].pop("clip_norm")
        write_result(tmp_path, trial, record)
        assert read_result(tmp_path, trial) == record
        record["protocol"]["clip_norm"] = removed / 2
        write_result(tmp_path, trial, record)
        with pytest.raises(DesignError, match="has another; take its line out"):
            read_result(tmp_path, trial)


def test_a_record_names_the_gpu_that_trained(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"a GPU at {device}")
    trials = {task: of_seeds(EXPERIMENTS[name])[0] for task, name in (("names", "table1"), ("har", "fig4"))}
    final = {"accuracy": 0.5}
    machines = [
        record(trials[task], Outcome("0", [], final), {}, device)["machine"]
        for task, device in (("names", "cpu"), ("names", "cuda:0"), ("har", "cuda:0"))
    ]
    assert machines[1] == machines[0] + ", a GPU at cuda:0"
    assert machines[2] == machines[0], "HAR trains on the CPU"
