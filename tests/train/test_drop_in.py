"""What PyTorch's users do with modules: other types, autocast, states, modes, gradients."""

import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.modules import QuantLinear, QuantLSTM


def inputs(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("make", [lambda: QuantLSTM(60, 16, 2), lambda: QuantLinear(60, 16)])
def test_autocast_changes_no_code(make, training):
    torch.manual_seed(0)
    module, x = make().train(training), inputs(4, 3, 60)
    plain = module(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = module(x)
    for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (plain, cast))):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else all(map(torch.equal, a, b))


def test_inputs_of_a_half_type_get_the_codes_of_their_values():
    torch.manual_seed(0)
    module, x = QuantLinear(60, 16, dac_bits=12, weight_bits=8, adc_bits=8), inputs(3, 60).bfloat16()
    assert torch.equal(module(x), module(x.float()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_are_refused(dtype):
    for training in (False, True):
        with pytest.raises(DesignError) as error:
            QuantLinear(3, 2).to(dtype).train(training)(torch.zeros(1, 3, dtype=dtype))
        assert str(error.value) == f"an array's weights must be float32 or float64 on the CPU, not {dtype} on cpu"
