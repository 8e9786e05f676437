"""The RTL with a fault of ``tests/mutants/faults/proofs.toml`` in it, for this process alone."""

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path

from tests.mutants.faults import faults
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]


def proof_faults() -> list[Mutant]:
    """The faults that a proof must notice: each names its proofs among its tests."""
    return [fault for fault in faults(ROOT) if fault.operator == "proofs"]


def names(fault: Mutant) -> list[str]:
    """The proofs that must notice ``fault``."""
    return [test.split("[")[1].removesuffix("]") for test in fault.tests]


class FaultyModule(MetaPathFinder, Loader):
    """Imports the fault's module from the faulty text. Nothing of Ohmgate may be there yet."""

    def __init__(self, fault: Mutant):
        assert not any(name.startswith("ohmgate.hdl") for name in sys.modules), "the RTL is there already"
        self.fault, self.module = fault, "ohmgate." + fault.file.removesuffix(".py").replace("/", ".")
        sys.meta_path.insert(0, self)

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        return spec_from_loader(name, self, origin=str(ROOT / self.fault.file)) if name == self.module else None

    def exec_module(self, module) -> None:
        exec(compile(self.fault.text, self.fault.file, "exec"), module.__dict__)
