"""A module of your own: trained in float, converted, trained again with noise, and made a chip.

python examples/own_model.py [FOLDER]    # image and Verilog go there; about 20 seconds
"""

import sys
from pathlib import Path

import torch
from torch import nn

from ohmgate import Noise, QuantConfig, accuracy_draws, calibrate, convert, export, set_noise, verify_export
from ohmgate.analog.config import preset
from ohmgate.firmware import image
from ohmgate.hdl.flow.generate import generate


class Tones(nn.Module):
    """Which of three tones is in the noise?"""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(1, 16, batch_first=True), nn.Linear(16, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def tones(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels, phase = torch.randint(3, (count,)), 6.28 * torch.rand(count, 1)
    sound = 0.7 * torch.sin(phase + torch.arange(24) * (0.3 + 0.5 * labels[:, None]))
    return (sound + 0.1 * torch.randn(count, 24))[..., None], labels


def train(model: nn.Module, steps: int, rate: float) -> None:
    optimiser = torch.optim.Adam(model.train().parameters(), rate)
    for _ in range(steps):
        optimiser.zero_grad()
        x, labels = tones(64)
        nn.functional.cross_entropy(model(x), labels).backward()
        optimiser.step()


torch.manual_seed(0)
torch.set_num_threads(1)  # layers this small are not worth more
folder, model, (x, labels) = Path(*sys.argv[1:2] or ["tones"]), Tones(), tones(500)
train(model, 300, 0.02)
quantised, report = convert(model, QuantConfig(quantiser="lsq"), layers={"head": QuantConfig(adc_bits=8)})
calibrate(quantised, lambda: quantised(x))
set_noise(quantised, train=Noise(adc=0.29, weight=0.1), seed=0)
train(quantised, 100, 0.005)
network = export(quantised, x, name="tones", adcs=16, output="argmax", labels=("low", "middle", "high"))
print(report, verify_export(quantised, x, network=network), sep="\n")
print(*generate(network.design, folder), sep="\n")
image.write(folder / "tones.bin", network)
for name, net in (("float", model), ("quantised", quantised)):
    print(f"{name}: {(net.eval()(x).argmax(1) == labels).float().mean():.1%}")
codes, lengths = network.encode(x.numpy()), torch.full((len(x),), 24).numpy()
chips = accuracy_draws(network, codes, lengths, labels.numpy(), preset("paper"), draws=10)
print(f"10 chips with the paper's noise: {chips.mean():.1%}, the worst {chips.min():.1%}")
