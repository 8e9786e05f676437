"""What the C++ kernel does with weights and inputs in one pass each, and the memory that it keeps."""

import gc

import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers.config import QuantConfig
from ohmgate.train.layers.lstm import LstmArray
from ohmgate.train.layers.straight_through import symmetric_code

pytestmark = pytest.mark.skipif(kernel() is None, reason="no C++ compiler")


@pytest.mark.parametrize("bits", range(1, 17))
@pytest.mark.parametrize("scale", [1.0, 2.5, 0.3])
def test_driven_codes_are_those_of_torch(bits, scale):
    """All code borders, their neighbours on both sides, and what clips."""
    top = max(2 ** (bits - 1) - 1, 1)
    steps = torch.arange(-top - 2, top + 2, max(1, top // 2000), dtype=torch.float64)
    borders = ((steps + 0.5) / top * scale).float()
    values = torch.cat(
        [borders, borders.nextafter(borders + 1), borders.nextafter(borders - 1), torch.tensor([-0.0])]
    )
    codes, finite = kernel().driven_codes(values, scale, bits)
    assert finite
    assert torch.equal(codes, symmetric_code(values / scale, bits))


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -float("inf")])
def test_inputs_that_are_no_numbers_are_seen_wherever_they_are(wrong):
    values = torch.zeros(3, 5000)
    assert kernel().driven_codes(values, 1.0, 4)[1]
    for place in (0, 4096, 14_999):
        values.view(-1)[place] = wrong
        assert not kernel().driven_codes(values, 1.0, 4)[1]
        with pytest.raises(DesignError, match="inputs of an array must be finite numbers, but some are not"):
            LstmArray(5000, 2, QuantConfig()).drive_inputs(values[:, None])
        values.view(-1)[place] = 0


@pytest.mark.parametrize("size", [1, 15, 16_384, 16_385, 50_000])
def test_the_largest_size_is_that_of_torch(size):
    values = torch.randn(3, size, generator=torch.Generator().manual_seed(size))
    assert torch.equal(kernel().largest_of(values), values.abs().amax(1))
    values[1, size - 1] = -float("inf")
    values[2, size // 2] = float("nan")
    found = kernel().largest_of(values)
    assert found[0] == values[0].abs().max()
    assert found[1] == float("inf")
    assert found[2].isnan()


def test_numbers_that_the_kernel_would_misread_are_refused():
    for call in (
        lambda: kernel().largest_of(torch.zeros(3, 3).double()),
        lambda: kernel().largest_of(torch.zeros(3, 4).T),
        lambda: kernel().driven_codes(torch.zeros(3, 4).T, 1.0, 4),
    ):
        with pytest.raises(RuntimeError, match="float32 on the CPU"):
            call()
    with pytest.raises(RuntimeError, match="columns in groups of the same size"):
        kernel().weights_forward(torch.zeros(3, 4), [1.0] * 3, [1.0] * 3, 4, [0, 0, 0], 0.0, 0.0)


def test_memory_is_kept_for_the_next_pass_and_never_shared():
    """Blocks in use are apart; one that was given back is taken again for as much, and not for half as much."""
    size = 12_345_677  # that nothing else has
    one, other = kernel().kept_empty([size]), kernel().kept_empty([size])
    first, second = one.data_ptr(), other.data_ptr()
    assert abs(first - second) >= 4 * size
    assert first % 64 == second % 64 == 0
    view = one[1:]
    del one
    third = kernel().kept_empty([size])
    assert third.data_ptr() not in (first, second), "a view is in use, too"
    del view
    gc.collect()
    assert kernel().kept_empty([size // 2 - 1]).data_ptr() != first
    assert kernel().kept_empty([size]).data_ptr() == first
