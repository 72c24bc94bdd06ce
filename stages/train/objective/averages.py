"""How the losses of tokens become one number: every micro-batch divides by the whole batch's totals, so parts add up.

All take values float [R, C] and return a scalar. Where completions differ in length the choice decides who weighs more.
"""

from torch import Tensor

from strive.stages.train.objective.inputs import LossSettings, TokenBatch, Totals


def token_mean(values: Tensor, tokens: TokenBatch, totals: Totals) -> Tensor:
    """sum_i sum_t m L / sum_i |o_i|: every token of the batch weighs the same."""
    return (values * tokens.mask).sum() / max(totals.tokens, 1)


def sequence_mean(values: Tensor, tokens: TokenBatch, totals: Totals) -> Tensor:
    """1/R sum_i (1/|o_i| sum_t m L): every completion weighs the same."""
    rows = (values * tokens.mask).sum(dim=1) / tokens.mask.sum(dim=1).clamp(min=1)
    return rows.sum() / max(totals.rows, 1)


def group_mean(values: Tensor, tokens: TokenBatch, totals: Totals) -> Tensor:
    """1/Q sum_q (sum over the question's tokens / their number): every question weighs the same."""
    if tokens.group_tokens is None:
        raise ValueError("a mean over groups needs the number of tokens of each row's group")
    rows = (values * tokens.mask).sum(dim=1) / tokens.group_tokens.clamp(min=1)
    return rows.sum() / max(totals.groups, 1)


def budget_mean(values: Tensor, tokens: TokenBatch, totals: Totals, settings: LossSettings) -> Tensor:
    """sum_i sum_t m L / (R * max_new_tokens): divided by a constant, so that length changes no token's weight."""
    return (values * tokens.mask).sum() / (max(totals.rows, 1) * settings.max_new_tokens)
