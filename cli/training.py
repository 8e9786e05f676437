"""What commands share: training a run folder's networks, packing one, writing a design's hardware."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..firmware import c_header, image
from ..model.design import Design
from ..model.files import write_json, write_together
from ..model.formats import check_integer
from ..model.locks import sole_use
from ..model.prerequisites import require_place
from ..report.results import RESULTS, UNITS, clipped
from . import runs
from .console import Steps, say

HISTOGRAM = 512  #: test sequences that histograms of codes are of, at most


def train_run(
    design: Design,
    out: Path,
    dataset: str,
    data: Path | None,
    *,
    seeds: int = 1,
    float_too: bool = False,
    protocol: dict[str, Any] | None = None,
    noise: dict[str, Any] | None = None,
) -> None:
    """Train ``design`` from ``seeds`` in the run folder ``out``; goes on where it was stopped.

    ``protocol`` and ``noise`` are the fields of :class:`TrainConfig` and of its noise in training that differ from
    the data set's protocol.
    """
    from ..report.figures import code_histograms
    from ..report.style import save
    from ..train.data.datasets import load_dataset
    from ..train.training import PROTOCOLS, TrainConfig, check_fit, train
    from ..train.usage import usage_of_sequences

    learned = load_dataset(dataset, data)
    check_integer("seeds", seeds, 1, 1000)
    check_fit(design, learned)
    usual, chosen = PROTOCOLS.get(learned.name, TrainConfig()), dict(protocol or {})
    drawn = replace(usual.train_noise, **noise or {})
    if chosen.get("quantiser") == "sawb":
        chosen["range_noise"] = drawn.weight
    configs = [
        replace(usual, seed=seed, floating=floating, train_noise=drawn, **chosen)
        for seed in range(seeds)
        for floating in ([False, True] if float_too else [False])
    ]
    common = {k: v for k, v in configs[0].to_dict().items() if k not in ("seed", "floating")}
    started = {"design": design.to_dict(), "dataset": learned.name, "train": common}
    results: dict[str, Any] = {"accuracy": {}, "clipped": {}, "units": UNITS}
    looked_at = learned.test.take(
        np.linspace(0, len(learned.test) - 1, min(HISTOGRAM, len(learned.test))).astype(int)
    )
    with sole_use(out), Steps() as steps:
        runs.start(out, started)
        for config in configs:
            name = f"{'float' if config.floating else 'quantised'}_{config.seed}"
            with steps.step(f"Training {name}", config.epochs) as step:
                result = train(
                    design,
                    learned,
                    config,
                    checkpoint=out / runs.CHECKPOINTS / f"{name}.safetensors",
                    progress=lambda done, total, loss, step=step: step.update(done, total, f"loss {loss:.4f} nats"),
                )
                step.note = f"test accuracy {100 * result.accuracy:.2f} %"
            results["accuracy"][name] = result.accuracy
            if result.network is not None:
                usage = usage_of_sequences(
                    result.model, looked_at, result.network.input_scale, result.network.input_offset
                )
                results["clipped"][name] = clipped(usage)
                save(code_histograms(usage), out / "plots" / f"codes_{name}.png")
            write_json(out / RESULTS, results)
    for name, value in results["accuracy"].items():
        say(f"{name:<14} test accuracy {100 * value:.2f} %")
    say(f"histograms of codes and what clips: {out / 'plots'}; next: ohmgate pack {out}")


def pack_run(source: Path, out: Path | None = None, seed: int = 0) -> None:
    """Pack a checkpoint, or ``seed``'s of a run folder.

    The image is by default the run folder's, which is named after the design, or lies beside the checkpoint.
    """
    from ..train.training import trained_network

    if source.is_dir():
        out = out or runs.image_path(source)
        source = runs.checkpoint(source, seed)
    network = trained_network(source)
    out = out or source.with_suffix(".image")
    require_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    image.write(out, network)
    say(f"{out}: {out.stat().st_size} bytes, design {network.design.name}, fingerprint {network.design.fingerprint}")


def write_hardware(design: Design, folder: Path, trace: bool = False) -> list[Path]:
    """Everything that a chip's user needs, in ``folder``: byte-identical on every run, and all of it or nothing."""
    from ..hdl.flow.generate import generated

    return write_together(folder, generated(design, trace) | c_header.sources())
