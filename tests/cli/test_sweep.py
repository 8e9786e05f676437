"""``ohmgate sweep``: reports from JSON alone, what is missing, the whole way on tiny data."""

import json
from concurrent.futures import Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, replace

import pytest

from ohmgate.model import executors
from ohmgate.model.formats import DesignError
from ohmgate.report.sweep_results import Sweep
from ohmgate.report.sweeps import SWEEPS
from ohmgate.train.experiments import results
from ohmgate.train.experiments import trial as trial_runs
from ohmgate.train.experiments.paper import EXPERIMENTS, Trial
from ohmgate.train.experiments.results import read_results, results_path
from ohmgate.train.experiments.trial import Outcome, of_seeds, record
from ohmgate.train.language import protocols


def write_result(out, trial, final, epochs=()):
    minutes = {"minutes": 2.0, "cpu_minutes": 1.5}
    results.write_result(out, trial, record(trial, Outcome("5" * 64, epochs, final), minutes))


def remove_result(out, name):
    """Take the named trial's line out of its file."""
    path = results_path(out, name.partition("_")[0])
    lines = [line for line in path.read_text().splitlines() if Trial(**json.loads(line)["trial"]).name != name]
    path.write_text("\n".join(lines) + "\n")


def run_inline(monkeypatch, inline_work=True) -> list[str]:
    """Let trials give a made-up result at once (or run, in this process); returns the names of those that do."""
    ran = []

    def work(trial, folder, networks, device, reports):
        ran.append(trial.name)
        if networks is not None:
            (networks / f"{trial.name}.safetensors").touch()
        return record(trial, Outcome("5" * 64, [], names_final(0.7, 1.7)), {"minutes": 1, "cpu_minutes": 1})

    class Inline(Executor):
        def submit(self, function, *arguments):
            future = Future()
            future.set_result(function(*arguments))
            return future

    if inline_work:
        monkeypatch.setattr(trial_runs, "run_trial", work)
        monkeypatch.setattr(trial_runs, "check_data", lambda trials, folder: None)
    monkeypatch.setattr(executors, "executor_for", lambda *given: nullcontext(Inline()))
    return ran


def names_final(accuracy, perplexity):
    return {"accuracy": accuracy, "perplexity": perplexity, "name_accuracy": 0.4, "name_perplexity": 6.25}


def test_report_of_table1_with_a_trial_missing(ohmgate, tmp_path):
    trials = of_seeds(EXPERIMENTS["table1"], 2)
    for trial, final in zip(trials, [(0.86, 1.5), (0.855, 1.53), (0.84, 1.56)]):
        write_result(tmp_path, trial, names_final(*final))
    write_result(tmp_path, trials[4], names_final(0.88, 1.4))
    result = ohmgate("sweep", "table1", "--seeds", 2, "--out", tmp_path, "--report")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (tmp_path / "table1.md").read_text()
    rows = [[part.strip() for part in line.split("|")[1:-1]] for line in result.stdout.splitlines() if "bit" in line]
    assert rows == [
        ["32-bit floating point", "87.00 ± 1.41 (2 seeds)", "85.09", "1.450 ± 0.071 (2 seeds)", "1.000", "1.52", "1.000", "6.25 ± 0.00 (2 seeds)"],
        ["4-bit weight, 4-bit ADC/DAC", "85.50 (1 of 2 seeds)", "85.0", "1.530 (1 of 2 seeds)", "1.020", "1.55", "1.020", "6.25 (1 of 2 seeds)"],
        ["2-bit weight, 2-bit ADC/DAC", "84.00 (1 of 2 seeds)", "83.6", "1.560 (1 of 2 seeds)", "1.040", "1.58", "1.039", "6.25 (1 of 2 seeds)"],
        ["1-bit weight, 1-bit ADC/DAC", "missing", "72.82", "missing", "missing", "2.27", "1.493", "missing"],
    ]  # fmt: skip
    assert "4 of 8 trials have run" in result.stdout
    first = (tmp_path / "table1.png").read_bytes()
    assert ohmgate("sweep", "table1", "--seeds", 2, "--out", tmp_path, "--report").exit_code == 0
    assert (tmp_path / "table1.png").read_bytes() == first


THREE_SEEDS = """\
# table1 of Ma et al.

10 of 12 trials have run, at full protocol.

| LSTM | accuracy % | paper | perplexity | of float | paper | paper of float | name perplexity |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
| 32-bit floating point | 87.00 ± 1.00 (3 seeds) | 85.09 | 1.500 ± 0.100 (3 seeds) | 1.000 | 1.52 | 1.000 | 6.25 ± 0.00 (3 seeds) |
| 4-bit weight, 4-bit ADC/DAC | 86.00 ± 1.00 (3 seeds) | 85.0 | 1.575 ± 0.100 (3 seeds) | 1.050 | 1.55 | 1.020 | 6.25 ± 0.00 (3 seeds) |
| 2-bit weight, 2-bit ADC/DAC | 85.00 ± 1.00 (3 seeds) | 83.6 | 1.650 ± 0.100 (3 seeds) | 1.100 | 1.58 | 1.039 | 6.25 ± 0.00 (3 seeds) |
| 1-bit weight, 1-bit ADC/DAC | 83.00 (1 of 3 seeds) | 72.82 | 1.625 (1 of 3 seeds) | 1.161 | 2.27 | 1.493 | 6.25 (1 of 3 seeds) |

Accuracy and perplexity are of the training set after 8,000 iterations, over all 32 positions of a name's
window, END's included; name perplexity is over a name's characters and one END alone.

Processor time: 15.0 minutes. Data: SHA-256 5555555555555555555555555555555555555555555555555555555555555555.
"""


@pytest.fixture
def three_seeds(tmp_path):
    """A folder of Table I's results: three seeds, the last two without their 1-bit trials."""
    for trial in of_seeds(EXPERIMENTS["table1"], 3):
        number = [32, 4, 2, 1].index(trial.weight_bits)
        if number < 3 or trial.seed == 0:
            final = names_final(0.86 + 0.01 * (trial.seed - number), 1.4 + 0.1 * trial.seed + 0.075 * number)
            write_result(tmp_path, trial, final)
    others = Trial(task="names", weight_bits=3, converter_bits=3, seed=7), of_seeds(EXPERIMENTS["fig4"], 6)[-1]
    for trial in others:  # of no experiment, of another one
        write_result(tmp_path, trial, {})
    return tmp_path


@pytest.fixture
def no_plots(monkeypatch):
    """Seconds less, where the text is what is looked at."""
    monkeypatch.setitem(SWEEPS, "table1", replace(SWEEPS["table1"], plots=lambda results: {}))


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_report_is_of_all_seeds_that_are_there(ohmgate, three_seeds):
    result = ohmgate("sweep", "table1", "--out", three_seeds, "--report")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == THREE_SEEDS
    assert (three_seeds / "table1.md").read_text() == THREE_SEEDS
    before = files_of(three_seeds)
    assert set(before) == {"table1.md", "table1.png", "table1_curves.png"}
    fewer = ohmgate("sweep", "table1", "--out", three_seeds, "--report", "--seeds", 1)
    note = f"--seeds 1 says what to run; the report is of all seeds in {three_seeds}: 0, 1, 2\n"
    assert fewer.stdout == THREE_SEEDS + note
    assert files_of(three_seeds) == before


def test_a_report_of_a_later_seed_alone_misses_no_earlier_one(ohmgate, tmp_path, no_plots):
    for trial in of_seeds(EXPERIMENTS["table1"], 4)[-4:]:
        write_result(tmp_path, trial, names_final(0.9, 1.25))
    result = ohmgate("sweep", "table1", "--out", tmp_path, "--report")
    assert "4 of 4 trials have run" in result.stdout
    assert "| 32-bit floating point | 90.00 | 85.09 | 1.250 | 1.000 | 1.52 | 1.000 | 6.25 |" in result.stdout
    asked = ohmgate("sweep", "table1", "--out", tmp_path, "--report", "--seeds", 1)
    assert "4 of 8 trials have run" in asked.stdout
    assert asked.stdout.endswith(f"the report is of all seeds in {tmp_path}: 0, 3\n")


def test_a_run_of_one_seed_keeps_the_others_in_the_report(ohmgate, three_seeds, monkeypatch, no_plots):
    ran = run_inline(monkeypatch)
    result = ohmgate("sweep", "table1", "--out", three_seeds)
    assert result.exit_code == 0, result.stderr
    assert ran == []  # all trials of seed 0 were there
    assert result.stdout == THREE_SEEDS
    remove_result(three_seeds, "names_w1_a1_seed0")
    result = ohmgate("sweep", "table1", "--out", three_seeds, "--seeds", 2)
    assert ran == ["names_w1_a1_seed0", "names_w1_a1_seed1"]
    assert "11 of 12 trials have run" in result.stdout
    assert "| 1-bit weight, 1-bit ADC/DAC | 70.00 ± 0.00 (2 of 3 seeds) | 72.82 |" in result.stdout
    assert "| 2-bit weight, 2-bit ADC/DAC | 85.00 ± 1.00 (3 seeds) | 83.6 |" in result.stdout


def test_what_a_report_refuses_is_refused_before_a_trial_runs(ohmgate, three_seeds, monkeypatch):
    ran = run_inline(monkeypatch)
    remove_result(three_seeds, "names_w1_a1_seed0")
    with results_path(three_seeds, "names").open("a") as file:
        file.write("{")
    result = ohmgate("sweep", "table1", "--out", three_seeds)
    assert result.exit_code == 2
    assert result.stderr == ("ohmgate: error: line 11 of 'names.jsonl' must be a trial's JSON, but cannot be read\n")
    assert ran == []


@pytest.mark.parametrize("name", ["fig4", "fig5", "fig6", "fig7", "fig8"])
def test_reports_of_the_figures(ohmgate, tmp_path, name):
    for number, trial in enumerate(EXPERIMENTS[name][:-1]):
        epochs = [{"valid_perplexity": 300.0 / epoch, "train_loss": 1 / epoch} for epoch in range(1, 11)]
        final = {"accuracy": 0.9} if trial.task == "har" else {"perplexity": 150.25 + number}
        write_result(tmp_path, trial, final, epochs)
    result = ohmgate("sweep", name, "--out", tmp_path, "--report")
    assert result.exit_code == 0, result.stderr
    count = len(EXPERIMENTS[name])
    assert f"{count - 1} of {count} trials have run" in result.stdout
    assert result.stdout.count("missing") == 1
    assert ("90.00" if name == "fig4" else "150.25") in result.stdout
    assert (tmp_path / f"{name}.png").stat().st_size > 5000
    made = {path.name for path in tmp_path.glob("*.png")}
    assert made == {"fig5.png"} if name == "fig5" else {f"{name}.png", f"{name}_curves.png"}
    row = next(line for line in result.stdout.splitlines() if line.startswith("| 4-bit weight, 4-bit ADC/DAC"))
    against = {"fig4": "+0.00", "fig5": "1.007", "fig6": "", "fig7": "", "fig8": ""}[name]
    assert row.split("|")[4].strip() == against
    if name in ("fig7", "fig8"):
        assert "of noiseless" in result.stdout
        noisy = next(
            line
            for line in result.stdout.splitlines()
            if line.startswith("| 2-bit") and ("ADC 0" in line or "5 %" in line)
        )
        assert noisy.split("|")[4].strip() == ("1.053" if name == "fig7" else "1.013")


def test_a_change_is_between_the_same_seeds(ohmgate, tmp_path):
    clean, noisy = (
        next(c for c in of_seeds(EXPERIMENTS["fig8"]) if c.weight_bits == 2 and c.weight_noise == b) for b in (0, 0.1)
    )
    write_result(tmp_path, clean, {"perplexity": 100.0})
    write_result(tmp_path, replace(clean, seed=1), {"perplexity": 110.0})
    write_result(tmp_path, replace(noisy, seed=1), {"perplexity": 121.0})
    result = ohmgate("sweep", "fig8", "--seeds", 2, "--out", tmp_path, "--report")
    assert "| weights 10 % | 121.00 (1 of 2 seeds) | 1.100 |" in result.stdout


def test_a_result_that_is_not_whole_is_one_sentence(ohmgate, tmp_path):
    trial = of_seeds(EXPERIMENTS["table1"])[0]
    content = record(trial, Outcome("5" * 64, [], {}), {})
    del content["final"]
    results.write_result(tmp_path, trial, content)
    result = ohmgate("sweep", "table1", "--out", tmp_path, "--report")
    assert result.exit_code == 2
    assert result.stderr == "ohmgate: error: result 'names_w32_a32_seed0' must hold final, but does not\n"


def test_nothing_has_run_yet(ohmgate, tmp_path):
    result = ohmgate("sweep", "fig6", "--out", tmp_path, "--report")
    assert "0 of 17 trials have run" in result.stdout
    assert result.stdout.count("missing") == 17
    assert not (tmp_path / "fig6.png").exists()


@pytest.mark.slow
def test_a_sweep_that_cannot_find_its_data_says_so(ohmgate, tmp_path):
    result = ohmgate("sweep", "table1", "--data", tmp_path / "none", "--out", tmp_path)
    assert result.exit_code == 2
    assert "the data folder must have the file 'names/Arabic.txt'" in result.stderr


def test_an_unknown_experiment_is_told_which_there_are(ohmgate, tmp_path):
    result = ohmgate("sweep", "fig9", "--out", tmp_path)
    assert result.exit_code == 2
    names = ", ".join(SWEEPS)
    assert names.startswith("fig4, fig5, fig6, table1, fig7, fig8")
    assert result.stderr == f"ohmgate: error: experiment must be one of {names}, not 'fig9'\n"


@dataclass(frozen=True)
class Settings:
    factor: int = 3


@dataclass(frozen=True)
class Toy:
    """A trial of no paper: it multiplies."""

    size: int
    seed: int = 0
    task = "toy"
    is_language = False

    @property
    def name(self):
        return f"toy_{self.size}_seed{self.seed}"

    def protocol(self):
        return Settings()

    def check_data(self, folder):
        assert folder.is_dir()

    def run(self, folder, told, *, device, network):
        assert (device, network) == ("cpu", None)
        told(1, 1, "done")
        product = self.size * self.protocol().factor + self.seed
        return Outcome("7" * 64, [{"product": product}], {"product": product})


def test_another_experiment_goes_the_whole_way(ohmgate, tmp_path, monkeypatch):
    def table(found, seeds):
        lines = [f"{seeds} seeds"]
        return lines + [f"{toy.size}: {[r['final']['product'] for r in records]}" for toy, records in found.items()]

    run_inline(monkeypatch, inline_work=False)
    toy = Sweep("toy", "Products", (Toy(2), Toy(5)), lambda trial: ("product",), table, lambda results: {})
    monkeypatch.setitem(SWEEPS, "toy", toy)
    result = ohmgate("sweep", "toy", "--seeds", 2, "--data", tmp_path, "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    text = "# Products\n\n4 of 4 trials have run, at full protocol.\n\n2 seeds\n2: [6.0, 7.0]\n5: [15.0, 16.0]\n"
    assert result.stdout.startswith(text)
    assert (tmp_path / "toy.md").read_text() == result.stdout
    lines = [json.loads(line) for line in results_path(tmp_path, "toy").read_text().splitlines()]
    assert [line["trial"] for line in lines] == [{"size": s, "seed": k} for s in (2, 5) for k in (0, 1)]
    monkeypatch.setattr(Toy, "protocol", lambda self: Settings(4))
    result = ohmgate("sweep", "toy", "--out", tmp_path, "--report")
    assert result.stderr.endswith(
        "must have its trial's protocol, but has another; take its line out of 'toy.jsonl'\n"
    )


def test_an_unknown_executor(ohmgate, tmp_path):
    result = ohmgate("sweep", "table1", "--executor", "slurm", "--out", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == "ohmgate: error: executor must be local or dask:ADDRESS, not 'slurm'\n"


def test_results_whose_network_was_not_kept_are_told(ohmgate, tmp_path, monkeypatch):
    trials = of_seeds(EXPERIMENTS["table1"])[:2]
    monkeypatch.setitem(SWEEPS, "table1", replace(SWEEPS["table1"], trials=trials))
    write_result(tmp_path, trials[0], names_final(0.8, 1.6))
    (tmp_path / "networks").mkdir()

    run_inline(monkeypatch)
    result = ohmgate("sweep", "table1", "--keep", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[-1] == (
        "results without a network, from a sweep without --keep or on another machine: names_w32_a32_seed0"
    )
    (tmp_path / "networks" / "names_w32_a32_seed0.safetensors").touch()
    assert "without a network" not in ohmgate("sweep", "table1", "--keep", "--out", tmp_path).stdout


def test_a_result_of_another_protocol_is_refused(tmp_path, monkeypatch):
    trial = of_seeds(EXPERIMENTS["table1"])[0]
    write_result(tmp_path, trial, names_final(0.8, 1.6))
    assert read_results(tmp_path, [trial])[trial]["final"]["accuracy"] == 0.8
    usual = protocols.language_protocol
    monkeypatch.setattr(protocols, "language_protocol", lambda *given: replace(usual(*given), batch=16))
    with pytest.raises(DesignError, match="has another; take its line out of 'names.jsonl'$"):
        read_results(tmp_path, [trial])
