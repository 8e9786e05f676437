"""Sweeps: the cells of each experiment, resuming, killing, executors."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmgate.model.formats import DesignError
from ohmgate.train.data import datasets
from ohmgate.train.data.corpora import names
from ohmgate.train.experiments import grid, protocols
from ohmgate.train.experiments.grid import (
    EXPERIMENTS,
    Cell,
    belongs,
    check_device,
    experiment,
    har_design,
    identity,
    run_cell,
)
from ohmgate.train.experiments.sweep import executor_for, read_result, result_path, run_sweep
from ohmgate.train.language.model import load
from ohmgate.train.language.names import evaluate_names
from ohmgate.train.layers.noise import Noise
from ohmgate.train.training import PROTOCOLS
from tests.train.language.test_language import write_names

CELLS = experiment("table1")


class Inline(Executor):
    """Runs a call where it is submitted."""

    def submit(self, function, *arguments):
        future = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


def quick(cell, folder):
    """A record at once."""
    return {**identity(cell), "final": {"folder": str(folder)}, "pid": os.getpid()}


def test_the_grids():
    assert [(c.weight_bits, c.converter_bits) for c in CELLS] == [(32, 32), (4, 4), (2, 2), (1, 1)]
    assert {name: len(cells) for name, cells in EXPERIMENTS.items()} == {
        "fig4": 15, "fig5": 4, "fig6": 17, "table1": 4, "fig7": 16, "fig8": 10,
    }  # fmt: skip
    assert set(EXPERIMENTS["fig5"]) <= set(EXPERIMENTS["fig6"])
    everything = {cell for cells in EXPERIMENTS.values() for cell in cells}
    assert len({cell.name for cell in everything}) == len(everything)
    assert [c.seed for c in experiment("table1", 2)] == [0] * 4 + [1] * 4
    noisy = Cell(task="ptb", weight_bits=2, converter_bits=4, weight_noise=0.05, adc_noise=0.3, seed=7)
    assert noisy.name == "ptb_w2_a4_adcnoise_beta5_seed7"


def bits_of(cells) -> list[tuple[int, int]]:
    return [(cell.weight_bits, cell.converter_bits) for cell in cells]


def test_the_experiments_are_the_papers():
    """Ma et al., figures 4 to 8 and Table I: tasks, widths and noise."""
    wide = [(b, b) for b in (1, 2, 3, 4, 6, 8, 16)]
    grid_of = [(w, a) for w in (1, 2, 3, 4) for a in (1, 2, 3, 4)]
    fig4, fig7, fig8 = (EXPERIMENTS[name] for name in ("fig4", "fig7", "fig8"))
    assert bits_of(fig4) == [(32, 32), *wide, *wide]
    assert [cell.post_training for cell in fig4] == [False] * 8 + [True] * 7
    assert bits_of(EXPERIMENTS["fig5"]) == [(32, 32), (4, 4), (2, 2), (1, 2)]
    assert bits_of(EXPERIMENTS["fig6"]) == [(32, 32), *grid_of]
    assert bits_of(fig7) == [pair for pair in grid_of if pair[0] in (2, 4)] * 2
    assert [cell.adc_noise for cell in fig7] == pytest.approx([0.0] * 8 + [12**-0.5] * 8)
    assert bits_of(fig8) == [(2, 4), (4, 4)] * 5
    assert [cell.weight_noise for cell in fig8] == [beta for beta in (0.0, 0.05, 0.1, 0.15, 0.2) for _ in range(2)]
    tasks = {name: {cell.task for cell in cells} for name, cells in EXPERIMENTS.items()}
    words = ("fig5", "fig6", "fig7", "fig8")
    assert tasks == {"fig4": {"har"}, "table1": {"names"}} | {name: {"ptb"} for name in words}
    noisy = {name for name, cells in EXPERIMENTS.items() if any(c.adc_noise or c.weight_noise for c in cells)}
    assert noisy == {"fig7", "fig8"}


KEPT = sorted((Path(__file__).parents[3] / "results" / "cells").glob("*.json"))


@pytest.mark.skipif(not KEPT, reason="the results are not here, only the code")
def test_the_kept_results_are_of_the_protocols_of_today():
    """A protocol or default that changes makes results that took days another experiment's: run them again with it."""
    planned = {cell for name in EXPERIMENTS for cell in experiment(name, 10)}
    for path in KEPT:
        record = json.loads(path.read_text(encoding="utf-8"))
        cell = Cell(**record["cell"])
        assert path.name == f"{cell.name}.json"
        assert belongs(record, cell), path.name
        assert cell in planned, path.name
    assert {Cell(**json.loads(path.read_text())["cell"]).task for path in KEPT} == {"har", "names", "ptb"}


def test_noise_of_a_cell_acts_in_training_and_evaluation():
    for task, bits in (("ptb", (2, 4)), ("names", (4, 4)), ("har", (4, 4))):
        found = grid.protocol(
            Cell(task=task, weight_bits=bits[0], converter_bits=bits[1], weight_noise=0.1, adc_noise=0.3)
        )
        noises = [found.train_noise, found.eval_noise] if task == "har" else [found.noise]
        assert noises == [Noise(weight=0.1, adc=0.3, redraw="per_batch")] * len(noises)
        if task != "har":
            assert found.quant.range_noise == 0.1


def test_a_finished_cell_is_not_repeated(tmp_path):
    calls = []

    def work(cell, folder):
        calls.append(cell)
        return quick(cell, folder)

    assert run_sweep(CELLS[:2], tmp_path, Inline(), data="there", work=work) == 2
    assert run_sweep(CELLS, tmp_path, Inline(), work=work) == 2
    assert calls == CELLS
    assert read_result(tmp_path, CELLS[0])["final"] == {"folder": "there"}
    assert run_sweep(CELLS, tmp_path, Inline(), work=work) == 0


def test_a_record_of_another_protocol_is_refused_before_any_work(tmp_path):
    stale = identity(CELLS[-1])
    stale["protocol"]["clip_norm"] = 99.0
    path = result_path(tmp_path, CELLS[-1])
    path.parent.mkdir()
    path.write_text(json.dumps(stale))
    calls = []
    with pytest.raises(DesignError, match="has another; move it away$"):
        run_sweep(CELLS, tmp_path, Inline(), work=lambda *call: calls.append(call))
    assert calls == []


def test_a_kept_network_is_there_before_its_record_and_is_what_was_evaluated(tmp_path, monkeypatch):
    data, cell, out = names(write_names(tmp_path)), CELLS[1], tmp_path / "out"
    usual = protocols.language_protocol
    small = {"hidden": 8, "epochs": 1, "epoch_steps": 5}
    monkeypatch.setattr(protocols, "language_protocol", lambda *given: replace(usual(*given), **small))
    network = out / "networks" / f"{cell.name}.safetensors"

    def work(cell, folder):
        record = run_cell(cell, folder, out / "networks")
        assert network.exists()
        assert read_result(out, cell) is None
        return record

    assert run_sweep([cell], out, Inline(), data=tmp_path, work=work) == 1
    assert evaluate_names(load(network), data) == read_result(out, cell)["final"]


def test_a_cell_that_fails_does_not_lose_the_others(tmp_path):
    def work(cell, folder):
        if cell == CELLS[1]:
            raise RuntimeError("broken")
        return quick(cell, folder)

    with pytest.raises(RuntimeError, match="broken"):
        run_sweep(CELLS, tmp_path, Inline(), work=work)
    assert [read_result(tmp_path, cell) is None for cell in CELLS] == [False, True, False, False]


def test_a_cell_that_another_sweep_runs_is_not_run_twice(tmp_path):
    sentences = []

    def second(cells):
        try:
            sentences.append(run_sweep(cells, tmp_path, Inline(), work=quick))
        except DesignError as error:
            sentences.append(str(error))

    def work(cell, folder):
        if cell == CELLS[1]:
            for cells in (CELLS[1:3], experiment("fig5")):  # the same cell, and others in the same folder
                thread = threading.Thread(target=second, args=(cells,))
                thread.start()
                thread.join()
        return quick(cell, folder)

    assert run_sweep(CELLS[:2], tmp_path, Inline(), work=work) == 2
    start = f"cell {CELLS[1].name!r} is in use by another ohmgate (process {os.getpid()}); "
    assert sentences == [start + "wait for it or choose another --out", 4]
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {
        f"{cell.name}.json" for cell in (*CELLS[:2], *experiment("fig5"))
    }


def test_the_lock_of_a_killed_sweep_goes_with_the_next(tmp_path):
    (tmp_path / "cells").mkdir()
    for cell in CELLS[:2]:
        (tmp_path / "cells" / f".{cell.name}.lock").write_text("1")
    result_path(tmp_path, CELLS[0]).write_text(json.dumps(quick(CELLS[0], None)))
    assert run_sweep(CELLS[:2], tmp_path, Inline(), work=quick) == 1
    assert sorted(path.suffix for path in (tmp_path / "cells").iterdir()) == [".json", ".json"]


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
        run_sweep(CELLS, tmp_path, One(), work=quick, progress=interrupt)
    assert read_result(tmp_path, CELLS[0]) is not None
    assert [future.cancelled() for future in waiting] == [False, True, True, True]


SCRIPT = """
import sys, time
from ohmgate.train.experiments.grid import experiment, identity
from ohmgate.train.language.model import load
from ohmgate.train.language.names import evaluate_names
from ohmgate.train.layers.noise import Noise
from ohmgate.train.experiments.sweep import executor_for, run_sweep

def slow(cell, folder):
    with open(folder, "a") as log:
        log.write(cell.name + "\\n")
    time.sleep(0.5)
    return identity(cell)

if __name__ == "__main__":
    with executor_for("local") as pool:
        run_sweep(experiment("table1"), sys.argv[1], pool, data=sys.argv[2], work=slow)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_sweep_loses_the_running_cell_alone(tmp_path):
    script, out, log = tmp_path / "script.py", tmp_path / "out", tmp_path / "log"
    script.write_text(SCRIPT)
    call = [sys.executable, str(script), str(out), str(log)]
    process = subprocess.Popen(call)
    deadline = time.monotonic() + 120
    while not (log.exists() and len(log.read_text().splitlines()) == 3):  # the third cell has just begun
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {cell for cell in CELLS if read_result(out, cell) is not None}
    assert set(CELLS[:1]) <= finished <= set(CELLS[:2])
    time.sleep(1)  # a worker that lived on would begin the fourth cell
    begun = log.read_text().splitlines()
    assert begun == [cell.name for cell in CELLS[:3]]
    subprocess.run(call, check=True)
    again = log.read_text().splitlines()[3:]
    assert again == [cell.name for cell in CELLS if cell not in finished]
    assert all(read_result(out, cell) is not None for cell in CELLS)
    assert [path for path in (out / "cells").iterdir() if path.suffix != ".json"] == []


@pytest.mark.slow
def test_dask_workers_on_loopback(tmp_path):
    distributed = pytest.importorskip("distributed", reason="dask.distributed (extra: cluster) is not installed")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "host": "127.0.0.1"}
    with (
        distributed.LocalCluster(**options, dashboard_address=None) as cluster,
        executor_for(f"dask:{cluster.scheduler_address}") as pool,
    ):
        assert run_sweep(CELLS, tmp_path, pool, data="there", work=quick) == 4
        assert run_sweep(CELLS, tmp_path, pool, work=quick) == 0
    records = [read_result(tmp_path, cell) for cell in CELLS]
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


def test_cells_of_har_and_their_records(tmp_path, monkeypatch):
    write_har(tmp_path)
    monkeypatch.setitem(PROTOCOLS, "har", replace(PROTOCOLS["har"], epochs=2, batch=8, fast=False))
    cells = [
        Cell(task="har", weight_bits=8, converter_bits=8),
        Cell(task="har", weight_bits=8, converter_bits=8, post_training=True),
        Cell(task="har", weight_bits=32, converter_bits=32),
        Cell(task="har", weight_bits=1, converter_bits=1, post_training=True),
    ]
    assert run_sweep(cells, tmp_path, Inline(), data=tmp_path) == 4
    trained, post, floating, binary = (read_result(tmp_path, cell) for cell in cells)
    assert set(trained) == {
        "cell", "protocol", "data_sha256", "epochs", "final", "minutes", "cpu_minutes", "versions", "machine",
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
    floating = run_cell(Cell(task="har", weight_bits=32, converter_bits=32), tmp_path)
    post = run_cell(Cell(task="har", weight_bits=12, converter_bits=12, post_training=True), tmp_path)
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

    monkeypatch.setattr(grid, "calibrate", spy)
    run_cell(Cell(task="har", weight_bits=4, converter_bits=4, post_training=True), tmp_path)
    data = datasets.har(tmp_path)
    scale, offset = data.input_range(PROTOCOLS["har"].deviations)
    expected = np.clip((data.train.features * scale + offset).astype(np.float32), -1, 1)
    assert np.array_equal(seen[0].numpy(), expected)
    assert (np.abs(expected) == 1).any()


def test_har_designs():
    design = har_design(4)
    assert design.fingerprint == grid.Design.load("har").fingerprint
    assert [layer.adc_bits for layer in har_design(16).layers] == [16, 16, 16]
    assert [layer.adc_bits for layer in har_design(2).layers] == [2, 2, 8]
    assert [har_design(bits).layers[0].function for bits in (1, 2, 32)] == ["tanh", "relu", "relu"]
    assert [[layer.dac_bits, layer.weight_bits] for layer in har_design(3).layers] == [[3, 3]] * 3
    assert har_design(32) == grid.Design.load("har")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:99", "cuda:-1", "meta", ""])
def test_a_device_that_is_not_there(name):
    sentence = rf"^device must be cpu, or cuda or cuda:N of a GPU that torch sees, not '{name}'$"
    with pytest.raises(DesignError, match=sentence):
        check_device(name)
    with pytest.raises(DesignError, match=sentence):
        run_cell(experiment("table1")[0], device=name)


def test_sentences(tmp_path):
    with pytest.raises(
        DesignError, match=r"^experiment must be one of fig4, fig5, fig6, table1, fig7, fig8, not 'fig9'$"
    ):
        experiment("fig9")
    with pytest.raises(DesignError, match=r"^har has one width for all, not 2 and 4 bits$"):
        Cell(task="har", weight_bits=2, converter_bits=4)
    with pytest.raises(DesignError, match=r"^quantisation after training is for har at 1 to 16 bits alone$"):
        Cell(task="ptb", weight_bits=2, converter_bits=4, post_training=True)
    with (
        pytest.raises(DesignError, match=r"^executor must be local or dask:ADDRESS, not 'slurm'$"),
        executor_for("slurm"),
    ):
        pass
    path = result_path(tmp_path, CELLS[0])
    path.parent.mkdir()
    path.write_text("{")
    sentence = r"^result 'names_w32_a32_seed0.json' must be a cell's JSON, but cannot be read$"
    with pytest.raises(DesignError, match=sentence):
        read_result(tmp_path, CELLS[0])
    other = identity(CELLS[0])
    other["protocol"]["batch"] = 1
    path.write_text(json.dumps(other))
    sentence = r"^result 'names_w32_a32_seed0.json' must have its cell's protocol, but has another; move it away$"
    with pytest.raises(DesignError, match=sentence):
        read_result(tmp_path, CELLS[0])


def test_a_record_from_before_a_field_was_added_still_belongs_to_its_cell(tmp_path):
    for cell in (CELLS[1], experiment("fig4")[0]):
        run_sweep([cell], tmp_path, Inline(), work=quick)
        path = result_path(tmp_path, cell)
        record = json.loads(path.read_text())
        removed = record["protocol"].pop("clip_norm")
        path.write_text(json.dumps(record))
        assert read_result(tmp_path, cell) == record
        record["protocol"]["clip_norm"] = removed / 2
        path.write_text(json.dumps(record))
        with pytest.raises(DesignError, match="has another; move it away"):
            read_result(tmp_path, cell)


def test_a_record_names_the_gpu_that_trained(monkeypatch):
    monkeypatch.setattr(grid.torch.cuda, "get_device_name", lambda device: f"a GPU at {device}")
    cells = {task: experiment(name)[0] for task, name in (("names", "table1"), ("har", "fig4"))}
    final = {"accuracy": 0.5}
    machines = [
        grid.record(cells[task], "0", [], final, {}, device)["machine"]
        for task, device in (("names", "cpu"), ("names", "cuda:0"), ("har", "cuda:0"))
    ]
    assert machines[1] == machines[0] + ", a GPU at cuda:0"
    assert machines[2] == machines[0], "HAR trains on the CPU"
