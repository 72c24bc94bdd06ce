"""Drawing tokens: the distribution, top-p, suppression, one stream per row."""

import math

import torch

from strive.stages.vlm import Sampling
from strive.stages.vlm.sampling import draw, row_noise, row_seeds

NOTHING = torch.empty(0, dtype=torch.int64)


def test_evenly_spaced_noise_gives_each_token_its_probability() -> None:
    logits = torch.tensor([[0.0, 1.0, -2.0, 3.0, -float("inf")]])
    noise = (torch.arange(10000, dtype=torch.float64) + 0.5) / 10000
    ids, logprobs, *_ = draw(logits.expand(10000, -1), noise, Sampling(1, temperature=2.0), NOTHING)
    expected = (logits[0] / 2.0).softmax(-1)
    shares = torch.bincount(ids, minlength=5) / 10000
    assert (shares - expected).abs().max() < 2e-4
    torch.testing.assert_close(logprobs, expected.log()[ids])


def test_top_p_keeps_the_smallest_set_that_reaches_the_mass() -> None:
    logits = torch.tensor([[0.5, 0.2, 0.2, 0.1]]).log()
    noise = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    ids, logprobs, *_ = draw(logits.expand(1000, -1), noise, Sampling(1, top_p=0.6), NOTHING)
    assert set(ids.tolist()) == {0, 1} or set(ids.tolist()) == {0, 2}
    assert abs((ids == 0).float().mean() - 0.5 / 0.7) < 2e-3
    assert abs(logprobs[ids == 0][0] - torch.tensor(0.5).log()) < 1e-6, "log-probs are those before top-p"


def test_suppressed_tokens_are_never_drawn_and_keep_their_mass_in_the_log_probs() -> None:
    logits = torch.tensor([[5.0, 0.0, 0.0]])
    suppressed = torch.tensor([0])
    noise = torch.linspace(0, 1 - 1e-9, 100, dtype=torch.float64)
    for sampling in (Sampling(1), Sampling(1, temperature=0.0), Sampling(1, top_p=0.5)):
        ids, logprobs, *_ = draw(logits.expand(100, -1), noise, sampling, suppressed)
        assert 0 not in ids.tolist()
        torch.testing.assert_close(logprobs, logits.log_softmax(-1)[0][ids])


def test_noise_at_its_ends_draws_possible_tokens_only() -> None:
    logits = torch.tensor([[-float("inf"), 0.0, 0.0, -float("inf")]]).expand(2, -1)
    ids, *_ = draw(logits, torch.tensor([0.0, 1.0 - 2**-53], dtype=torch.float64), Sampling(1), NOTHING)
    assert ids.tolist() == [1, 2]


def test_rows_of_a_split_batch_draw_what_the_whole_batch_draws() -> None:
    whole = row_noise(row_seeds(torch.Generator().manual_seed(3), 6), 5)
    generator = torch.Generator().manual_seed(3)
    parts = [row_noise(row_seeds(generator, rows), 5) for rows in (2, 4)]
    assert torch.equal(whole, torch.cat(parts))
    assert len(whole.unique()) == whole.numel(), "every row has a stream of its own"


def test_entropy_is_of_the_whole_distribution() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.25], [1.0, 1.0, 1.0]]).log()
    _, _, entropy, _ = draw(logits, None, Sampling(1, temperature=1.0, top_k=1), NOTHING)
    torch.testing.assert_close(entropy, torch.tensor([1.5 * math.log(2), math.log(3)]))


def test_top_k_keeps_the_k_likeliest_and_none_else() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0]]).expand(400, -1)
    noise = torch.rand(400, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for k, expected in ((1, {1}), (2, {1, 3}), (3, {1, 2, 3}), (0, {0, 1, 2, 3}), (9, {0, 1, 2, 3})):
        ids, logprobs, *_ = draw(logits, noise, Sampling(1, top_k=k), NOTHING)
        assert set(ids.tolist()) == expected
        assert torch.allclose(logprobs, logits[0].log_softmax(-1)[ids]), "of the whole distribution"
