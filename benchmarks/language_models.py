"""Language models of AN4's characters on held-out speakers: results/language_models.json (docs/transducers.md).

    python benchmarks/language_models.py --data DIR [--seeds 5] [--json FILE]

The models of each seed are trained on the transcripts of 64 of the 74 training speakers, and judged on those of the
other ten. The 4-bit ones are exported, and every integer on held-out texts is compared with the reference's. One call
of a search, a symbol more for 16 states and their scores, is timed on one thread.
"""

import argparse
import os
import platform
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ohmgate.model.files import write_json
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.threads import single_thread
from ohmgate.train.speech.an4 import an4
from ohmgate.train.speech.characters import SYMBOLS
from ohmgate.train.speech.further_texts import further_texts
from ohmgate.train.speech.language import language_models, nats_a_symbol, padded_symbols
from ohmgate.train.speech.language_steps import Steps, steps_of

RESULTS = Path(__file__).parents[1] / "results" / "language_models.json"
BITS, STATES, CALLS = 4, 16, 500


def call_milliseconds(steps: Steps, states: int) -> float:
    """Median of a call with so many states, all of other texts."""
    generator = np.random.default_rng(0)
    known, taken = [steps.start()] * states, []
    for _ in range(CALLS):
        symbols = generator.integers(1, SYMBOLS, states).tolist()
        began = time.perf_counter()
        known = steps.advance(known, symbols)
        steps.scores(known)
        taken.append(1000 * (time.perf_counter() - began))
    return float(np.median(taken))


def judged(seed: int, train: list[str], others: list[str], held: list[str]) -> dict[str, Any]:
    began = time.process_time()
    models = language_models(train, others, BITS, seed)
    found: dict[str, Any] = {"seconds": time.process_time() - began}
    taken, lengths = padded_symbols(held)[0], torch.tensor([len(text) + 1 for text in held])
    for name, pair in models.items():
        for role, model in zip(("source", "target"), pair, strict=True):
            here: dict[str, Any] = {"held": nats_a_symbol(model, held), "train": nats_a_symbol(model, train)}
            if name == "quantised":
                compared = verify_export(model, taken, lengths=lengths)
                here |= {"integers": compared.integers, "mismatches": compared.mismatches}
            found[f"{name} {role}"] = here
        found[f"{name} milliseconds"] = {
            str(states): call_milliseconds(steps_of(pair[1]), states) for states in (1, STATES)
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    data = an4(arguments.data).validation()
    train, held = list(data.train.texts), list(data.test.texts)
    seeds = []
    with single_thread():
        for seed in range(arguments.seeds):
            seeds.append(judged(seed, train, further_texts(train, arguments.data, seed), held))
            print(seed, seeds[-1], flush=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    sizes = {"training texts": len(train), "held-out texts": len(held), "symbols": sum(map(len, held)) + len(held)}
    write_json(arguments.json, {"bits": BITS, "versions": versions, **sizes, "seeds": seeds})


if __name__ == "__main__":
    main()
