"""What commands share: training a run folder's networks, packing one, writing a design's hardware."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..firmware import c_header, image
from ..model.design import Design
from ..model.files import write_json, write_together
from ..model.formats import check_integer
from ..model.locks import sole_use
from ..model.network import Network
from ..model.prerequisites import require_place
from ..report.results import RESULTS, clipped
from . import runs
from .console import Steps, say
from .tasks import dataset_of, task_of

if TYPE_CHECKING:
    from ..train.usage import CodeUsage

SEQUENCES, STEPS = 8, 12  #: of a test bench, and the most time steps of one


def train_run(
    design: Design,
    out: Path,
    dataset: str | None,
    data: Path | None,
    *,
    start: Path | None = None,
    seeds: int = 1,
    float_too: bool = False,
    protocol: dict[str, Any] | None = None,
    noise: dict[str, Any] | None = None,
) -> None:
    """Train ``design`` from ``seeds`` in the run folder ``out``; goes on where it was stopped.

    ``dataset`` None is the design's own. ``start`` is a run folder, whose networks are begun with each from its own,
    or a checkpoint for all. ``protocol`` and ``noise`` are the fields of the training's configuration
    and of its noise that differ from the data set's protocol.
    """
    from ..report.curves import training_curves
    from ..report.figures import code_histograms
    from ..report.style import save

    named = dataset_of(design, dataset)
    task = task_of(design, named, data)
    check_integer("seeds", seeds, 1, 1000)
    configs = {
        f"{'float' if floating else 'quantised'}_{seed}": task.config(seed, floating, protocol or {}, noise or {})
        for seed in range(seeds)
        for floating in ([False, True] if float_too else [False])
    }
    common = task.common(configs["quantised_0"])
    identity = runs.data_identity(named, task.checksum, out)
    starts = {name: runs.start_of(start, name) for name in configs}
    for name, source in starts.items():
        task.check_start(configs[name], source)
    begun = {} if start is None else {"start": runs.relative(start, out)}
    started = {"design": design.to_dict(), **identity, **begun, "train": common}
    results: dict[str, Any] = {name: {} for name in task.units} | {"units": task.units}
    told, dead = {}, []
    with sole_use(out), Steps() as steps:
        runs.start(out, started)
        for name, config in configs.items():
            with steps.step(f"Training {name}") as step:
                checkpoint = out / runs.CHECKPOINTS / f"{name}.safetensors"
                trained = task.train(config, checkpoint, step.update, starts[name])
                step.note = told[name] = task.told(trained.scores)
            for key, value in (trained.scores | trained.more).items():
                results[key][name] = value
            if trained.usage is not None:
                results["clipped"][name] = clipped(trained.usage)
                dead += [f"{name:<14} {text}" for text in dead_columns(trained.usage)]
                save(code_histograms(trained.usage), out / "plots" / f"codes_{name}.png")
            if trained.more.get("epochs"):
                curves = training_curves(trained.more["epochs"], task.scores[0])
                save(curves, out / "plots" / f"curves_{name}.png")
            write_json(out / RESULTS, results)
    for name, text in told.items():
        say(f"{name:<14} {text}")
    for line in (*dead, *task.remarks(configs["quantised_0"])):
        say(line)
    wide = design.too_wide()
    after = f"next: ohmgate pack {out}" if wide is None else f"no hardware takes its {wide[2]} {wide[1]} bits"
    say(f"histograms of codes and what clips: {out / 'plots'}; {after}")


def dead_columns(usages: "list[CodeUsage]") -> list[str]:
    """A sentence on each array with columns that always give the same code or always clip."""
    from ..train.usage import summary

    return [
        f"{found.name} has {found.dead} of {found.columns} columns that always clip or give one code"
        for found in summary(usages)
        if found.dead
    ]


def pack_run(source: Path, out: Path | None = None, seed: int = 0) -> None:
    """Pack a checkpoint, or ``seed``'s of a run folder.

    The image is by default the run folder's, which is named after the design, or lies beside the checkpoint.
    """
    if source.is_dir():
        out = out or runs.image_path(source)
        source = runs.checkpoint(source, seed)
    network = network_of(source)
    out = out or source.with_suffix(".image")
    require_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    image.write(out, network)
    say(f"{out}: {out.stat().st_size} bytes, design {network.design.name}, fingerprint {network.design.fingerprint}")


def network_of(checkpoint: Path) -> Network:
    """The network of a checkpoint of ``train``, or of a language model that ``sweep`` has kept."""
    from ..train import training
    from ..train.checkpoint import read
    from ..train.export.description import export
    from ..train.language import kept, model

    content, _ = read(checkpoint)
    if "run" in content:
        is_text = "tokens" in (content.get("host") or {})
        return (kept if is_text else training).trained_network(checkpoint)
    swept = model.load(checkpoint)
    return export(swept.lstm, name=checkpoint.stem, **swept.units)


def write_hardware(
    design: Design, folder: Path, trace: bool = False, more: Mapping[str, str | bytes] | None = None
) -> list[Path]:
    """Everything that a chip's user needs, and ``more`` files by their names, in ``folder``: byte-identical on every
    run, and all of it or nothing."""
    from ..hdl.flow.generate import generated

    return write_together(folder, {**generated(design, trace), **c_header.sources(), **(more or {})})


def bench_of(design: Design, network: Network | None) -> dict[str, str]:
    """The test bench of the network, or of a random one, by its files' names."""
    from ..sim.random_designs import random_inputs, random_network
    from ..sim.testbench import bench_files

    rng = np.random.default_rng(0)
    return bench_files(
        network or random_network(design, rng), *random_inputs(design, rng, SEQUENCES * design.votes, STEPS)
    )
