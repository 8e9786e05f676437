"""How much later the streaming network gives its symbols than the one of both directions (docs/speech.md).

    python -m benchmarks.speech_delay --data DIR [--kept FOLDER] [--json FILE]

Two float networks of seed 0, trained without the held-out speakers, are read from FOLDER (state dicts of torch), or
trained in some minutes and kept there. Both read those speakers' utterances. Where both give the same symbols, each
symbol's first step is compared.
"""

import argparse
import os
import platform
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from benchmarks.speech_ablation import floating
from ohmgate.model.files import write_json
from ohmgate.train.experiments.asr_ctc import AsrCtcTrial
from ohmgate.train.layers.whole_model import evaluating
from ohmgate.train.speech.an4 import SpeechDataset, an4
from ohmgate.train.speech.characters import BLANK
from ohmgate.train.speech.features import Units

RESULTS = Path(__file__).parents[1] / "results" / "speech_delay.json"
NETWORKS = ("2x128", "streaming_2x256")
STEP_MS = 30


def onsets(scores: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Symbols of an utterance by greedy decoding of scores (T, symbols), and the first step of each."""
    best = scores.argmax(1)
    new = (best != BLANK) & (best != np.concatenate([[BLANK], best[:-1]]))
    return best[new].tolist(), np.flatnonzero(new)


def read_by(network: str, data: SpeechDataset, folder: Path | None) -> list[tuple[list[int], np.ndarray]]:
    """Of each held-out utterance."""
    trial = AsrCtcTrial(network=network)
    units = Units.of(data.train, trial.protocol().centred)
    model = floating(trial, data, units, folder and folder / f"{network}.pt")
    found = []
    with evaluating(model):
        for frames in data.test.frames:
            steps = torch.from_numpy(units.steps(frames))[None]
            found.append(onsets(model(steps, torch.tensor([steps.shape[1]]))[0].numpy()))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--kept", type=Path, metavar="FOLDER")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = an4(arguments.data).validation()
    both, one = (read_by(network, data, arguments.kept) for network in NETWORKS)
    later = [late - early for (symbols, early), (others, late) in zip(both, one) if symbols == others]
    delays = np.concatenate(later)
    found = {
        "provenance": {"python": platform.python_version(), "torch": torch.__version__, "data_sha256": data.content},
        "networks": list(NETWORKS),
        "utterances": len(both),
        "read alike": len(later),
        "symbols": len(delays),
        "steps later": {
            "mean": float(delays.mean()),
            "5 %": float(np.quantile(delays, 0.05)),
            "95 %": float(np.quantile(delays, 0.95)),
        },
        "ms later": STEP_MS * float(delays.mean()),
    }
    print(found)
    write_json(arguments.json, found)


if __name__ == "__main__":
    main()
