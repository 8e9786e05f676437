"""Shapes of forward around the same layers: chains of arrays, and what is none."""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence

from ohmgate.train.layers.modules import QuantLinear, QuantLSTM

T, B, N = 5, 4, 6
LENGTHS = (3, 5, 2, 5)


class Net(nn.Module):
    """``a`` is registered first, ``b`` has other inputs' weights; the forward is the one given."""

    def __init__(self, forward: Callable) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b, self.fc = QuantLSTM(N, N), QuantLSTM(N, N), QuantLinear(N, 3, adc_bits=8)
        self.norm, self.act = nn.LayerNorm(N), nn.ReLU()
        self.run = forward

    def forward(self, *inputs):
        return self.run(self, *inputs)


def a(m, x):
    return m.a(x)[0]


def b(m, x):
    return m.b(x)[0]


def inputs() -> torch.Tensor:
    return torch.rand(T, B, N, generator=torch.Generator().manual_seed(1)) * 2 - 1


def packed(x, lengths=LENGTHS):
    return pack_sequence([x[:n, i] for i, n in enumerate(lengths)], enforce_sorted=False)


def padded(x):
    """Unpacked, sequences first, to more steps than any sequence has."""
    return pad_packed_sequence(x, batch_first=True, total_length=T + 2)[0]


def at_the_end(x):
    return x[torch.tensor(LENGTHS) - 1, torch.arange(B)]


def steps_first(out):
    return out.transpose(0, 1)


def as_packed(out):
    return packed(out.transpose(0, 1)).data


def as_padded(out):
    return padded(packed(out.transpose(0, 1)))


#: what runs, the arrays in that order, the lengths, and how the network's results (B, T, 3) or (B, 3) are laid out
CHAINS = {
    "in another order than registered": (lambda m, x: m.fc(a(m, b(m, x))), "ba", None, steps_first),
    "the host's functions after it": (lambda m, x: m.fc(b(m, a(m, x))).sub(7).add(7), "ab", None, steps_first),
    "the host's layer ahead": (lambda m, x: m.fc(b(m, a(m, m.norm(x)))), "ab", None, steps_first),
    "the last step": (lambda m, x: m.fc(b(m, a(m, x))[-1]), "ab", None, None),
    "the last state": (lambda m, x: m.fc(m.b(a(m, x))[1][0][-1]), "ab", None, None),
    "sequences first": (lambda m, x: m.fc(b(m, a(m, x)).transpose(0, 1)), "ab", None, lambda out: out),
    "flattened": (lambda m, x: m.fc(b(m, a(m, x)).reshape(-1, N)), "ab", None, lambda out: steps_first(out).reshape(-1, 3)),
    "dropout": (lambda m, x: m.fc(dropout(b(m, a(m, x)).contiguous(), 0.5, m.training)), "ab", None, steps_first),
    "shorter types": (lambda m, x: m.fc(b(m, a(m, x).bfloat16()).half()), "ab", None, steps_first),
    "a state of zeros": (lambda m, x: m.fc(m.b(a(m, x), (torch.zeros(1, B, N),) * 2)[0]), "ab", None, steps_first),
    "packed": (lambda m, x: m.fc(b(m, a(m, packed(x))).data), "ab", LENGTHS, as_packed),
    "packed, the last state": (lambda m, x: m.fc(m.b(a(m, packed(x)))[1][0][-1]), "ab", LENGTHS, None),
    "packed, then padded": (lambda m, x: m.fc(padded(b(m, a(m, packed(x))))), "ab", LENGTHS, as_padded),
    "packed on the way": (lambda m, x: m.fc(m.b(pack_padded_sequence(a(m, x), LENGTHS, enforce_sorted=False))[1][0][0]), "ab", LENGTHS, None),
    "clipped where no code is": (lambda m, x: m.fc(b(m, a(m, x)).clamp(-1, 1)), "ab", None, steps_first),
}  # fmt: skip


EVERY = "layer 'fc' must get exactly the codes that layer 'b' gave on every step, but # of 120 differ"
LAST = EVERY.replace("every step", "the last step of each sequence (step 5, as no lengths= are given)").replace(
    "120", "24"
)
INNER = EVERY.replace("'b'", "'a'").replace("'fc'", "'b'")
CALLS = "; between them the forward calls "
ONCE = "must run once in the forward of a model to export, but"


#: what runs, and the sentence that refuses it; # is any number above 0
OTHERS = {
    "relu": (lambda m, x: m.fc(torch.relu(b(m, a(m, x)))), EVERY + CALLS + "relu"),
    "a module": (lambda m, x: m.fc(m.act(b(m, a(m, x)))), EVERY + CALLS + "'act' (ReLU)"),
    "layer norm": (lambda m, x: m.fc(m.norm(b(m, a(m, x)))), EVERY + CALLS + "'norm' (LayerNorm)"),
    "scaled": (lambda m, x: m.fc(b(m, 3 * a(m, x))), INNER + CALLS + "mul"),
    "residual": (lambda m, x: (lambda y: m.fc(y + b(m, y)))(a(m, x)), EVERY + CALLS + "add"),
    "tanh": (lambda m, x: m.fc(b(m, a(m, x).tanh())), INNER.replace("differ", "random codes in their place differ") + CALLS + "tanh"),
    "mean over steps": (lambda m, x: m.fc(b(m, a(m, x)).mean(0)), LAST + CALLS + "mean"),
    "first step": (lambda m, x: m.fc(b(m, a(m, x))[0]), LAST + CALLS + "getitem"),
    "cell state": (lambda m, x: m.fc(m.b(a(m, x))[1][1][-1]), LAST + CALLS + "getitem"),
    "padded without lengths": (lambda m, x: m.fc(at_the_end(b(m, a(m, x)))), LAST + CALLS + "tensor, sub, arange, getitem"),
    "padding read at the end": (lambda m, x: m.fc(pad_packed_sequence(b(m, a(m, packed(x, (4, 3, 5, 2)))))[0][-1]),
                                "layer 'fc' must get exactly the codes that layer 'b' gave on the last step of each sequence, but # of 24 differ"
                                + CALLS + "pad_packed_sequence, index_select, cpu, getitem"),
    "reversed": (lambda m, x: m.fc(b(m, a(m, x).flip(0))), INNER + CALLS + "flip"),
    "reversed for the head": (lambda m, x: m.fc(b(m, a(m, x)).flip(0)), EVERY + CALLS + "flip"),
    "delayed": (lambda m, x: m.fc(b(m, a(m, x).roll(1, 0))), INNER + CALLS + "roll"),
    "channels permuted": (lambda m, x: m.fc(b(m, a(m, x)[..., [0, 2, 1, 3, 4, 5]])), INNER + CALLS + "getitem"),
    "sequences exchanged": (lambda m, x: m.fc(b(m, a(m, x).flip(1))), INNER + CALLS + "flip"),
    "time and batch mixed up": (lambda m, x: m.fc(b(m, a(m, x).transpose(0, 1))),
                                "layer 'b' must get every step that layer 'a' gave, 4 sequences of 5 steps, but gets 5 sequences of 4 steps" + CALLS + "transpose"),
    "every other step": (lambda m, x: m.fc(b(m, a(m, x))[::2]),
                         "layer 'fc' must get every step that layer 'b' gave, 4 sequences of 5 steps, or the last one of each sequence, but gets 12 rows" + CALLS + "getitem"),
    "two branches": (lambda m, x: m.fc(a(m, x) + b(m, x)), INNER + ", and nothing is called between them"),
    "another input": (lambda m, x: (a(m, x), m.fc(b(m, x)))[1], INNER + ", and nothing is called between them"),
    "head on another": (lambda m, x: (lambda y: (b(m, y), m.fc(y))[1])(a(m, x)), EVERY + ", and nothing is called between them"),
    "run twice": (lambda m, x: m.fc(b(m, b(m, a(m, x)))), f"layer 'b' {ONCE} runs 2 times"),
    "never run": (lambda m, x: m.fc(b(m, x)), f"layer 'a' {ONCE} never runs"),
    "in pieces": (lambda m, x: m.fc(torch.cat([b(m, a(m, x[:2])), b(m, a(m, x[2:]))])), f"layer 'a' {ONCE} runs 2 times"),
    "a state handed on": (lambda m, x: m.fc(m.b(*m.a(x))[0]), "only sequences without an initial state can be exported: the hardware has none"),
    "of one step": (lambda m, x: m.fc(b(m, a(m, x[:1]))),
                    "example inputs must have sequences of 2 steps or more to tell whether layer 'fc' is read on every step or on the last, but all have 1"),
    "of no sequence": (lambda m, x: m.fc(b(m, a(m, x[:, :0]))), "example inputs must be of 1 sequence or more, but there is none"),
    "other layers for other codes": (lambda m, x: (lambda y: m.fc(b(m, y)[-1 if y.abs().mean() < 0.4 else 0 :]))(a(m, x)),
                                     "a forward to export must call the same layers whatever their codes are, but does not"),
}  # fmt: skip
