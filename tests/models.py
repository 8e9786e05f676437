"""Float models that several tests convert."""

import torch
from torch import nn

TOKENS = torch.arange(60).view(6, 10) % 20  #: batch first, for :class:`Model`


class Model(nn.Module):
    """An embedding, a stack of two directions and two heads: some of it becomes arrays."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 4)
        self.lstm = nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.heads = nn.ModuleList([nn.Linear(12, 5), nn.Linear(5, 3)])

    def forward(self, tokens):
        out, _ = self.lstm(torch.tanh(self.embedding(tokens)))
        return self.heads[1](3 * torch.relu(self.heads[0](out)))


def model() -> Model:
    torch.manual_seed(0)
    return Model()


class Shared(nn.Module):
    """One layer under three names, and a part of several layers."""

    def __init__(self):
        super().__init__()
        self.first = self.again = nn.Linear(4, 4)
        self.part = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), self.first)

    def forward(self, x):
        return self.again(self.part(self.first(x)))
