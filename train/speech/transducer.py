"""The loss of a transducer: minus the logarithm of the probability of a transcript, over all its alignments.

A. Graves, "Sequence transduction with recurrent neural networks", 2012, equations 16 to 20. An alignment is a way
through a lattice of T steps and U + 1 numbers of symbols so far: a blank goes to the next step, a symbol to the next
number, and the last blank leaves it.
"""

import torch
from torch.autograd.function import Function, once_differentiable
from torch.nn import functional

from ...model.formats import DesignError
from .characters import BLANK

NOWHERE = float("-inf")
INTEGERS = (torch.int32, torch.int64)  #: that torch takes for places


def transducer_loss(
    logits: torch.Tensor, targets: torch.Tensor, lengths: torch.Tensor, target_lengths: torch.Tensor
) -> torch.Tensor:
    """Nats of each utterance (B,), float64; inf where no alignment is possible.

    ``logits`` (B, T, U + 1, symbols) are of any scale: a softmax over the symbols is taken here, of which 0 is the
    blank. ``targets`` (B, U) are symbols, ``lengths`` (B,) steps and ``target_lengths`` (B,) symbols of each
    utterance; what lies beyond has no influence, and gradient 0, as has an utterance without an alignment. Raises
    :class:`DesignError` for other shapes and ranges.
    """
    _check(logits, targets, lengths, target_lengths)
    return _TransducerLoss.apply(logits, targets, lengths, target_lengths)  # pyright: ignore[reportReturnType]


def _check(logits, targets, lengths, target_lengths) -> None:
    if logits.dim() != 4 or not logits.is_floating_point():
        raise DesignError(f"logits must be real numbers of 4 axes, not of shape {tuple(logits.shape)}")
    batch, steps, places, symbols = logits.shape
    if not places or not symbols:
        raise DesignError(f"logits must be of 1 place and 1 symbol or more, not of shape {tuple(logits.shape)}")
    wanted = {"targets": (batch, places - 1), "lengths": (batch,), "target lengths": (batch,)}
    for (name, shape), found in zip(wanted.items(), (targets, lengths, target_lengths)):
        if tuple(found.shape) != shape or found.dtype not in INTEGERS:
            raise DesignError(
                f"{name} must be integers, int32 or int64, of shape {shape}, "
                f"not {found.dtype} of {tuple(found.shape)}"
            )
    for name, found, low, high in (("lengths", lengths, 1, steps), ("target lengths", target_lengths, 0, places - 1)):
        if batch and not low <= int(found.min()) <= int(found.max()) <= high:
            raise DesignError(f"{name} must be from {low} to {high}, not {found.tolist()}")
    said = targets[torch.arange(places - 1, device=targets.device) < target_lengths[:, None]]
    if said.numel() and not BLANK < int(said.min()) <= int(said.max()) < symbols:
        raise DesignError(f"targets must be symbols from 1 to {symbols - 1}, not {said.tolist()}")


class _TransducerLoss(Function):
    """The lattice is walked over its anti-diagonals, all places of one at once, in float64.

    Diagonal n holds place (t, u) with t + u = n at u: arrays (B, T + U, U + 1).
    """

    @staticmethod
    def forward(ctx, logits, targets, lengths, target_lengths):
        total = logits.logsumexp(3)
        labels = targets.clamp(0, logits.shape[3] - 1)[:, None, :, None].expand(-1, logits.shape[1], -1, 1)
        blank = (logits[..., BLANK] - total).double()
        label = (logits[:, :, :-1].gather(3, labels)[..., 0] - total[:, :, :-1]).double()
        label = functional.pad(label, (0, 1), value=NOWHERE)
        t, u = (torch.arange(size, device=logits.device) for size in logits.shape[1:3])
        inside = (t < lengths[:, None])[:, :, None] & (u <= target_lengths[:, None])[:, None]
        blank, label = (_skewed(part.where(inside, NOWHERE)) for part in (blank, label))
        forward = _forward(blank, label)
        last = torch.arange(len(lengths), device=logits.device), lengths + target_lengths - 1, target_lengths
        found = forward[last] + blank[last]
        ctx.save_for_backward(logits, total, labels, blank, label, forward, lengths, target_lengths, found)
        return -found

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):  # pyright: ignore[reportIncompatibleMethodOverride]
        logits, total, labels, blank, label, forward, lengths, target_lengths, found = ctx.saved_tensors
        after_blank, after_label = _backward(blank, label, lengths, target_lengths)
        steps = logits.shape[1]
        reached = forward - found[:, None, None]
        blank = _straight((reached + blank + after_blank).exp(), steps)
        label = _straight((reached + label + after_label).exp(), steps)
        possible = found.isfinite()[:, None, None]
        blank, label = blank.where(possible, 0.0), label.where(possible, 0.0)
        visited = (blank + label) * grad[:, None, None]
        result = (logits - total[..., None]).exp_().mul_(visited.to(logits.dtype)[..., None])
        result[..., BLANK] -= (blank * grad[:, None, None]).to(logits.dtype)
        taken = (label[:, :, :-1] * grad[:, None, None]).to(logits.dtype)
        result[:, :, :-1].scatter_add_(3, labels, -taken[..., None])
        result.masked_fill_((visited == 0)[..., None], 0)  # what lies beyond may be no numbers
        return result, None, None, None


def _skewed(values: torch.Tensor) -> torch.Tensor:
    """(B, T, U + 1) by diagonals (B, T + U, U + 1): column u is moved down by u; -inf elsewhere."""
    batch, steps, places = values.shape
    result = values.new_full((batch, steps + places - 1, places), NOWHERE)
    for u in range(places):
        result[:, u : u + steps, u] = values[:, :, u]
    return result


def _straight(values: torch.Tensor, steps: int) -> torch.Tensor:
    """The opposite of :func:`_skewed`."""
    return torch.stack([values[:, u : u + steps, u] for u in range(values.shape[2])], dim=2)


def _forward(blank: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """By diagonals, the logarithm of the probability that a way reaches a place."""
    result = torch.full_like(blank, NOWHERE)
    result[:, 0, 0] = 0
    for n in range(1, blank.shape[1]):
        before = result[:, n - 1]
        result[:, n] = before + blank[:, n - 1]
        result[:, n, 1:] = torch.logaddexp(result[:, n, 1:], before[:, :-1] + label[:, n - 1, :-1])
    return result


def _backward(
    blank: torch.Tensor, label: torch.Tensor, lengths: torch.Tensor, target_lengths: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """By diagonals, the logarithm of the probability that a way ends well from where a place's blank, or its label,
    leads to."""
    after_blank, after_label = torch.full_like(blank, NOWHERE), torch.full_like(label, NOWHERE)
    ends = lengths + target_lengths - 1
    u = torch.arange(blank.shape[2], device=blank.device)
    here = torch.full_like(blank[:, 0], NOWHERE)
    for n in reversed(range(blank.shape[1])):
        after_blank[:, n] = torch.where((ends[:, None] == n) & (u == target_lengths[:, None]), 0.0, here)
        after_label[:, n, :-1] = here[:, 1:]
        inside = (n - u < lengths[:, None]) & (u <= target_lengths[:, None])
        ways = torch.logaddexp(blank[:, n] + after_blank[:, n], label[:, n] + after_label[:, n])
        here = torch.where(inside, ways, NOWHERE)
    return after_blank, after_label
