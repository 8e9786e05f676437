"""Export follows what a forward runs: shapes of forward that are a chain of arrays, and shapes that are none."""

import re

import pytest
import torch

from ohmgate.model import reference
from ohmgate.model.formats import DesignError
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from tests.forward_shapes import CHAINS, OTHERS, B, N, Net, T, inputs


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_exports_as_what_runs(name):
    """Values of the whole model are the network's on the codes of its inputs, and so are all integers."""
    forward, order, lengths, layout = CHAINS[name]
    model, x = Net(forward), inputs()
    network = export(model, x)
    expected = [getattr(model, array).arrays[0] for array in order] + [model.fc]
    assert network.layers == tuple(array.layer_data() for array in expected)
    assert network.design.layers[-1].emit == ("end" if layout is None else "step")
    first = model.norm(x) if "ahead" in name else x
    result = reference.run(network, network.encode(first.detach().transpose(0, 1).double().numpy()), lengths)
    out = torch.from_numpy(result.out)
    rows = torch.as_tensor(lengths or (T,) * B)
    live = torch.arange(T) < rows[:, None]
    values = (out.double() + 0.5) * model.fc.real_steps()
    if layout is not None:
        values = layout(torch.where(live[..., None], values, 0.0))
    computed = model.eval()(x).detach()
    if "padded" in name:  # what the head makes of padding is no result
        computed[~torch.arange(T + 2).lt(rows[:, None])] = 0
    assert torch.allclose(computed.double(), values, atol=1e-6)
    report = verify_export(model, x)
    heads = len(rows) if layout is None else int(rows.sum())
    assert (report.mismatches, report.integers) == (0, int(rows.sum()) * 2 * (4 * N * 2 + 2 * N) + 3 * heads)


@pytest.mark.parametrize("name", OTHERS)
def test_another_forward_is_refused_with_what_was_found(name):
    forward, sentence = OTHERS[name]
    model, x = Net(forward), inputs()
    pattern = re.escape(sentence).replace(re.escape("#"), "[1-9][0-9]*")
    for act in (export, verify_export):
        with pytest.raises(DesignError) as error:
            act(model, x)
        assert re.fullmatch(pattern, str(error.value)), str(error.value)
