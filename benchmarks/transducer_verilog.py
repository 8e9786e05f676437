"""A transducer at 4 bits on the hardware: integers, text, size, time and energy (docs/transducers.md).

    python benchmarks/transducer_verilog.py --data DIR [--seed 0] [--weights FILE] [--utterances 10] [--searched 32]

The transducer of ``ohmgate sweep asr-rnnt`` and its language models, ten of the training speakers held out, who then
speak. They are read from FILE (safetensors), or trained in some 15 minutes, and kept there. Encoder, prediction and
joint network, and both language models, are exported with 16 ADCs for each array, and their heads with 28. What a
greedy search gives these networks goes through the generated Verilog at native speed, with noiseless arrays, and
every integer is compared. Its text by their integers is compared with the trained model's. What each search asks is
counted on held-out utterances from the first to the last.
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from speech_shared import (  # pyright: ignore[reportImplicitRelativeImport]
    ADCS,
    HEAD_ADCS,
    LONGEST,
    provenance,
    through_verilog,
)
from torch import nn
from transducer_cost import Work, cost_figures, work_figures  # pyright: ignore[reportImplicitRelativeImport]

from ohmgate.firmware.format import META, TABL, WGHT
from ohmgate.firmware.frame import split
from ohmgate.firmware.image import pack
from ohmgate.model.files import write_json
from ohmgate.model.network import Network
from ohmgate.train.experiments.asr_rnnt import SEARCHES, AsrRnntTrial, searches_of, transducers_of
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.threads import single_thread
from ohmgate.train.layers.whole_model import arrays_of, evaluating
from ohmgate.train.speech.an4 import SpeechDataset, Utterances, an4
from ohmgate.train.speech.characters import text_of
from ohmgate.train.speech.features import Units, padded_steps
from ohmgate.train.speech.few_bits import evenly, head_of, trained_at
from ohmgate.train.speech.further_texts import further_texts
from ohmgate.train.speech.language import FloatLanguage, QuantLanguage, language_models
from ohmgate.train.speech.language_steps import steps_of
from ohmgate.train.speech.search_work import Watched
from ohmgate.train.speech.transducer_model import FloatTransducer, QuantTransducer
from ohmgate.train.speech.transducer_networks import IntegerTransducer, TransducerNetworks, networks_of
from ohmgate.train.speech.transducer_reading import Evaluation, Search, read
from ohmgate.train.speech.transducer_search import Said, greedy

RESULTS = Path(__file__).parents[1] / "results" / "transducer_verilog.json"
PARTS = ("encoder", "prediction", "joint")


class System(nn.Module):
    """What hears at the trial's bits: a transducer, and the language models of its transcripts and of the target."""

    def __init__(self, transducer: QuantTransducer, source: QuantLanguage, target: QuantLanguage) -> None:
        super().__init__()
        self.transducer, self.source, self.target = transducer, source, target


def untrained(trial: AsrRnntTrial) -> System:
    protocol = trial.protocol()
    config, own = trained_at(trial.bits, protocol.input_drive), protocol.language
    spoken = trained_at(trial.bits, own.input_drive)
    return System(
        QuantTransducer(protocol.sizes, config, head_of(config, protocol.head_bits)),
        *(QuantLanguage(own.hidden, spoken, head_of(spoken, own.head_bits)) for _ in range(2)),
    )


def trained(
    trial: AsrRnntTrial, data: SpeechDataset, units: Units, folder: Path | None, weights: Path | None
) -> System:
    system = untrained(trial)
    if weights is not None and weights.exists():
        system.load_state_dict(load_file(weights))
        return system
    texts, protocol = data.train.texts, trial.protocol()
    others = further_texts(texts, folder, trial.seed)
    pair = language_models(texts, others, trial.bits, trial.seed, protocol.language)["quantised"]
    parts = [transducers_of(trial, data, units, protocol, print)[1], *pair]
    for part, made in zip(system.children(), parts, strict=True):
        part.load_state_dict(made.state_dict())
    if weights is not None:
        save_file(system.state_dict(), weights)
    return system


def float_bytes(model: nn.Module) -> int:
    """In float32. Of the two biases of torch's LSTMs, which are added up, one is counted."""
    return 4 * sum(each.numel() for name, each in model.named_parameters() if "bias_hh" not in name)


def sizes(networks: Mapping[str, Network], floats: Mapping[str, int]) -> dict[str, Any]:
    """Bytes of images, and how many times as many float32 takes."""
    found: dict[str, dict[str, Any]] = {}
    for name, network in networks.items():
        image, parts = pack(network), dict.fromkeys((WGHT, TABL, META), 0)
        for section in split(image).sections:
            if section.tag in parts:
                parts[section.tag] += len(section.payload)
        found[name] = {
            "float32": floats[name],
            "image": len(image),
            "weights": parts[WGHT],
            "tables": parts[TABL],
            "meta": parts[META],
            "all else": len(image) - sum(parts.values()),
        }
    for together, names in {"transducer": PARTS, "all": tuple(networks)}.items():
        found[together] = {key: sum(found[name][key] for name in names) for key in found[PARTS[0]]}
    for each in found.values():
        each["float32 over weights"] = each["float32"] / each["weights"]
        each["float32 over image"] = each["float32"] / each["image"]
    return found


def float_sizes(model: FloatTransducer, language: nn.Module) -> dict[str, int]:
    joint = float_bytes(model.joint) + float_bytes(model.head)
    return {
        "encoder": float_bytes(model.encoder),
        "prediction": float_bytes(model.prediction),
        "joint": joint,
        "source": float_bytes(language),
        "target": float_bytes(language),
    }


def padded(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(B, T, m) codes, 0 behind each one's end, and lengths (B,)."""
    lengths = np.array([len(each) for each in sequences])
    found = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]), dtype=np.int64)
    for row, each in zip(found, sequences):
        row[: len(each)] = each
    return found, lengths


def greedily(transducer: IntegerTransducer, frames: np.ndarray) -> tuple[Said, np.ndarray]:
    """What is heard by the networks' integers, and the pairs (P, inputs) that the joint network was asked for."""
    watched = Watched(transducer)
    heard = tuple(greedy(frames, watched))
    pairs = [transducer.networks.pairs(frame, map(transducer.predicted, states)) for frame, states in watched.asked]
    return heard, np.concatenate(pairs)


def integers(
    networks: TransducerNetworks, languages: Mapping[str, Network], values: np.ndarray, lengths: np.ndarray
) -> tuple[list[str], dict[str, Any]]:
    """Texts of a greedy search by the integer reference; all that its networks were given, through the Verilog."""
    transducer = IntegerTransducer(networks)
    heard, pairs = zip(*(greedily(transducer, frames) for frames in transducer.frames(values, lengths)))
    symbols = padded([networks.symbol_codes(said) for said in heard])
    given = {
        "encoder": (networks.encoder, networks.encoder.encode(values), lengths),
        "prediction": (networks.prediction, *symbols),
        "joint": (networks.joint, *padded(pairs)),
        **{name: (network, *symbols) for name, network in languages.items()},
    }
    found = {}
    for name, arguments in given.items():
        found[name] = through_verilog(*arguments)
        print(name, found[name], sep=": ", flush=True)
    found["all"] = {key: sum(each[key] for each in found.values()) for key in ("integers", "mismatches")}
    return [text_of(said) for said in heard], found


def watching(search: Search, works: list[Work]) -> Search:
    """The same, which notes what it asks of each utterance's networks."""

    def run(frames: Sequence[np.ndarray], model: Evaluation) -> Sequence[int]:
        watched = Watched(model)
        found = search(frames, watched)  # pyright: ignore[reportArgumentType]
        works.append(Work.of(len(frames), watched))
        return found

    return run  # pyright: ignore[reportReturnType]


def works_of(
    model: QuantTransducer, data: Utterances, units: Units, searches: Sequence[Search], tell: Callable[[int], object]
) -> dict[str, list[Work]]:
    """What each of :data:`SEARCHES` asks, utterance by utterance."""
    works: dict[str, list[Work]] = {name: [] for name in SEARCHES}
    read(model, data, units, [watching(search, works[name]) for name, search in zip(SEARCHES, searches)], tell)
    return works


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--utterances", type=int, default=10, help="the first ones of those held out, in Verilog")
    parser.add_argument("--searched", type=int, default=32, help="held-out utterances that all searches read")
    parser.add_argument("--json", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    trial, data = AsrRnntTrial(seed=arguments.seed), an4(arguments.data).validation()
    protocol = trial.protocol()
    units = Units.of(data.train, protocol.centred)
    with single_thread():
        system = trained(trial, data, units, arguments.data, arguments.weights)
        model, pair = system.transducer, (system.source, system.target)
        test = data.test.take(range(arguments.utterances))
        values, lengths = padded_steps([units.steps(frames) for frames in test.frames])
        given = torch.from_numpy(values), torch.from_numpy(lengths)
        with evaluating(model):
            networks = networks_of(model, *given, adcs=ADCS, head_adcs=HEAD_ADCS, max_steps=LONGEST)
        checked = verify_export(model.encoder, *given, network=networks.encoder)
        languages = [export(arrays_of(each), name="language", adcs=[ADCS, HEAD_ADCS]) for each in pair]
        models: dict[str, Network] = dict(zip(("source", "target"), languages))
        texts, verilog = integers(networks, models, values, lengths)
        expected = read(model, test, units, [greedy])[0]
        print("texts:", texts, expected, flush=True)
        some = data.test.take(evenly(len(data.test), arguments.searched))
        searches = searches_of(protocol.fusion, *map(steps_of, pair))
        works = works_of(model, some, units, searches, partial(print, "utterances searched:", flush=True))
    every = {name: getattr(networks, name) for name in PARTS} | models
    found = {
        "provenance": provenance() | {"transducer": trial.name, "speakers": "held out"},
        "fingerprints": {name: network.design.fingerprint for name, network in every.items()},
        "arrays": {
            name: [f"{layer.rows} x {layer.columns}, {layer.adcs} ADCs" for layer in network.design.layers]
            for name, network in every.items()
        },
        "training and reference, encoder": {"integers": checked.integers, "mismatches": checked.mismatches},
        "verilog": verilog,
        "texts": {
            "utterances": len(texts),
            "characters": sum(map(len, texts)),
            "that differ": sum(own != other for own, other in zip(texts, expected, strict=True)),
        },
        "bytes": sizes(
            every, float_sizes(FloatTransducer(protocol.sizes, 0.0), FloatLanguage(protocol.language.hidden, 0.0))
        ),
        "work": {name: work_figures(each) for name, each in works.items()},
        "cost": cost_figures(every, works),
    }
    print(found, flush=True)
    write_json(arguments.json, found)


if __name__ == "__main__":
    main()
