"""Every property is proved, every fault of ``proofs.toml`` has its counterexample, and the prover can say no."""

import pytest
from amaranth.hdl import Signal

from . import faulty
from .__main__ import with_fault
from .bench import Bench
from .catalogue import PROOFS
from .prover import FAILS, HOLDS, OPEN, PROVED, prove
from .trace import Trace

#: A fault of each kind that is quick to find; `make prove` and `make test-all` have all.
QUICK_FAULTS = {"layer_dense_codes", "sequencer_16_fixed", "board_bus"}


@pytest.mark.parametrize(
    "name", [n if proof.quick else pytest.param(n, marks=pytest.mark.full) for n, proof in PROOFS.items()]
)
def test_is_proved(name):
    verdict = PROOFS[name].run()
    assert (verdict.status, verdict.unreached) == (PROVED, ()), verdict.trace and verdict.trace.table()


def pairs():
    """Faults, and the proofs that must notice them."""
    for fault in faulty.proof_faults():
        for name in faulty.names(fault):
            marks = () if name in QUICK_FAULTS else pytest.mark.full
            yield pytest.param(fault.key, name, id=f"{name}: {fault.what}", marks=marks)


@pytest.mark.parametrize("key, name", list(pairs()))
def test_a_fault_has_a_counterexample(key, name):
    said, noticed = with_fault(key, name)
    assert noticed, said


def test_every_proof_has_a_fault():
    assert {name for fault in faulty.proof_faults() for name in faulty.names(fault)} == set(PROOFS)


def counter(claim: int = 4, width: int = 3) -> tuple[Bench, Signal]:
    """Counts the cycles in which ``step`` is high; claimed is that it stays below ``claim``."""
    bench, count = Bench(), Signal(width)
    bench.m.d.sync += count.eq(count + bench.free("step"))
    bench.show("count", count)
    bench.claim("the count is small", count < claim)
    return bench, count


def test_a_counterexample_is_the_shortest_way():
    for cycles in (0, 8):
        verdict = prove(counter()[0], cycles)
        assert (verdict.status, verdict.good) == (FAILS, False)
        assert verdict.trace is not None
        assert verdict.trace.failed == ("the count is small",)
        assert list(verdict.trace.values) == ["rst", "step", "count"]
        assert verdict.trace.values["rst"] == list("100000")
        assert verdict.trace.values["step"][1:5] == list("1111")
        assert verdict.trace.values["count"][1:] == list("01234")


def test_a_counterexample_is_a_table():
    trace = Trace({"rst": list("100"), "still": list("333"), "count": ["x", "0", "1f"]}, ("the count is small",))
    assert trace.table().splitlines() == [
        "fails in cycle 2: the count is small",
        "cycle  0 1  2",
        "rst    1 0  .",
        "count  x 0 1f",
        "the same in all cycles: still 3",
    ]


def test_what_is_assumed_is_not_proved():
    bench, count = counter()
    bench.assume(count < 3)
    bench.reach("two", count == 2)
    bench.reach("three", count == 3)
    verdict = prove(bench)
    assert (verdict.status, verdict.unreached, verdict.good) == (PROVED, ("three",), False)


def test_a_bounded_proof_of_what_remembers_says_how_far_it_goes():
    verdict = prove(counter()[0], cycles=5)
    assert (verdict.status, verdict.cycles) == (HOLDS, 5)


@pytest.mark.parametrize("cycles, status", [(2, PROVED), (1, FAILS)])
def test_what_begins_anywhere_is_proved_by_the_cycles_that_it_looks_at(cycles, status):
    bench = Bench(anywhere=True)
    value = bench.free("value", 4)
    pasts = bench.past(value + 1, 2) == bench.past(bench.past(value) + 1)
    bench.claim("one more", ~bench.settled(cycles) | pasts)
    verdict = prove(bench)
    assert (verdict.status, verdict.cycles) == (status, 3 if status == PROVED else 0)


def test_registers_without_a_reset_begin_with_anything():
    bench, kept = Bench(), Signal(reset_less=True)
    bench.m.d.sync += kept.eq(kept)
    bench.claim("it is 0", ~kept)
    assert prove(bench).status == FAILS


def test_a_proof_that_takes_too_long_is_open():
    bench = Bench()
    a, b = bench.free("a", 40), bench.free("b", 40)
    bench.claim("no product has this prime factor above 2^40", a * b != 1099511627791 * 0x9E3779B97F)
    assert prove(bench, cycles=2, limit=1).status == OPEN
