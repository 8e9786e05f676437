"""What PyTorch's users do with modules: other types, autocast, states, modes, gradients."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from ohmgate.model.formats import DesignError
from ohmgate.train.export.verify import verify_modules
from ohmgate.train.kernel.build import kernel
from ohmgate.train.layers import gate_tables
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.quantisers import QUANTISERS


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


def test_a_frozen_range_of_weights_still_blocks_gradients():
    grads = []
    for fast in (True, False):
        torch.manual_seed(0)
        module = QuantLSTM(5, 6, quantiser="lsq", weight_bits=2, fast=fast)
        module.arrays[0].log_alpha.requires_grad_(False)
        module(inputs(4, 3, 5))[0].sum().backward()
        grads.append(module.arrays[0].cells.grad)
    clipped = module.arrays[0].cells.abs() > module.arrays[0].alpha()[0]
    assert clipped.any()
    assert not grads[0][clipped].any()
    assert torch.allclose(*grads, atol=1e-6)


def test_training_after_an_inference():
    gate_tables.cell_values.cache_clear()  # as in a new process
    module, x = QuantLSTM(5, 6, weight_bits=32), inputs(4, 3, 5)
    with torch.inference_mode():
        module.eval()(x)
    module.train()(x)[0].sum().backward()
    assert module.arrays[0].cells.grad.abs().sum() > 0


@pytest.mark.skipif(kernel() is None, reason="no C++ compiler")
def test_second_derivatives_of_the_kernel_are_refused_not_wrong():
    module, x = QuantLSTM(5, 6), inputs(4, 3, 5).requires_grad_()
    (grad,) = torch.autograd.grad(module(x)[0].square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_empty_batches_have_empty_outputs():
    for training in (True, False):
        assert QuantLSTM(5, 6).train(training)(torch.zeros(4, 0, 5))[0].shape == (4, 0, 6)
        linear = QuantLinear(5, 6).train(training)
        assert [tuple(linear(torch.zeros(*shape, 5)).shape) for shape in ((0,), (3, 0), (0, 3), ())] == [
            (0, 6), (3, 0, 6), (0, 3, 6), (6,),
        ]  # fmt: skip


@pytest.mark.parametrize("shape, batch_first", [((0, 2, 5), False), ((2, 0, 5), True), ((0, 5), True)])
def test_sequences_without_steps_are_refused(shape, batch_first):
    with pytest.raises(DesignError, match=r"^a sequence must have at least 1 step, but it has none$"):
        QuantLSTM(5, 6, batch_first=batch_first)(torch.zeros(shape))


def test_names_that_models_use():
    module, x = QuantLSTM(5, 6), inputs(4, 3, 5)
    assert module.flatten_parameters() is None
    state = (inputs(1, 3, 6), inputs(1, 3, 6))
    assert torch.equal(module(input=x, hx=state)[0], module(x, state)[0])
    linear = QuantLinear(5, 6)
    assert (linear.in_features, linear.out_features) == (5, 6)


def test_copies_compute_the_same():
    torch.manual_seed(0)
    module, x = QuantLSTM(5, 6, 2, quantiser="lsq", learn_range=True).eval(), inputs(4, 3, 5)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    for made in (copy.deepcopy(module), pickle.loads(pickle.dumps(module)), torch.load(file, weights_only=False)):
        assert torch.equal(made(x)[0], module(x)[0])
        assert made.arrays[0].source is made.arrays[1].source is not module.arrays[0].source


@pytest.mark.parametrize(
    "options", [{}, {"quantiser": "lsq"}, {"weight_bits": 32}, {"adc_bits": 32}, {"fast": False}]
)
def test_weights_that_are_no_numbers_are_refused(options):
    module = QuantLSTM(5, 6, **options)
    with torch.no_grad():
        module.arrays[0].cells[0, 0] = float("nan")
    for training in (True, False):
        with pytest.raises(DesignError) as error:
            module.train(training)(inputs(4, 3, 5))
        assert str(error.value) == "weights and their ranges must be finite numbers, but some are not"


@pytest.mark.parametrize("quantiser", QUANTISERS)
def test_an_infinite_weight_is_refused(quantiser):
    module = QuantLinear(100, 60, quantiser=quantiser)
    with torch.no_grad():
        module.cells[0, 0] = float("inf")
    with pytest.raises(DesignError, match=r"^weights and their ranges must be finite numbers, but some are not$"):
        module(torch.rand(2, 100))


@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_an_initial_state_of_no_numbers_is_refused(part, fast, training):
    module = QuantLSTM(5, 7, fast=fast).train(training)
    state = [torch.zeros(1, 3, 7), torch.zeros(1, 3, 7)]
    state[part][0, 1, 2] = float("nan")
    with pytest.raises(DesignError, match=r"^the initial state must be finite numbers, but some are not$"):
        module(inputs(4, 3, 5), tuple(state))


def test_no_gradient_goes_through_an_evaluation():
    state = [torch.zeros(1, 3, 7, requires_grad=True) for _ in range(2)]
    out, (_, cell) = QuantLSTM(5, 7).eval()(inputs(4, 3, 5), tuple(state))
    assert not out.requires_grad
    assert not cell.requires_grad


def test_options_by_place_are_those_of_the_float_module():
    module = QuantLSTM(5, 7, 2, False, True, 0.5, True)
    theirs = nn.LSTM(5, 7, 2, False, True, 0.5, True)
    for name in ("num_layers", "batch_first", "dropout", "bidirectional"):
        assert getattr(module, name) == getattr(theirs, name)
    assert module.config.bias_rows == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [QuantLSTM, QuantLinear])
@pytest.mark.parametrize("options", [{}, {"fast": False}, {"weight_bits": 32, "dac_bits": 32, "adc_bits": 32}])
def test_inputs_that_are_no_numbers_are_refused_in_training(value, kind, options):
    """They have no code; what a kernel makes of them would look like one."""
    x = inputs(4, 3, 5)
    x[2, 1, 0] = value
    with pytest.raises(DesignError, match=r"^inputs of an array must be finite numbers, but some are not$"):
        kind(5, 6, **options)(x)


def test_a_model_made_without_memory_gets_it_later():
    with torch.device("meta"):
        made = QuantLSTM(5, 6)
    model, x = QuantLSTM(5, 6), inputs(4, 3, 5)
    made.to_empty(device="cpu").load_state_dict(model.state_dict())
    assert torch.equal(made(x)[0], model(x)[0])


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_integers_stay_exact_where_torch_may_shorten_float32_products(precision):
    """As Lightning advises: TF32 or bfloat16 hold no sums of codes, so an evaluation goes to float64."""
    module, x = QuantLSTM(5, 6).eval(), inputs(4, 3, 5)
    assert module.arrays[0].prepare(3).weights.dtype == torch.float32
    expected = module(x)[0]
    try:
        torch.set_float32_matmul_precision(precision)
        assert module.arrays[0].prepare(3).weights.dtype == torch.float64
        assert torch.equal(module(x)[0], expected)
        assert verify_modules(module, x).mismatches == 0
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_weights_are_refused(dtype):
    for training in (False, True):
        with pytest.raises(DesignError) as error:
            QuantLinear(3, 2).to(dtype).train(training)(torch.zeros(1, 3, dtype=dtype))
        assert str(error.value) == f"an array's weights must be float32 or float64, not {dtype}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bits", [4, 16])  # 16: sums in float64
def test_outputs_have_the_type_of_the_weights_in_both_modes(dtype, bits):
    recurrent, linear = (
        make(5, 6, weight_bits=bits, dac_bits=bits, adc_bits=4).to(dtype) for make in (QuantLSTM, QuantLinear)
    )
    x = inputs(4, 3, 5).to(dtype)
    for training in (True, False):
        out, (hidden, cell) = recurrent.train(training)(x)
        assert {out.dtype, hidden.dtype, linear.train(training)(x).dtype} == {dtype}
        assert training or cell.dtype == torch.float64
        assert torch.nn.Linear(6, 2).to(dtype)(out).shape == (4, 3, 2)


def test_a_change_of_type_leaves_measured_ranges():
    module = QuantLinear(3, 2, adc_range=1.1, adc_bits=8)
    step = module.nominal_step.clone()
    for change in (lambda: module.float(), lambda: module.double(), lambda: module.to(torch.float32)):
        change()
        assert module.nominal_step.dtype == module.full_scale.dtype == torch.float64
        assert torch.equal(module.nominal_step, step)


def test_a_state_goes_from_evaluation_to_training_and_back():
    torch.manual_seed(0)
    module, x = QuantLSTM(5, 6, 2), inputs(4, 3, 5)
    _, state = module.eval()(x)
    _, state = module.train()(x, state)
    out, _ = module.eval()(x, tuple(part.detach() for part in state))
    assert out.shape == (4, 3, 6)
