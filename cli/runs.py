"""The run folder: what a training or a demo leaves, and how later commands find it again.

config.json    design, data set, training settings      <design>.image   programming image
results.json   accuracies, what clips, their units      verilog/         generated Verilog, headers, documents
checkpoints/   one file for each seed                   simulation/      build and records of co-simulations
plots/         codes and curves of each seed            traces/, report.html   (of a demo)
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..firmware import image
from ..model.design import Design, presets
from ..model.files import write_json
from ..model.formats import DesignError
from ..model.network import Network

CONFIG, CHECKPOINTS = "config.json", "checkpoints"


def start(folder: Path, config: dict[str, Any]) -> None:
    """Note a run's configuration in ``folder``. Raises :class:`DesignError` if another run lives there."""
    path = folder / CONFIG
    more = f", with --start {folder} to begin with these weights"
    config = json.loads(json.dumps(config))
    if path.exists():
        for name, there, here in _changes(read_config(folder), config):
            raise DesignError(
                f"run folder {str(folder)!r} belongs to another run, whose {name} is {there}, not {here}; "
                f"choose another folder{more if name == 'train.epochs' else ''}"
            )
    else:
        write_json(path, config)


def _changes(there, here, name: str = "") -> Iterator[tuple[str, str, str]]:
    """What differs in two configurations: its name, as in ``train.epochs``, and its value there and here."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in {**there, **here}:
            yield from _changes(there.get(key), here.get(key), f"{name}.{key}" if name else key)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for index, (one, other) in enumerate(zip(there, here)):
            yield from _changes(one, other, f"{name}[{index}]")
    elif there != here:
        yield name, json.dumps(there), json.dumps(here)


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run folder. Raises :class:`DesignError` if it is none."""
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "design" not in content:
        raise DesignError(f"{str(folder)!r} must be a run folder with a {CONFIG} in it")
    return content


def data_identity(dataset: str, checksum: str, folder: Path) -> dict[str, str]:
    """What a configuration says of a data set: a user's file by its path from the run folder, and its SHA-256."""
    if not checksum:
        return {"dataset": dataset}
    return {"dataset": relative(Path(dataset), folder), "data_sha256": checksum}


def relative(path: Path, folder: Path) -> str:
    """The path of a file from a run folder, which may move together with it."""
    return os.path.relpath(path.resolve(), folder.resolve())


def start_of(start: Path | None, name: str) -> Path | None:
    """The checkpoint that the training ``name`` begins with: ``start`` itself, or a run folder's of that name.

    Raises :class:`DesignError` where the run folder has none.
    """
    if start is None or not start.is_dir():
        return start
    file = start / CHECKPOINTS / f"{name}.safetensors"
    if not file.exists():
        raise DesignError(f"run folder {str(start)!r} must have the checkpoint {name!r} to start from, but has none")
    return file


def read_dataset(folder: Path) -> str | None:
    """The data set that a run folder was trained on; None for a run that names none.

    Raises :class:`DesignError` where it is a user's file that has changed since.
    """
    config = read_config(folder)
    if "data_sha256" not in config:
        return config.get("dataset")
    file = Path(os.path.normpath(folder / config["dataset"]))
    if hashlib.sha256(file.read_bytes()).hexdigest() != config["data_sha256"]:
        raise DesignError(
            f"data file {str(file)!r} must be as run folder {str(folder)!r} was trained on it, but has changed; "
            f"take it as it is with --dataset {file}"
        )
    return str(file)


def checkpoint(folder: Path, seed: int) -> Path:
    """The checkpoint of a seed's quantised network. Raises :class:`DesignError` for a seed that did not run."""
    name = "quantised_{}.safetensors"
    found = (re.fullmatch(r"quantised_(0|[1-9]\d*)\.safetensors", p.name) for p in (folder / CHECKPOINTS).glob("*"))
    there = sorted(int(match[1]) for match in found if match)
    if seed not in there:
        seeds = ", ".join(map(str, there)) or "none"
        raise DesignError(f"seed must be one of those that run folder {str(folder)!r} has ({seeds}), not {seed}")
    return folder / CHECKPOINTS / name.format(seed)


def run_design(folder: Path) -> Design:
    """The design of a run folder."""
    return Design.from_dict(read_config(folder)["design"], str(folder / CONFIG))


def image_path(folder: Path) -> Path:
    """Where a run's programming image lies."""
    return folder / f"{run_design(folder).name}.image"


def image_file(path: Path) -> Path:
    """An image file as it is, or that of a run folder. Raises :class:`DesignError` where the folder has none yet."""
    if not path.is_dir():
        return path
    found = image_path(path)
    if not found.exists():
        raise DesignError(f"run folder {str(path)!r} has no image yet; make it with: ohmgate pack {path}")
    return found


def read_network(path: Path, signed_by: Path | None = None) -> Network:
    """The network of an image file or of a run folder's image; with a public key's file, of a signed one only."""
    if signed_by is None:
        return image.read(image_file(path))
    from ..firmware.keys import read_public

    return image.read(image_file(path), read_public(signed_by))


def is_design(source: str) -> bool:
    """Does ``source`` name a design (preset or .toml file), and no image or run folder?"""
    return source in presets() or source.endswith(".toml")


def resolve(source: str) -> Design | Path:
    """A command's DESIGN|IMAGE|RUN: the design, or the path of the image or run folder.

    A preset's name means the preset; ``./vowels`` is a folder of that name. Raises :class:`DesignError` for what is
    none of the three.
    """
    if is_design(source):
        return Design.load(source)
    path = Path(source)
    if not path.exists():
        raise DesignError(
            f"{source!r} must be a design ({', '.join(presets())}, or a .toml file), a programming image or a run "
            "folder, but there is no such file"
        )
    return path


def read_design(source: str) -> Design:
    """The design of a DESIGN|IMAGE|RUN; a run folder needs no image for it."""
    found = resolve(source)
    if isinstance(found, Design):
        return found
    return run_design(found) if found.is_dir() else image.read(found).design


def read_source(source: str) -> tuple[Design, Network | None]:
    """The design of a DESIGN|IMAGE|RUN, and the network of an image or a run folder."""
    found = resolve(source)
    if isinstance(found, Design):
        return found, None
    network = read_network(found)
    return network.design, network
