"""Seeds by paths: numpy's own, whatever way one comes to them."""

import numpy as np

from ohmgate.model.seeds import child, stream


def test_a_path_is_numpys_spawn_key():
    expected = np.random.SeedSequence(5, spawn_key=(1, 2)).generate_state(4)
    for seed in (child(5, 1, 2), child(child(5, 1), 2), child(np.random.SeedSequence(5), 1, 2)):
        assert np.array_equal(seed.generate_state(4), expected)
    assert np.array_equal(child(5).generate_state(4), np.random.SeedSequence(5).generate_state(4))


def test_a_stream_is_the_generator_of_its_seed():
    drawn = np.random.Generator(np.random.SFC64(np.random.SeedSequence(5, spawn_key=(3,)))).random(8)
    assert np.array_equal(stream(5, 3).random(8), drawn)
    assert not np.array_equal(stream(5, 4).random(8), drawn)
