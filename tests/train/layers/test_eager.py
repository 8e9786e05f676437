"""What makes graphs of modules: torch.compile changes no code and no gradient, all else is refused in one sentence."""

import shutil

import pytest
import torch
from torch import nn

from ohmgate.model.design import Design
from ohmgate.model.formats import DesignError
from ohmgate.train.layers.modules import QuantLinear, QuantLSTM
from ohmgate.train.layers.noise import Noise
from ohmgate.train.layers.whole_model import set_noise
from ohmgate.train.network import DesignNetwork

SENTENCE = (
    "a quantised layer has no graph for torch.jit, torch.fx, torch.export or ONNX, as its codes and roundings are no "
    "operators of theirs: ohmgate.export describes it, and its image and integer reference run it"
)
X = torch.rand(4, 6, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1


class Net(nn.Module):
    """Arrays between functions that a compiler may fuse, with noise and dropout."""

    def __init__(self, fast: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.lstm = QuantLSTM(3, 5, 2, batch_first=True, dropout=0.5, fast=fast, quantiser="lsq", learn_range=True)
        self.fc = QuantLinear(5, 2, fast=fast)
        set_noise(self, train=Noise(adc=0.3, weight=0.1), evaluate=Noise(adc=0.3), seed=3)

    def forward(self, x):
        return self.fc(self.lstm(torch.tanh(x) * 1.5)[0][:, -1]).relu()


def trained(model: nn.Module, run, compile_step=lambda step: step):
    """Losses and gradients of two steps of training, then an evaluation's outputs; ``run`` runs ``model``."""
    optimiser, found = torch.optim.SGD(model.parameters(), 0.1), []

    def step():
        loss = (run(X) - 1).square().mean()
        loss.backward()
        return loss

    step = compile_step(step)
    for seed in range(2):
        torch.manual_seed(seed)
        optimiser.zero_grad()
        found += [step().detach(), *(parameter.grad.clone() for parameter in model.parameters())]
        optimiser.step()
    model.eval()
    return [*found, run(X)]


def same(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return len(ours) == len(theirs) and all(torch.equal(a, b) for a, b in zip(ours, theirs))


@pytest.mark.parametrize("fast, whole_step", [(True, True), (False, False)])
def test_a_compiled_model_or_step_of_training_gives_the_same_numbers(fast, whole_step):
    expected = trained(model := Net(fast), model)
    assert all(value.any() for value in expected)  # losses, gradients and outputs
    torch.compiler.reset()
    model, graphs = Net(fast), []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    if whole_step:
        found = trained(model, model, lambda step: torch.compile(step, backend=backend))
    else:
        found = trained(model, torch.compile(model, backend=backend))
    assert same(found, expected)
    names = {str(node.target) for graph in graphs for node in graph.graph.nodes}
    assert any("relu" in name for name in names)  # what is around the arrays is compiled
    assert not any("floor" in name or "ohmgate" in name for name in names)  # no array is


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++, with which torch compiles, is not installed")
def test_torchs_own_compiler_gives_the_same_numbers():
    found = []
    torch.compiler.reset()
    for compiled in (False, True):
        torch.manual_seed(0)
        layer = QuantLSTM(3, 5)

        def run(x, layer=layer):
            return layer(x.neg())[0].neg()

        out = (torch.compile(run) if compiled else run)(X)
        out.square().sum().backward()
        found.append([out.detach(), *(parameter.grad for parameter in layer.parameters())])
    assert all(value.any() for value in found[0])
    assert same(*found)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    "make",
    [Net, lambda: QuantLSTM(3, 5), lambda: QuantLinear(3, 2), lambda: DesignNetwork(Design.load("vowels"))],
    ids=["model", "QuantLSTM", "QuantLinear", "DesignNetwork"],
)
@pytest.mark.parametrize(
    "graph",
    [
        lambda model, x: torch.jit.trace(model, (x,)),
        lambda model, x: torch.jit.script(model),
        lambda model, x: torch.export.export(model, (x,)),
        lambda model, x: torch.fx.symbolic_trace(model),
    ],
    ids=["trace", "script", "export", "fx"],
)
def test_graphs_are_refused_in_one_sentence(graph, make, training):
    model = make().train(training)
    x = torch.rand(4, 6, 12) if isinstance(model, DesignNetwork) else X
    with pytest.raises(DesignError) as error:
        graph(model, x)
    assert str(error.value) == SENTENCE


def test_an_export_to_onnx_ends_with_the_sentence(tmp_path):
    with pytest.raises(DesignError) as error:
        torch.onnx.export(Net().eval(), (X,), tmp_path / "model.onnx", dynamo=False)
    assert str(error.value) == SENTENCE
    assert not (tmp_path / "model.onnx").exists()


def test_exporters_that_compile_first_say_the_sentence_among_their_own():
    torch.compiler.reset()
    with pytest.raises(Exception, match=SENTENCE):
        torch.export.export(Net().eval(), (X,), strict=True)
    with pytest.raises(Exception, match=SENTENCE):
        torch.compile(Net(), fullgraph=True, backend="eager")(X)
