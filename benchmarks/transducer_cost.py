"""Time and energy of a transducer on its chips, by the cost model and by what searches ask (docs/transducers.md).

Every network has a chip of its own. A call of a search goes through a chip as a pipeline: its last result comes after
one latency and a step for each item before it. What a call needs next waits for that. Language models work beside the
prediction network, on the same symbols.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from speech_shared import (  # pyright: ignore[reportImplicitRelativeImport]
    STEP_NS,
    UNSELECTED,
    UTTERANCE,
    chain_latency,
    spread,
    text_latency,
)

from ohmgate.cost.estimate import Cost, estimate
from ohmgate.cost.figures import total
from ohmgate.hdl.accelerator import layer_latency
from ohmgate.model.network import Network
from ohmgate.train.speech.search_work import Watched


@dataclass(frozen=True)
class Work:
    """What a search asked of an utterance's networks."""

    steps: int
    predictions: tuple[int, ...]  #: new ones of each call
    pairs: tuple[int, ...]  #: of the joint network, of each call
    replayed: int  #: steps of a prediction network that can neither give nor take a state

    @staticmethod
    def of(steps: int, watched: Watched) -> "Work":
        return Work(steps, tuple(watched.predictions), tuple(watched.pairs), watched.replayed)


def work_figures(works: Sequence[Work]) -> dict[str, float]:
    """Of a step of speech."""
    steps = sum(work.steps for work in works)
    counts = {
        "predictions": sum(sum(work.predictions) for work in works),
        "steps without states": sum(work.replayed for work in works),
        "pairs": sum(sum(work.pairs) for work in works),
        "calls": sum(len(work.predictions) + len(work.pairs) for work in works),
    }
    return {"utterances": len(works), "steps": steps} | {
        f"{name} of a step": float(f"{count / steps:.5g}") for name, count in counts.items()
    }


def tiers_of(networks: Mapping[str, Network]) -> dict[str, dict[str, Cost]]:
    """Costs of each network by each tier."""

    def by(tier: str, unselected: str) -> dict[str, Cost]:
        designs = {name: network.design for name, network in networks.items()}
        return {
            name: estimate(design, tier, [layer_latency(layer) for layer in design.layers], unselected=unselected)
            for name, design in designs.items()
        }

    tiers = {"paper": by("paper", UNSELECTED[0])}
    for waiting in UNSELECTED:
        tiers[f"literature, columns that wait {waiting.replace('_', ' ')}"] = by("literature", waiting)
    return tiers


def search_ns(costs: Mapping[str, Cost], beside: Sequence[str], work: Work, replay: bool) -> float:
    """Of the joint network and of those ``beside`` each other, which predict."""
    joint = costs["joint"]
    found = sum((count - 1) * joint.times.step + chain_latency(joint) for count in work.pairs)
    step = max(costs[name].times.step for name in beside)
    latency = max(chain_latency(costs[name]) for name in beside)
    if not replay:
        return found + sum((count - 1) * step + latency for count in work.predictions)
    predictions = sum(work.predictions)
    return found + (work.replayed - predictions) * step + predictions * latency


def search_figures(costs: Mapping[str, Cost], works: Sequence[Work], fused: bool, replay: bool) -> dict[str, Any]:
    """Of a tier's ``costs``, with the encoder. ``replay``: no state is given or taken."""
    beside = ["prediction", "source", "target"] if fused else ["prediction"]
    steps, encoder = sum(work.steps for work in works), costs["encoder"]
    encoding = sum(encoder.times.sequence(work.steps) for work in works)
    searching = sum(search_ns(costs, beside, work, replay) for work in works)
    predictions = sum(work.replayed if replay else sum(work.predictions) for work in works)
    energies = [encoder.step_energy.times(steps)]
    energies.append(costs["joint"].step_energy.times(sum(sum(work.pairs) for work in works)))
    energies += [costs[name].step_energy.times(predictions) for name in beside]
    return {
        "real-time factor": float(f"{(encoding + searching) / (STEP_NS * steps):.5g}"),
        "share of time, search": float(f"{searching / (encoding + searching):.5g}"),
        "us to the text": float(f"{(text_latency(encoder) + searching * UTTERANCE / steps) / 1000:.5g}"),
        "uJ a second of speech": spread(total(energies), 1e-6 * 1e9 / (STEP_NS * steps)),
        "share of energy, search": float(f"{1 - energies[0].value / total(energies).value:.5g}"),
    }


def cost_figures(networks: Mapping[str, Network], works: Mapping[str, Sequence[Work]]) -> dict[str, Any]:
    """By tier: of each network's step, and of each search. Those named "fused" ask language models, too."""
    found = {}
    for tier, costs in tiers_of(networks).items():
        found[tier] = {
            "networks": {
                name: {
                    "step ns": cost.times.step,
                    "latency ns": chain_latency(cost),
                    "passes": cost.times.waits + 1,
                    "nJ a step": spread(cost.step_energy, 1e-3),
                    "mm2": spread(cost.area, 1e-6),
                }
                for name, cost in costs.items()
            },
            "searches": {
                search: {
                    key: search_figures(costs, each, search.startswith("fused"), replay)
                    for key, replay in (("states kept", False), ("without states", True))
                }
                for search, each in works.items()
            },
        }
    return found
