"""What tiles cost in accuracy, and what they save behind wires: ``python benchmarks/tiles_accuracy.py --out FOLDER``.

HAR and names in tiles of 64 rows, the Penn Treebank's 300 units in tiles of 128 x 128, each trained beside the same
design untiled: the same seed, data and steps. Every run is kept in the folder, so that what was stopped goes on
with the next run. Then each language network is read through its array in pairs of the paper's cells behind 1 ohm
from cell to cell: one array of 604 x 1200 untiled, and in tiles each with wires of its own. All of the text is read.
"""

import argparse
import json
import math
import os
import platform
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import torch

from ohmgate.analog.circuit.wires import WireConfig
from ohmgate.analog.config import ArrayConfig, preset
from ohmgate.analog.inference import build_arrays
from ohmgate.model import reference
from ohmgate.model.design import Design
from ohmgate.model.files import write_json
from ohmgate.model.formats import signed_range
from ohmgate.model.layout import code_order, row_drive
from ohmgate.model.network import Network
from ohmgate.train.data import corpora
from ohmgate.train.data.datasets import load_dataset
from ohmgate.train.export import export
from ohmgate.train.language.model import load
from ohmgate.train.language.names import train_names
from ohmgate.train.language.protocols import language_protocol
from ohmgate.train.language.words import train_words
from ohmgate.train.layers.noise import Noise
from ohmgate.train.recipe import PROTOCOLS
from ohmgate.train.training import train

TILES = {"har": 64, "names": 64, "ptb": 128}  #: rows of a tile


def run_name(task: str, tile: int, shift: int, seed: int, epochs: int, steps: int | None, leak: float) -> str:
    """Of the files of a run."""
    length = f"{epochs or 'all'}{f'x{steps}' if steps else ''}"
    kind = (f"tiles{tile}" + (f"_shift{shift}" if shift else "")) if tile else "untiled"
    return f"{task}_{kind}{f'_leak{leak:g}' if leak else ''}_{length}_seed{seed}"


def trained(
    task: str, tile: int, shift: int, seed: int, epochs: int, steps: int | None, leak: float, out: Path
) -> dict[str, Any]:
    """A run's scores, from its file where there is one."""
    name = run_name(task, tile, shift, seed, epochs, steps, leak)
    file = out / f"{name}.json"
    if file.exists():
        return json.loads(file.read_text())
    begun = time.perf_counter()
    told = [0.0]

    def progress(done: int, total: int, what: object) -> None:
        if time.perf_counter() > told[0] + 60:
            told[0] = time.perf_counter()
            print(f"{name}: {done} of {total}, {what}", flush=True)

    if task == "har":
        design, config = Design.load("har"), replace(PROTOCOLS["har"], seed=seed, leak=leak)
        design = replace(design, layers=tuple(replace(layer, tile_rows=tile) for layer in design.layers))
        config = replace(config, epochs=epochs or config.epochs)
        result = train(design, load_dataset("har"), config, checkpoint=out / f"{name}.safetensors", progress=progress)
        found = {"accuracy": result.accuracy, "epochs": config.epochs}
    else:
        config = language_protocol(task, (4, 4), seed, Noise())
        cut = {"tile_rows": tile, "input_tile_shift": shift}
        config = replace(config, quant=replace(config.quant, leak=leak, **cut), epochs=epochs or config.epochs)
        [lstm] = [layer for layer in Design.load(task).layers if layer.kind == "lstm"]
        kept: dict[str, Any] = {  # the design only names the run that a checkpoint belongs to
            "design": Design(task, (replace(lstm, bias_rows=config.quant.bias_rows, **cut),)),
            "checkpoint": out / f"{name}.checkpoint",
        }
        if task == "names":
            result = train_names(corpora.names(None), config, progress, **kept)
        else:
            result = train_words(corpora.penn_treebank(None), config, progress, steps, **kept)
        result.model.save(out / f"{name}.safetensors")
        found = {**result.final, "epochs": config.epochs, "by epoch": list(result.epochs)}
    found |= {
        "run": name,
        "task": task,
        "tile rows": tile,
        "input tile shift": shift,
        "seed": seed,
        "steps": steps,
        "leak": leak,
        "minutes": round((time.perf_counter() - begun) / 60, 1),
    }
    write_json(file, found)
    print(name, {key: value for key, value in found.items() if key != "by epoch"}, flush=True)
    return found


def convert_apart(network: Network, config: ArrayConfig) -> reference.Convert:
    """The ``convert`` of arrays without noise, whose converters have an offset of half the finest step of a sum.

    Sums without wires are integers and may lie exactly on a threshold, where any error would change the code. The
    offset changes no code that is exact (as in wires_accuracy.py).
    """
    made = []
    for array in build_arrays(network, config):
        tiles, layer = getattr(array, "tiles", [array]), array.layer
        offsets = [np.array([0.5 / float(scale).as_integer_ratio()[1] for scale in tile.scale]) for tile in tiles]
        held = [(tile.effective() * tile.scale, offset) for tile, offset in zip(tiles, offsets)]
        made.append((layer, row_drive(layer), code_order(layer), list(zip(layer.row_slices, held))))

    def convert(index: int, drive: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        layer, unit, order, tiles = made[index]
        rows = drive * unit
        codes = [np.floor(rows[:, part] @ weights + offset) for part, (weights, offset) in tiles]
        return np.concatenate(codes, axis=1).clip(*signed_range(layer.adc_bits)).astype(np.int64)[:, order]

    return convert


class Judge:
    """A language network's array by itself, and the perplexity of its text with what it gives.

    All names, read up to their ends, or all words of the validation text in pieces of 400, each from a state of 0.
    """

    def __init__(self, file: Path, task: str) -> None:
        self.model = model = load(file)
        [self.lstm] = model.lstm.by_suffix().values()
        texts: list[tuple[np.ndarray, np.ndarray]] = []  # tokens (B, T + 1), lengths (B,)
        if task == "names":
            names = corpora.names(None)
            order = np.argsort(names.lengths, kind="stable")  # names of a part are of about the same length
            for chosen in np.array_split(order, 20):
                lengths = names.lengths[chosen]
                texts.append((names.windows[chosen, : lengths.max() + 1].astype(np.int64), lengths))
        else:
            text = corpora.penn_treebank(None).valid
            pieces = (len(text) - 1) // 400
            tokens = text[np.arange(pieces)[:, None] * 400 + np.arange(401)]
            texts += [(part, np.full(len(part), 400)) for part in np.array_split(tokens, 4)]
        self.parts = [(tokens.T[1:], lengths, self.codes(tokens)) for tokens, lengths in texts]
        self.network = export([self.lstm], adcs=64 if task == "names" else 60)
        if self.lstm.config.tile_rows:
            [layer] = self.network.design.layers
            width = self.lstm.config.tile_rows // layer.conversions * layer.conversions
            self.network = replace(self.network, design=Design("tiles", (replace(layer, tile_columns=width),)))

    def codes(self, tokens: np.ndarray) -> np.ndarray:
        """(B, T, m) int8: DAC codes of all ``tokens`` (B, T + 1) but the last."""
        inputs = torch.from_numpy(self.model.inputs(tokens[:, :-1]))
        return self.lstm.drive_inputs(inputs).detach().numpy().astype(np.int8)

    def perplexity(self, network: Network, convert: reference.Convert | None = None) -> float:
        """Of ``network``, which is the exported one with other tables, say."""
        loss, count = 0.0, 0
        for tokens, lengths, codes in self.parts:
            targets = torch.from_numpy(tokens.copy())
            out = reference.run(network, codes, lengths, convert).out
            hidden = torch.from_numpy(network.decode(out)).transpose(0, 1).float()
            read = torch.arange(len(targets))[:, None] < torch.from_numpy(lengths)
            with torch.no_grad():
                loss += float(self.model.losses(hidden, targets)[read].double().sum())
            count += int(read.sum())
        return math.exp(loss / count)


def behind_wires(judge: Judge, ohm: float) -> dict[str, float]:
    """Perplexity without wires, behind wires of ``ohm``, and with gains set anew for them."""
    cells = preset("paper_cells").cells
    assert cells is not None
    wired = ArrayConfig(cells=replace(cells, wires=WireConfig(row_segment=ohm, column_segment=ohm)))
    found = {"without wires": judge.perplexity(judge.network)}
    for name, config in (("wires", wired), ("gains set anew", replace(wired, gains="gate"))):
        found[name] = judge.perplexity(judge.network, convert_apart(judge.network, config))
    return found


def read_file(run: str, ohm: float, tables: bool, out: Path) -> Path:
    """What is kept of a run's readings."""
    return out / f"{run}_{ohm:g}_ohm{'_tables' if tables else ''}.json"


def judged(task: str, run: str, ohm: float, tables: bool, out: Path) -> dict[str, Any]:
    """What :func:`behind_wires` finds of a run, and :func:`smaller_tables` of it where asked; kept in a file, too."""
    file = read_file(run, ohm, tables, out)
    if not file.exists():
        judge = Judge(out / f"{run}.safetensors", task)
        found: dict[str, Any] = {"behind wires": behind_wires(judge, ohm)}
        if tables:
            found["smaller tables"] = smaller_tables(judge)
        write_json(file, found)
    return json.loads(file.read_text())


def smaller_tables(judge: Judge) -> dict[str, float]:
    """Perplexity where a table has fewer entries: sums are clipped to fewer, or 2 and 4 neighbours share one."""
    network, found = judge.network, {}
    [layer], [data] = network.design.layers, network.layers
    count, tables = layer.table_entries, data.tables
    assert tables is not None
    for kept in (count, 64, 32, 24, 16):
        place = np.clip(np.arange(count), (count - kept) // 2, (count - kept) // 2 + kept - 1)
        found[f"clipped to {kept}"] = place
    for shared in (2, 4):
        found[f"one for {shared}"] = np.minimum(np.arange(count) // shared * shared + shared // 2, count - 1)
    return {
        name: judge.perplexity(replace(network, layers=(replace(data, tables=tables[:, place]),)))
        for name, place in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--task", nargs="+", choices=tuple(TILES), default=list(TILES))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=0, help="0: as the protocol has them")
    parser.add_argument("--steps", type=int, help="of an epoch of ptb; default: all of its text")
    parser.add_argument("--ohm", type=float, default=1.0, help="from cell to cell, of the language networks' arrays")
    parser.add_argument(
        "--tables", action="store_true", help="of seed 0 in tiles: perplexity with smaller tables, too"
    )
    parser.add_argument(
        "--shift", type=int, nargs="+", default=[0], help="of codes of tiles with inputs, in language networks"
    )
    parser.add_argument("--rows", type=int, nargs="+", help="of a tile; default: 64, and 128 for ptb")
    parser.add_argument(
        "--leak", type=float, nargs="+", default=[0.0], help="share of its gradient that a clipped conversion passes"
    )
    parser.add_argument("--kept", action="store_true", help="train and read nothing: tell what the folder has")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    found = []
    for task, leak, seed in product(arguments.task, arguments.leak, range(arguments.seeds)):
        shifts = [0] if task == "har" else arguments.shift
        for tile, shift in ((0, 0), *product(arguments.rows or [TILES[task]], shifts)):
            chosen = (task, tile, shift, seed, arguments.epochs, arguments.steps, leak)
            if arguments.kept and not (arguments.out / f"{run_name(*chosen)}.json").exists():
                continue
            entry = {"leak": leak} | trained(*chosen, arguments.out)
            tables = bool(arguments.tables and tile and seed == 0)
            chosen = (entry["run"], arguments.ohm, tables, arguments.out)
            if task != "har" and (not arguments.kept or read_file(*chosen).exists()):
                read = judged(task, *chosen)
                print(entry["run"], read, flush=True)
                entry = entry | read
            found.append(entry)
    if arguments.json:
        versions = {"Python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
        write_json(arguments.json, {"ohm": arguments.ohm, "runs": found, "versions": versions})


if __name__ == "__main__":
    main()
