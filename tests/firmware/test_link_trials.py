"""What the link must show: no wrong word on a bad line, no half network after a cut, most of the line's rate."""

import numpy as np
import pytest

from ohmgate.model.design import Design
from tests.designs import random_network
from tests.firmware.link_trials import BAD, TINY, Memory, cuts, oracle, rates, traffic, twin
from tests.firmware.virtual_line import NO_FAULTS, Damage, Faults


@pytest.mark.parametrize("board", [oracle, twin])
@pytest.mark.parametrize("frames", [1_500, pytest.param(10_000, marks=pytest.mark.full)])
def test_no_word_is_wrong_on_a_line_that_drops_flips_and_repeats_bytes(board, frames):
    found = traffic(board, frames)
    assert found.wrong == 0
    assert found.frames >= frames
    assert found.lost > frames / 2
    assert min(found.damaged) > frames / 2
    assert found.accesses > frames


def test_a_trial_sees_what_is_executed_twice_or_read_wrong():
    class Repeats(Memory):
        def write(self, address, value):
            super().write(address, value)
            if len(self.log) == 100:
                super().write(address, value)

    class Misreads(Memory):
        def read(self, address):
            return super().read(address) ^ (len(self.log) == 100)

    assert traffic(lambda memory: oracle(Repeats()), 300, NO_FAULTS).wrong > 0
    assert traffic(lambda memory: oracle(Misreads()), 300, NO_FAULTS).wrong > 0


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("faults", [NO_FAULTS, BAD])
@pytest.mark.parametrize("count, name", [(12, "tiny"), pytest.param(200, "vowels", marks=pytest.mark.full)])
def test_a_load_that_is_cut_leaves_the_old_network_none_or_the_new_one_and_another_load_completes(
    count, name, faults, numbers
):
    design = TINY if name == "tiny" else Design.load(name)
    old, new = (random_network(design, np.random.default_rng(seed)) for seed in (1, 2))
    found = cuts(old, new, count, numbers, faults)
    assert set(found) <= {"ended before the cut", "cut: old", "cut: none", "cut: new", "loaded again: new"}
    assert found["loaded again: new"] == count
    assert found["cut: none"] > count / 2


def test_at_least_80_per_cent_of_the_lines_rate_is_used():
    for window in (2, 4):
        assert min(rates(window).values()) > 0.8
    assert max(rates().values()) < 1


def test_a_bad_line_is_as_bad_as_it_says():
    data = bytes(range(250)) * 400
    assert Damage(NO_FAULTS, 1)(data) == data
    for faults, change in ((Faults(drop=0.01), -0.01), (Faults(repeat=0.01), 0.01), (BAD, 0)):
        damage = Damage(faults, 1)
        assert len(damage(data)) / len(data) - 1 == pytest.approx(change, abs=0.002)
        assert damage.done / len(data) == pytest.approx(faults.drop + faults.flip + faults.repeat, rel=0.1)
    flipped = np.frombuffer(Damage(Faults(flip=0.01), 1)(data), np.uint8) ^ np.frombuffer(data, np.uint8)
    assert (flipped > 0).mean() == pytest.approx(0.01, abs=0.002)
    assert set(flipped.tolist()) == {0, 1, 2, 4, 8, 16, 32, 64, 128}
