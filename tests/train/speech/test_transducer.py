"""The transducer's loss against the sum over all alignments, one by one, and its gradient against autograd's of it."""

import math
from itertools import combinations, product

import pytest
import torch

from ohmgate.model.formats import DesignError
from ohmgate.train.speech.transducer import transducer_loss


def enumerated(logits: torch.Tensor, targets: list[int]) -> torch.Tensor:
    """Of one utterance: logits (T, U + 1, symbols). An alignment is which of the first T + U - 1 moves are symbols."""
    scores, steps, count = logits.log_softmax(2), len(logits), len(targets)
    ways = []
    for symbols in combinations(range(steps + count - 1), count):
        t = u = 0
        moves = []
        for move in range(steps + count):
            if move in symbols:
                moves.append(scores[t, u, targets[u]])
                u += 1
            else:
                moves.append(scores[t, u, 0])
                t += 1
        assert (t, u) == (steps, count)
        ways.append(torch.stack(moves).sum())
    return -torch.stack(ways).logsumexp(0)


def test_all_small_cases_are_those_of_enumeration():
    """T = 1 to 4 and U = 0 to 3 as one padded batch each, values and gradients, in float64."""
    generator = torch.Generator().manual_seed(0)
    cases = list(product(range(1, 5), range(4)))
    logits = torch.randn(len(cases), 4, 4, 4, dtype=torch.float64, generator=generator, requires_grad=True)
    targets = torch.randint(1, 4, (len(cases), 3), generator=generator)
    weights = torch.rand(len(cases), dtype=torch.float64, generator=generator)
    lengths, sizes = torch.tensor(cases).T
    found = transducer_loss(logits, targets, lengths, sizes)
    (gradient,) = torch.autograd.grad((found * weights).sum(), logits)
    expected = torch.stack(
        [enumerated(logits[i, :t, : u + 1], targets[i, :u].tolist()) for i, (t, u) in enumerate(cases)]
    )
    (wanted,) = torch.autograd.grad((expected * weights).sum(), logits)
    assert (found - expected).abs().max() < 1e-13
    assert (gradient - wanted).abs().max() < 1e-13
    assert gradient[0, 1:].abs().max() == 0


def test_even_odds_have_a_closed_form():
    """Each alignment has probability symbols^-(T + U), and there are T + U - 1 over U of them; also in float32."""
    found = transducer_loss(
        torch.zeros(2, 90, 31, 28),
        torch.ones(2, 30, dtype=torch.int64),
        torch.tensor([90, 70]),
        torch.tensor([30, 9]),
    )
    expected = [(t + u) * math.log(28) - math.log(math.comb(t + u - 1, u)) for t, u in ((90, 30), (70, 9))]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)


def test_a_batch_of_empty_transcripts_has_blanks_alone():
    logits = torch.randn(2, 3, 1, 5, dtype=torch.float64, requires_grad=True)
    lengths, none = torch.tensor([3, 1]), torch.zeros(2, dtype=torch.int64)
    found = transducer_loss(logits, torch.zeros(2, 0, dtype=torch.int64), lengths, none)
    scores = logits.log_softmax(3)[:, :, 0, 0]
    expected = -torch.stack([scores[0].sum(), scores[1, 0]])
    assert torch.allclose(found, expected, atol=1e-14)
    (gradient,), (wanted,) = (torch.autograd.grad(each.sum(), logits) for each in (found, expected))
    assert torch.allclose(gradient, wanted, atol=1e-14)


def test_padding_has_no_influence():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 5, 4, 6, generator=generator)
    targets = torch.randint(1, 6, (2, 3), generator=generator)
    lengths, sizes = torch.tensor([5, 3]), torch.tensor([3, 1])
    changed, others = logits.clone(), targets.clone()
    changed[1, 3:], changed[1, :, 2:], others[1, 1:] = math.nan, math.nan, -7
    changed.requires_grad_()
    found = transducer_loss(changed, others, lengths, sizes)
    assert torch.equal(found, transducer_loss(logits, targets, lengths, sizes))
    found.sum().backward()
    alone = logits[1:, :3, :2].clone().requires_grad_()
    transducer_loss(alone, targets[1:, :1], lengths[1:], sizes[1:]).sum().backward()
    gradient = changed.grad
    assert gradient is not None
    assert alone.grad is not None
    assert torch.equal(gradient[1:, :3, :2], alone.grad)
    assert not gradient[1, 3:].any()
    assert not gradient[1, :, 2:].any()


def test_a_symbol_that_cannot_be_has_infinite_loss():
    logits = torch.zeros(1, 2, 2, 3, dtype=torch.float64)
    logits[..., 2] = -math.inf
    assert transducer_loss(logits, torch.tensor([[2]]), torch.tensor([2]), torch.tensor([1])).item() == math.inf
    assert transducer_loss(logits, torch.tensor([[1]]), torch.tensor([2]), torch.tensor([1])).item() == pytest.approx(
        3 * math.log(2) - math.log(2)
    )


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"logits": torch.zeros(2, 3, 4)}, r"logits must be real numbers of 4 axes, not of shape \(2, 3, 4\)"),
        (
            {"logits": torch.zeros(2, 3, 0, 4)},
            r"logits must be of 1 place and 1 symbol or more, not of shape \(2, 3, 0, 4\)",
        ),
        (
            {"targets": torch.ones(2, 2).long()},
            r"targets must be integers, int32 or int64, of shape \(2, 3\), not torch.int64 of \(2, 2\)",
        ),
        (
            {"lengths": torch.tensor([3.0, 5.0])},
            r"lengths must be integers, int32 or int64, of shape \(2,\), not torch.float32 of \(2,\)",
        ),
        (
            {"target_lengths": torch.tensor([True, True])},
            r"target lengths must be integers, int32 or int64, of shape \(2,\), not torch.bool of \(2,\)",
        ),
        ({"lengths": torch.tensor([0, 5])}, r"lengths must be from 1 to 5, not \[0, 5\]"),
        ({"target_lengths": torch.tensor([0, 4])}, r"target lengths must be from 0 to 3, not \[0, 4\]"),
        (
            {"targets": torch.tensor([[1, 1, 1], [1, 2, 0]])},
            r"targets must be symbols from 1 to 5, not \[1, 1, 2, 0\]",
        ),
        (
            {"targets": torch.tensor([[6, 1, 1], [1, 2, 1]])},
            r"targets must be symbols from 1 to 5, not \[6, 1, 2, 1\]",
        ),
    ],
)
def test_other_shapes_and_ranges_are_refused(changes, said):
    given = {
        "logits": torch.zeros(2, 5, 4, 6),
        "targets": torch.ones(2, 3, dtype=torch.int64),
        "lengths": torch.tensor([5, 4]),
        "target_lengths": torch.tensor([1, 3]),
    }
    with pytest.raises(DesignError, match=f"^{said}$"):
        transducer_loss(**(given | changes))


def test_an_utterance_without_an_alignment_has_an_infinite_loss_and_no_gradient():
    """Beside one that has some: its gradient is what it is alone."""
    logits = torch.randn(2, 3, 2, 3, dtype=torch.float64)
    logits[1, :, 0, 1] = -torch.inf  # its symbol is never said
    logits.requires_grad_()
    targets, lengths = torch.tensor([[2], [1]]), torch.tensor([3, 3])
    loss = transducer_loss(logits, targets, lengths, torch.tensor([1, 1]))
    assert loss[1] == math.inf
    loss.sum().backward()
    alone = logits[:1].detach().requires_grad_()
    transducer_loss(alone, targets[:1], lengths[:1], torch.tensor([1])).sum().backward()
    assert torch.equal(logits.grad[0], alone.grad[0])
    assert not logits.grad[1].any()
