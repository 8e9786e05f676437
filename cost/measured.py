"""Figures of the digital part from synthesis, static timing and gate-level activity, read from files."""

import json
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..model.design import MOST_CONTEXTS, Design
from ..model.formats import DesignError, check_integer, check_number
from ..model.records import from_table, read_toml
from .figures import Row, exact
from .times import Times

KEPT = "measured.toml"  #: of the presets; benchmarks/digital_cost.py writes it
MOST = 1e12  #: of any of the numbers


@dataclass(frozen=True)
class Measured:
    """Of a design's digital part, without arrays and converters."""

    design: str
    fingerprint: str
    library: str  #: of standard cells
    area_um2: float
    clock_ns: float  #: shortest period that static timing allows
    provenance: str  #: versions and commands
    energy_pj_per_cycle: float | None = None  #: while it runs; None where no activity was measured
    contexts: int = 1  #: of the design, which its fingerprint does not have

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "contexts":
                check_integer("contexts of measured figures", value, 1, MOST_CONTEXTS)
            elif field.name.endswith(("_um2", "_ns", "_cycle")):
                if value is not None:
                    check_number(field.name, value, 1e-6, MOST)
            elif not isinstance(value, str):
                raise DesignError(f"{field.name} must be text, not {value!r}")

    @property
    def megahertz(self) -> float:
        return 1000 / self.clock_ns

    def check(self, design: Design, where: str) -> None:
        """Raise :class:`DesignError` for figures of another design."""
        if self.fingerprint != design.fingerprint:
            raise DesignError(
                f"{where} is of a design {self.design} with fingerprint {self.fingerprint}, "
                f"not of {design.name} with {design.fingerprint}"
            )
        if self.contexts != design.contexts:
            raise DesignError(f"{where} must be of a design of {design.contexts} contexts, not of {self.contexts}")


def read_measured(path: Path) -> Measured:
    """A JSON file: a :class:`Measured`, or what ``ohmgate synth --target liberty --json`` writes."""
    where = f"measured figures {str(path)!r}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DesignError(f"cannot read {where}: {error.strerror}") from None
    except ValueError as error:
        raise DesignError(f"{where} are not valid JSON: {error}") from None
    return from_table(Measured, _of_synthesis(content, where), where, "measured figures")


def _of_synthesis(content: Any, where: str) -> Any:
    """A synthesis report's figures in the names of :class:`Measured`; other content as it is."""
    if not isinstance(content, dict) or "critical_path" not in content:
        return content
    kind, _, library = str(content.get("target")).partition(" ")
    path = content["critical_path"]
    if kind != "liberty" or not isinstance(path, dict):
        raise DesignError(f"{where} must be of a synthesis for standard cells, not for {content.get('target')}")
    return {
        "design": content.get("design"),
        "fingerprint": content.get("fingerprint"),
        "library": library,
        "area_um2": content.get("area"),
        "clock_ns": round(path.get("picoseconds", 0) / 1000, 6),
        "provenance": f"ohmgate synth: {path.get('method')}",
        "contexts": content.get("contexts", 1),
    }


@cache
def _kept() -> tuple[Measured, ...]:
    file = resources.files("ohmgate.cost") / KEPT
    entries = read_toml(file, "measured figures", KEPT)["digital"]
    return tuple(from_table(Measured, entry, KEPT, "measured figures") for entry in entries)


def kept_for(design: Design) -> Measured | None:
    """Those that come with Ohmgate for a design of this fingerprint and contexts, if there are any."""
    mine = design.fingerprint, design.contexts
    return next((entry for entry in _kept() if (entry.fingerprint, entry.contexts) == mine), None)


def digital_rows(measured: Measured, times: Times, literature: list[Row]) -> list[Row]:
    """In place of the ``literature``'s digital rows: one for the whole chip, and its energy if it was measured."""
    area = exact(measured.area_um2, f"synthesis with {measured.library}", "measured", measured.provenance)
    if measured.energy_pj_per_cycle is None or times.cycles is None:
        none = exact(0.0, "", "measured", "")
        rows = [replace(row, area=replace(none, formula="in the chip's")) for row in literature]
        return [*rows, Row(None, "digital", replace(none, formula="in the layers'"), area, "energy not measured")]
    energy = exact(
        measured.energy_pj_per_cycle * times.cycles,
        f"{measured.energy_pj_per_cycle:.4g} pJ a cycle x {times.cycles} cycles",
        "measured",
        measured.provenance,
    )
    return [Row(None, "digital", energy, area)]
