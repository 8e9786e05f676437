"""``ohmgate demo``: the whole story on real speech, from training to the report."""

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..analog.config import ArrayConfig, preset
from ..analog.inference import accuracy_draws
from ..firmware import image
from ..model.design import Design
from ..model.files import whole
from ..model.formats import check_integer
from ..model.locks import sole_use
from ..model.programs import background
from ..model.reference import repeated
from ..sim.levels import Sequences, rtl_level, software_levels
from . import runs
from .console import Steps, say
from .training import write_hardware

EXAMPLES = """Example: `ohmgate demo`, then open `runs/demo/report.html` in a browser.

Takes about a minute on two cores. Called again it trains nothing anew and repeats the rest."""

BETA = 0.1  #: the weight noise that the paper calls 10 %
NOISES = {
    "ADC noise": preset("paper_adc"),
    "ADC noise and 10 % weight noise, drawn for each utterance": preset("paper"),
    "ADC noise and 10 % weight noise, drawn once for each chip": ArrayConfig(weight_noise=BETA, adc_noise="paper"),
}


def command(
    out: Annotated[Path, typer.Option(help="Run folder, made if it is not there.")] = Path("runs/demo"),
    seeds: Annotated[int, typer.Option(help="Seeds to train, float and quantised each.")] = 5,
    epochs: Annotated[int, typer.Option(help="Passes over the training set.")] = 60,
    utterances: Annotated[int, typer.Option(help="Test utterances for the Verilog, at most 370.")] = 370,
    draws: Annotated[int, typer.Option(help="Noisy chips for each kind of noise.")] = 25,
) -> None:
    """Train a 4-bit LSTM on speech, put it into Verilog, and check that every level gives the same integers."""
    began = time.monotonic()
    for name, value, most in (("seeds", seeds, 1000), ("utterances", utterances, 370), ("draws", draws, 100_000)):
        check_integer(name, value, 1, most)
    check(out)
    from ..report.demo import write_report

    with sole_use(out):
        story = tell(out, seeds, epochs, utterances, draws)
        story["seconds"] = time.monotonic() - began
        report = write_report(out, story)
    for level in story["levels"]:
        say(f"{level.name:<24} {100 * level.score:6.2f} %  {level.comparison or ''}")
    for name, accuracy in story["draws"].items():
        mean, deviation = 100 * accuracy.mean(), 100 * accuracy.std()
        say(f"{name}: {mean:.2f} %, standard deviation {deviation:.2f} points over {draws} chips")
    float_mean, mean = 100 * np.mean(story["floating"]), 100 * np.mean(story["quantised"])
    difference = f"{mean:.2f} % - {float_mean:.2f} % = {mean - float_mean:+.2f} points"
    say(f"4-bit less float, mean of {seeds} seeds: {difference}")
    agrees = all(level.agrees for level in story["levels"])
    say(f"{'every level gives the same integers' if agrees else 'the levels differ'}; report: {report}")
    if not agrees:
        raise typer.Exit(1)


def check(out: Path) -> None:
    """Raise :class:`DesignError` if something that the demo needs after training is missing."""
    from ..hdl.flow import synthesis
    from ..sim.simulators import require

    require("verilator", out)
    for target in targets():
        synthesis.check(*target)


def tell(out: Path, seeds: int, epochs: int, utterances: int, draws: int) -> dict[str, Any]:
    """Train, pack, generate, simulate, compare. Everything that the report shows."""
    from ..hdl.flow.synthesis import synthesise
    from ..sim.cosim import build, simulate
    from ..sim.job import DeviceJob
    from ..train.data.datasets import load_dataset
    from ..train.network import DesignNetwork
    from ..train.recipe import PROTOCOLS
    from ..train.seeds import train_seeds
    from ..train.usage import usage_of_sequences

    design, dataset = Design.load("vowels"), load_dataset("vowels")
    config = replace(PROTOCOLS["vowels"], epochs=epochs)
    common = {k: v for k, v in config.to_dict().items() if k not in ("seed", "floating")}
    runs.start(out, {"design": design.to_dict(), "dataset": dataset.name, "train": common})
    with Steps() as steps, background() as thread:
        # the Verilog depends on the design only, so its simulation is built while the network is trained
        building = thread.submit(build, [design, design], out / "simulation" / "demo")
        synthesising = [thread.submit(synthesise, design, *target) for target in targets()]
        with steps.step(f"Training {seeds} seeds, float and 4-bit", 2 * seeds) as step:

            def finished(*run):
                step.update(*run)
                if building.done():  # it may have failed
                    building.result()

            trained = train_seeds(
                design, dataset, config, seeds=range(seeds), folder=out / runs.CHECKPOINTS, progress=finished
            )
        network = trained.network
        with steps.step("Packing the image, generating Verilog"):
            image.write(runs.image_path(out), network)
            files = write_hardware(design, out / "verilog")
        with steps.step("Building the simulation with Verilator, synthesising"):
            built = building.result()
            synthesis = [report.result() for report in synthesising]
        test = dataset.test
        data = Sequences(network.encode(test.features), test.lengths, test.labels)
        part = Sequences(data.codes[:utterances], data.lengths[:utterances], data.labels[:utterances])
        jobs = [
            DeviceJob(network, *repeated(design.votes, part.codes, part.lengths), array)
            for array in (preset("ideal"), preset("paper"))
        ]
        running = thread.submit(simulate, built, jobs)
        with steps.step("Comparing PyTorch, reference and array model"):
            levels, result = software_levels(network, data)
        with steps.step(f"Drawing {draws} noisy chips of {len(NOISES)} kinds", len(NOISES)) as step:
            chips = {}
            for name, noise in NOISES.items():
                chips[name] = accuracy_draws(network, data.codes, data.lengths, data.labels, noise, draws)
                step.update(len(chips), len(NOISES))
        with steps.step(f"Running {utterances} utterances through the Verilog, twice"):
            ideal, noisy = running.result()
    what = f"generated Verilog on Verilator, {utterances} utterances, image loaded over the register bus"
    levels.append(rtl_level("Verilog", what, network, part, ideal))
    what = "the same with the paper's noise in the array; the reference gets the same noisy ADC codes"
    levels.append(rtl_level("Verilog, noisy array", what, network, part, noisy))
    model = DesignNetwork.from_network(network)
    usage = usage_of_sequences(model, test, network.input_scale, network.input_offset)
    _write_traces(out / "traces", result, int(data.lengths[0]))
    return {
        "network": network,
        "data": data,
        "result": result,
        "levels": levels,
        "draws": chips,
        "files": files,
        "floating": trained.floating,
        "quantised": trained.quantised,
        "registers": ideal.record.registers,
        "utterances": utterances,
        "synthesis": synthesis,
        "usage": usage,
        "train_noise": config.train_noise,
        "image": runs.image_path(out),
    }


def targets() -> list[tuple[str, Path | None]]:
    """Targets of the synthesis: an FPGA, and standard cells where $OHMGATE_PDK has them, else Yosys's own gates."""
    liberty = Path(os.environ.get("OHMGATE_PDK", ""), "nangate45_typ.lib.gz")
    return [("ecp5", None), ("liberty", liberty) if liberty.is_file() else ("generic", None)]


def _write_traces(folder: Path, result, length: int) -> None:
    """Every integer of the first test utterance at the reference, one file for each layer."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, trace in enumerate(result.layers):
        arrays: dict[str, Any] = {
            name: value[0, :length] for name, value in vars(trace).items() if isinstance(value, np.ndarray)
        }
        with whole(folder / f"utterance_0_layer_{index}.npz") as part:
            np.savez(part, **arrays)
