"""The transducer's loss beside its recursion by autograd, in turns: results/transducer_loss.json.

    python benchmarks/transducer_loss.py [--rounds 15] [--json FILE]

Forward and backward of random logits, one thread, float32. Autograd's recursion is over anti-diagonals, too, and in
float64 behind the softmax.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from ohmgate.model.files import write_json
from ohmgate.train.speech.transducer import transducer_loss

RESULTS = Path(__file__).parents[1] / "results" / "transducer_loss.json"
SHAPES = {"16 x 90 x 41 x 28": (16, 90, 40, 28), "4 x 200 x 61 x 28": (4, 200, 60, 28)}
NOWHERE = -1e30  #: a gradient through logaddexp of two -inf is no number


def by_autograd(
    logits: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor, target_lengths: torch.Tensor
) -> torch.Tensor:
    """:func:`transducer_loss` without a gradient of its own."""
    batch, steps, places, _ = logits.shape
    scores = logits.log_softmax(3)
    blank = scores[..., 0].double()
    labels = targets[:, None, :, None].expand(-1, steps, -1, 1)
    label = scores[:, :, :-1].gather(3, labels)[..., 0].double()
    rows, u = torch.arange(batch), torch.arange(places)
    here = blank.new_full((batch, places), NOWHERE)
    here[:, 0] = 0
    diagonals = [here]
    for n in range(1, steps + places - 1):
        t = n - u
        inside = (t >= 1) & (t <= steps)
        stay = torch.where(inside, here + blank[:, (t - 1).clamp(0, steps - 1), u], NOWHERE)
        inside = (t >= 0) & (t < steps)
        move = torch.where(inside[1:], here[:, :-1] + label[:, t[1:].clamp(0, steps - 1), u[:-1]], NOWHERE)
        here = torch.cat([stay[:, :1], torch.logaddexp(stay[:, 1:], move)], dim=1)
        diagonals.append(here)
    found = torch.stack(diagonals, 1)[rows, lengths + target_lengths - 1, target_lengths]
    return -(found + blank[rows, lengths - 1, target_lengths])


def run(loss: Callable[..., torch.Tensor], logits: torch.Tensor, *rest: torch.Tensor) -> tuple[float, torch.Tensor]:
    logits = logits.clone().requires_grad_()
    began = time.perf_counter()
    (gradient,) = torch.autograd.grad(loss(logits, *rest).sum(), logits)
    return 1000 * (time.perf_counter() - began), gradient


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    for name, (batch, steps, count, symbols) in SHAPES.items():
        generator = torch.Generator().manual_seed(0)
        logits = torch.randn(batch, steps, count + 1, symbols, generator=generator)
        targets = torch.randint(1, symbols, (batch, count), generator=generator)
        lengths = torch.randint(steps // 2, steps + 1, (batch,), generator=generator)
        target_lengths = torch.randint(count // 2, count + 1, (batch,), generator=generator)
        given = logits, targets, lengths, target_lengths
        losses = {"own gradient": transducer_loss, "autograd": by_autograd}
        rounds = [{key: run(loss, *given) for key, loss in losses.items()} for _ in range(arguments.rounds + 1)][1:]
        gradients = [rounds[0][key][1] for key in losses]
        found[name] = {
            "milliseconds": {key: float(np.median([each[key][0] for each in rounds])) for key in losses},
            "own over autograd": float(np.median([each["own gradient"][0] / each["autograd"][0] for each in rounds])),
            "largest difference of gradients": float((gradients[0] - gradients[1]).abs().max()),
        }
        print(name, found[name])
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    write_json(arguments.json, {"rounds": arguments.rounds, "versions": versions, "shapes": found})


if __name__ == "__main__":
    main()
