"""The default training on public sets that nobody tuned it to, beside a float ``nn.LSTM`` that was tuned on each.

Run: ``python benchmarks/training_rules.py --results results/training_rules.json``, again to go on where it stopped.
``--fold 0`` trains on three quarters of each training set and scores the rest: for choosing rules, the test sets
unseen. A network is one LSTM layer of 32 units and a head with an 8-bit ADC. The columns:

- ``lstm``: ``nn.LSTM`` and ``nn.Linear`` in float; learning rate and forget bias by a held-out quarter;
- ``float``: the design's own network without quantisation; ``4``: weights, DACs and ADCs of 4 bits; and so on;
- ``noise``: 4 bits, trained with 10 % weight noise; ``noisy`` is the mean of five chips with it.
"""

import argparse
import json
import platform
import time
from concurrent.futures import as_completed
from dataclasses import replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from public_sets import GENERATED, SETS  # pyright: ignore[reportImplicitRelativeImport]
from torch import nn
from torch.nn import functional

from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.layers import DenseLayer, LstmLayer
from ohmgate.model.processes import process_pool
from ohmgate.train.data.sequences import SequenceDataset
from ohmgate.train.epochs import schedule
from ohmgate.train.evaluation import predict
from ohmgate.train.layers.noise import Noise
from ohmgate.train.recipe import usual_config
from ohmgate.train.training import train

SETS_OF = "The default training on public sets, beside a float nn.LSTM."
HIDDEN = 32
CHIPS = 5
LARGE = 20000  #: sequences of a training set on which nn.LSTM has two candidates, not four


def design_for(dataset: SequenceDataset, bits: int) -> Design:
    channels, classes = dataset.train.features.shape[2], len(dataset.classes)
    lstm = LstmLayer(inputs=channels, hidden=HIDDEN, adcs=16, dac_bits=bits, weight_bits=bits, adc_bits=bits)
    head = DenseLayer(inputs=HIDDEN, outputs=classes, adcs=classes, output="argmax", emit="end")
    head = replace(head, dac_bits=bits, weight_bits=bits, adc_bits=max(8, bits))
    return Design(dataset.name.removesuffix(".npz"), (lstm, head))


@lru_cache(maxsize=2)
def data_of(name: str, fold: int | None) -> SequenceDataset:
    """A set, or its ``fold``: a quarter of the training set (an eighth of a large one) in the test set's place."""
    dataset = SETS[name]()
    if fold is None:
        return dataset
    if name in GENERATED:
        return replace(dataset, test=GENERATED[name](1000 + fold))
    train, parts = dataset.train, 4 if len(dataset.train) < LARGE else 8
    held = np.zeros(len(train), dtype=bool)
    if train.groups is not None:
        held = np.isin(train.groups, np.unique(train.groups)[fold::parts])
    for label in range(len(dataset.classes) if train.groups is None else 0):
        held[np.flatnonzero(train.labels == label)[fold::parts]] = True
    return replace(dataset, train=train.take(np.flatnonzero(~held)), test=train.take(np.flatnonzero(held)))


def lstm_accuracy(dataset: SequenceDataset, seed: int, rate: float, forget: float) -> float:
    """Of ``nn.LSTM`` with batches, epochs, schedule and noise of the default training."""
    config = usual_config(design_for(dataset, 4), dataset)
    used = np.arange(dataset.train.features.shape[1]) < dataset.train.lengths[:, None]
    frames = dataset.train.features[used].astype(np.float64)
    mean, spread = frames.mean(0), frames.std(0)
    spread[spread < 1e-6] = 1
    parts = []
    for data in (dataset.train, dataset.test):
        features = torch.from_numpy(((data.features - mean) / spread).astype(np.float32))
        parts.append((features, torch.from_numpy(data.lengths), torch.from_numpy(data.labels)))
    (x, lengths, labels), test = parts
    torch.manual_seed(seed)
    lstm, head = nn.LSTM(x.shape[2], HIDDEN, batch_first=True), nn.Linear(HIDDEN, len(dataset.classes))
    biases = dict(lstm.named_parameters())
    with torch.no_grad():
        biases["bias_ih_l0"][HIDDEN : 2 * HIDDEN] = forget
        biases["bias_hh_l0"][HIDDEN : 2 * HIDDEN] = 0
    parameters = [*lstm.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters)
    noise = 0.4 if len(labels) < 5000 else 0.2

    def logits(x, lengths):
        return head(lstm(x)[0][torch.arange(len(x)), lengths - 1])

    for epoch in range(config.epochs):
        batches = torch.randperm(len(labels)).split(config.batch)
        for number, index in enumerate(batches):
            optimiser.param_groups[0]["lr"] = rate * schedule((epoch + number / len(batches)) / config.epochs)
            batch = x[index, : int(lengths[index].max())]
            batch = batch + noise * torch.randn(batch.shape)
            loss = functional.cross_entropy(logits(batch, lengths[index]), labels[index], label_smoothing=0.1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, config.clip_norm)
            optimiser.step()
    with torch.no_grad():
        parts = zip(*(part.split(500) for part in test))
        return float(np.mean([*np.concatenate([(logits(x, n).argmax(1) == y).numpy() for x, n, y in parts])]))


def run(name: str, column: str, seed: int, fold: int | None) -> dict[str, Any]:
    """One result: ``accuracy`` and what else there is to know."""
    torch.set_num_threads(1)
    began = time.monotonic()
    dataset = data_of(name, fold)
    bits = 4 if column in ("lstm", "float", "noise") else int(column)
    config = usual_config(design_for(dataset, bits), dataset)
    found: dict[str, Any] = {}
    if column == "lstm":
        rates = ((0.01, config.forget_bias), (0.003, config.forget_bias), (0.03, config.forget_bias), (0.01, 1.0))
        rates = rates[: 2 if len(dataset.train) > LARGE else 4]
        scores = {choice: lstm_accuracy(data_of(name, 0), 0, *choice) for choice in rates} if seed == 0 else {}
        choice = max(scores, key=lambda one: scores[one]) if scores else TUNED[name]
        found = {"accuracy": lstm_accuracy(dataset, seed, *choice), "choice": list(choice)}
    else:
        noise = Noise(weight=0.1) if column == "noise" else Noise()
        config = replace(config, seed=seed, floating=column == "float", train_noise=noise)
        result = train(design_for(dataset, bits), dataset, config)
        found["accuracy"] = result.accuracy
        if column == "noise":
            assert result.network is not None
            host = {"input_scale": result.network.input_scale, "input_offset": result.network.input_offset}
            result.model.set_noise(evaluate=Noise(weight=0.1, redraw="per_programming"))
            chips = []
            for chip in range(CHIPS):
                result.model.set_noise(seed=chip)
                chips.append(float((predict(result.model, dataset.test, host) == dataset.test.labels).mean()))
            found["noisy"] = chips
    return found | {"seconds": round(time.monotonic() - began, 1)}


TUNED: dict[str, tuple[float, float]] = {}  #: what seed 0 chose for nn.LSTM


def prepare(tuned: dict[str, tuple[float, float]]) -> None:
    TUNED.update(tuned)


def main() -> None:
    parser = argparse.ArgumentParser(description=SETS_OF)
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--columns", nargs="+", default=["lstm", "4", "2", "1"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--fold", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    content: dict[str, Any] = {"runs": {}}
    if arguments.results.exists():
        content = json.loads(arguments.results.read_text())
    runs = content["runs"]
    for seed in range(arguments.seeds):
        jobs = [(s, c, seed, arguments.fold) for s in arguments.sets for c in arguments.columns]
        jobs = [job for job in jobs if f"{job[0]} {job[1]} {seed}" not in runs]
        tuned = {key.split()[0]: tuple(r["choice"]) for key, r in runs.items() if "choice" in r}
        with process_pool(arguments.workers, prepare, (tuned,)) as pool:
            futures = {pool.submit(run, *job): job for job in jobs}
            for future in as_completed(futures):
                name, column, _, _ = futures[future]
                runs[f"{name} {column} {seed}"] = found = future.result()
                content["machine"] = f"{platform.system()} {platform.machine()}, torch {metadata.version('torch')}"
                write_json(arguments.results, content)
                print(f"{name} {column} {seed}: {found}", flush=True)
    table(content["runs"], arguments)


def table(runs: dict[str, dict[str, Any]], arguments) -> None:
    print("| set | " + " | ".join(arguments.columns) + " |")
    for name in arguments.sets:
        cells = []
        for column in arguments.columns:
            found = [runs[key]["accuracy"] for key in runs if key.startswith(f"{name} {column} ")]
            cells.append(f"{100 * np.mean(found):.1f}" if found else "")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
