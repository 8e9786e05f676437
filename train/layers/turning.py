"""Sequences from their last step to their first, whatever their lengths."""

import torch


def reversal(steps: int, batch: int, lengths, device) -> torch.Tensor:
    """(T, B): the step that each step exchanges with when a sequence is read backwards; padding stays."""
    t = torch.arange(steps, device=device)[:, None]
    lengths = torch.full((batch,), steps) if lengths is None else lengths
    lengths = lengths.to(device)[None]
    return torch.where(t < lengths, lengths - 1 - t, t)


def gather(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Steps ``index`` (T, B) of ``values`` (T, B, n)."""
    return values.gather(0, index[:, :, None].expand(-1, -1, values.shape[2]))
