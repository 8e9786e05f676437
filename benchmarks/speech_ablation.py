"""What the 4-bit recipe of ``ohmgate sweep asr-ctc`` owes to its parts, on held-out speakers (docs/speech.md).

    python benchmarks/speech_ablation.py --data DIR [--float FILE] [--rows NAME ...] [--seeds N ...] [--json FILE]

One float network, 2x128, of seed 0, is read from FILE (a state dict of torch), or trained in some minutes and kept
there. Each row changes one thing of the recipe and trains at 4 bits, once for each seed of augmentation and batches.
Utterances of every seventh training speaker are read; the test speakers never. What the JSON file has of the same
float network is not run again.
"""

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ohmgate.model.files import write_json
from ohmgate.train.data.content import content_hash
from ohmgate.train.experiments.asr_ctc import AsrCtcTrial, AsrProtocol, quantised
from ohmgate.train.speech.an4 import SpeechDataset, an4
from ohmgate.train.speech.features import Units
from ohmgate.train.speech.model import FloatModel, QuantModel
from ohmgate.train.speech.scores import (
    by_speaker,
    character_counts,
    difference_interval,
    error_rate,
    word_counts,
)
from ohmgate.train.speech.training import Descent, descend, read

RESULTS = Path(__file__).parents[1] / "results" / "speech_ablation.json"
TRIAL = AsrCtcTrial(network="2x128")
RECIPE, SCRATCH = "recipe", "from scratch"
ROWS: dict[str, dict[str, Any]] = {
    RECIPE: {},
    "drive 1": {"input_drive": 1},
    "a range for each gate": {"per_gate": True},
    "a range for each gate, drive 1": {"per_gate": True, "input_drive": 1},
    "absmax": {"quantiser": "absmax"},
    "sawb": {"quantiser": "sawb"},
    "pact": {"quantiser": "pact"},
    SCRATCH: {},
}  #: what each changes of the protocol


class Held:
    """Scores of the held-out speakers."""

    def __init__(self, data: SpeechDataset, units: Units) -> None:
        self.data, self.units = data, units

    def counts(self, model: torch.nn.Module) -> dict[str, Any]:
        """Rates, and errors and words of each speaker."""
        test = self.data.test
        heard = read(model, test, self.units)
        words = word_counts(test.texts, heard)
        return {
            "wer": error_rate(words),
            "cer": error_rate(character_counts(test.texts, heard)),
            "speakers": np.asarray(by_speaker(words, test.speakers)).tolist(),
        }


def floating(trial: AsrCtcTrial, data: SpeechDataset, units: Units, kept: Path | None) -> FloatModel:
    """The trial's network in float, read from ``kept``, or trained and kept there."""
    protocol, (layers, hidden, bidirectional) = trial.protocol(), trial.size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(trial.seed)
        model = FloatModel(hidden, layers, protocol.dropout, bidirectional)
    if kept is not None and kept.exists():
        model.load_state_dict(torch.load(kept, weights_only=True))
        return model
    descend(model, data.train, units, protocol.floating, trial.seed, print)
    if kept is not None:
        torch.save(model.state_dict(), kept)
    return model


def start(name: str, model: FloatModel, held: Held, protocol: AsrProtocol) -> tuple[QuantModel, Descent]:
    """Of a row: its network before training at 4 bits, and how that goes."""
    if name != SCRATCH:
        return quantised(model, TRIAL, held.data.train, held.units, protocol), protocol.quantised
    layers, hidden, bidirectional = TRIAL.size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(TRIAL.seed)
        fresh = FloatModel(hidden, layers, 0.0, bidirectional)
    found = quantised(fresh, TRIAL, held.data.train, held.units, protocol)
    found.lstm.dropout = found.head.input_dropout = protocol.dropout  # as in float
    return found, protocol.floating


def train(row: dict[str, Any], name: str, seed: int, model: FloatModel, held: Held) -> None:
    """Add a training to ``row``; the first one says what all have in common, too."""
    protocol = replace(TRIAL.protocol(), **ROWS[name])
    began = time.process_time()
    network, descent = start(name, model, held, protocol)
    if not row:
        common = {"changed": ROWS[name], "epochs": descent.epochs, "rate": descent.rate}
        row.update(common | {"not trained": held.counts(network), "trained": {}})
    losses: list[float] = []
    descend(network, held.data.train, held.units, descent, seed, lambda epoch: losses.append(epoch["train_loss"]))
    found = held.counts(network) | {"train_loss": losses[-1]}
    row["trained"][str(seed)] = found | {"minutes": (time.process_time() - began) / 60}


def intervals(found: dict[str, Any]) -> None:
    """Write into each row how much its WER is above that of the recipe of the same seeds, and the 95 % interval by
    speaker, all seeds together."""
    base = found["rows"][RECIPE]["trained"]
    for name, each in found["rows"].items():
        seeds = sorted(set(base) & set(each["trained"]))
        if name != RECIPE and seeds:
            pair = [np.sum([row[seed]["speakers"] for seed in seeds], axis=0) for row in (base, each["trained"])]
            rates = [error_rate(counts) for counts in pair]
            each["above the recipe"], each["interval"] = rates[1] - rates[0], list(difference_interval(*pair))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--float", type=Path, dest="kept", metavar="FILE")
    parser.add_argument("--rows", nargs="+", choices=tuple(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = an4(arguments.data).validation()
    units = Units.of(data.train, TRIAL.protocol().centred)
    held, model = Held(data, units), floating(TRIAL, data, units, arguments.kept)
    mark = {"weights_sha256": content_hash([each.numpy() for each in model.state_dict().values()], [])}
    found: dict[str, Any] = json.loads(arguments.json.read_text()) if arguments.json.exists() else {}
    if found.get("float", {}).get("weights_sha256") != mark["weights_sha256"]:
        versions = {"python": platform.python_version(), "torch": torch.__version__, "machine": platform.machine()}
        found = {
            "provenance": versions | {"data_sha256": data.content},
            "float": mark | held.counts(model),
            "rows": {},
        }
    for seed, name in product(arguments.seeds, arguments.rows):
        row = found["rows"].setdefault(name, {})
        if str(seed) not in row.get("trained", {}):
            train(row, name, seed, model, held)
            if RECIPE in found["rows"]:
                intervals(found)
            write_json(arguments.json, found)
            print(name, seed, row["not trained"]["wer"], row["trained"][str(seed)]["wer"], flush=True)


if __name__ == "__main__":
    main()
