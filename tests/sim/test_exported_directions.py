"""A bidirectional model of one's own, from PyTorch to the Verilog."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ohmgate.analog.config import PRESETS
from ohmgate.model import reference
from ohmgate.sim.cosim import build, simulate
from ohmgate.sim.job import DeviceJob
from ohmgate.sim.simulators import missing_tools
from ohmgate.train.data.datasets import vowels
from ohmgate.train.export import export
from ohmgate.train.export.verify import verify_export
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM, QuantRNN


class Classifier(nn.Module):
    """A stack of two layers in both directions, and a head on the last step of packed sequences."""

    def __init__(self, kind, inputs: int, hidden: int, labels: int, **fields) -> None:
        super().__init__()
        self.stack = kind(inputs, hidden, 2, batch_first=True, bidirectional=True, **fields)
        self.head = QuantLinear(2 * hidden, labels, adc_bits=8)

    def forward(self, x, lengths):
        out = self.stack(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[0]
        out = pad_packed_sequence(out, batch_first=True)[0]
        return self.head(out[torch.arange(len(x)), lengths - 1])


@pytest.mark.parametrize("kind", [QuantLSTM, pytest.param(QuantRNN, marks=pytest.mark.full)])
def test_a_small_stack_on_icarus(kind, tmp_path):
    if problem := missing_tools("icarus"):
        pytest.skip(problem)
    torch.manual_seed(0)
    model, lengths = Classifier(kind, 1, 1, 2, cell_bits=8, cell_fraction=6).eval(), torch.tensor([3, 1, 2])
    x = torch.rand(3, 3, 1) * 2 - 1
    network = export(model, x, lengths, output="argmax")
    assert verify_export(model, x, lengths, network=network).mismatches == 0
    job = DeviceJob(network, network.encode(x.double().numpy()), lengths.numpy(), array=PRESETS["ideal"])
    [result] = simulate(build([network.design], tmp_path, "icarus"), [job])
    assert result.comparison.agrees, str(result.comparison)
    assert {layer for layer, _ in result.comparison.stages} == set(range(5))
    labels = model(x, lengths).argmax(1).numpy()
    assert (reference.run(network, job.codes, job.lengths).out[:, 0] == labels).all()


@pytest.mark.full
@pytest.mark.parametrize("kind, integers", [(QuantLSTM, 3_000_000), (QuantRNN, 700_000)])
def test_all_vowels_through_a_trained_stack(kind, integers, tmp_path):
    """Some epochs, then the 370 test sequences in PyTorch, in the reference and in the Verilog."""
    if problem := missing_tools("verilator"):
        pytest.skip(problem)
    torch.manual_seed(0)
    data = vowels()
    model = Classifier(kind, 12, 16, 9)
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    x, lengths, labels = (
        torch.from_numpy(np.asarray(part)) for part in (data.train.features, data.train.lengths, data.train.labels)
    )
    for _ in range(15):
        for batch in torch.randperm(len(x)).split(30):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x[batch].float(), lengths[batch]), labels[batch].flatten()).backward()
            optimiser.step()
    test, model = data.test, model.eval()
    x, lengths = torch.from_numpy(test.features).float(), torch.from_numpy(test.lengths)
    network = export(model, x, lengths, adcs=[16, 16, 16, 16, 9], output="argmax")
    compared = verify_export(model, x, lengths, network=network)
    assert compared.mismatches == 0, str(compared)
    job = DeviceJob(network, network.encode(x.double().numpy()), test.lengths, array=PRESETS["ideal"])
    [result] = simulate(build([network.design], tmp_path, "verilator"), [job])
    assert result.comparison.agrees, str(result.comparison)
    assert result.comparison.integers > integers
    right = reference.run(network, job.codes, job.lengths).out[:, 0] == test.labels
    assert right.mean() > 0.8
