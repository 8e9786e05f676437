"""``python -m tests.proofs``: what ``make prove`` runs (docs/proofs.md).

First every proof, then every fault of ``tests/mutants/faults/proofs.toml``, which its proofs must notice.
"""

import argparse
import subprocess
import sys
from typing import TYPE_CHECKING

from .faulty import ROOT, FaultyModule, names, proof_faults

if TYPE_CHECKING:
    from .catalogue import Proof

TITLES = "verdict        cycles   seconds  property      proof"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs", description=__doc__)
    parser.add_argument("proofs", nargs="*", help="names of proofs, with their faults (default: all)")
    parser.add_argument("--fault", default="", help="only with the fault of this key in the RTL")
    options = parser.parse_args()
    if options.fault:
        FaultyModule(next(fault for fault in proof_faults() if fault.key == options.fault))
    from .catalogue import PROOFS  # imports the RTL, perhaps with a fault in it

    if unknown := [name for name in options.proofs if name not in PROOFS]:
        parser.error(f"proofs must be among {', '.join(PROOFS)}, not {', '.join(unknown)}")
    wrong, seconds = _prove([PROOFS[name] for name in options.proofs] or list(PROOFS.values()))
    if options.fault:
        return int(wrong > 0)
    missed, more = _faults(options.proofs)
    _say(f"{wrong} proofs are open or wrong, {missed} faults are missed; {seconds + more:.0f} s of CPU")
    return int(wrong + missed > 0)


def _prove(chosen: list["Proof"]) -> tuple[int, float]:
    """Run proofs; how many are not as they should be, and the CPU seconds of all."""
    wrong, seconds = 0, 0.0
    _say(TITLES)
    for proof in chosen:
        verdict = proof.run()
        wrong += not verdict.good
        seconds += verdict.seconds
        cycles = verdict.trace.cycles if verdict.trace else verdict.cycles or "all"
        _say(f"{verdict.status:<13} {cycles:>7} {verdict.seconds:>9.1f}  {proof.about:<13} {proof.name}")
        for what in verdict.unreached:
            _say(f"  nothing reaches: {what}")
        if verdict.trace:
            _say(verdict.trace.table())
    return wrong, seconds


def _faults(chosen: list[str]) -> tuple[int, float]:
    """Put each fault into the RTL of a process of its own, which runs its proofs; how many are missed."""
    missed, before = 0, _children()
    for fault in proof_faults():
        proofs = [name for name in names(fault) if not chosen or name in chosen]
        for name in proofs:
            said, noticed = with_fault(fault.key, name)
            missed += not noticed
            _say(f"\n{'noticed' if noticed else 'MISSED'}: {fault.what} ({fault.file}:{fault.line})")
            _say("\n".join(said.splitlines()[1:]))
    return missed, _children() - before


def with_fault(key: str, name: str) -> tuple[str, bool]:
    """What a proof says with a fault in the RTL, and whether it has a counterexample."""
    command = [sys.executable, "-m", "tests.proofs", "--fault", key, name]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True)
    assert done.returncode in (0, 1), done.stderr
    assert not done.stderr, done.stderr
    return done.stdout, done.returncode == 1 and "fails in cycle" in done.stdout


def _children() -> float:
    import resource

    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
