"""The floor of the training-step benchmark: the step's matrix products and attention kernels on random data, no more.

One vision forward and backward (when it is trained), one prompt forward and backward, decoding, and the completions'
forward and backward: same shapes, dtype and threads. No norms, activations, rotary positions, softmax over the
vocabulary, sampling, optimiser, memory traffic between layers or Python of a model.
"""

import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from train_step_shape import FRAME_SIDE, Shape, serve

Sizes = list[tuple[int, int]]


class Stack:
    """A stack of linear layers: `sizes` (in, out) of one layer, each with weights of its own, `depth` times."""

    def __init__(self, sizes: Sizes, depth: int) -> None:
        self.weights = [torch.randn(out, into) / into**0.5 for _ in range(depth) for into, out in sizes]

    def forward(self, rows: int) -> Callable[[], None]:
        """Products of `rows` inputs with every weight."""
        room = Room(self.weights, rows)

        def run() -> None:
            for weight in self.weights:
                torch.mm(room.narrow(weight.shape[1]), weight.t(), out=room.wide(weight.shape[0]))

        return run

    def backward(self, rows: int) -> Callable[[], None]:
        """For every weight the gradient of its input and its own."""
        room = Room(self.weights, rows)
        gradients = {weight.shape: torch.empty_like(weight) for weight in self.weights}

        def run() -> None:
            for weight in self.weights:
                entering, leaving = room.narrow(weight.shape[1]), room.wide(weight.shape[0])
                torch.mm(leaving.t(), entering, out=gradients[weight.shape])
                torch.mm(leaving, weight, out=entering)

        return run


class Room:
    """Reused inputs and outputs [rows, width] of a stack, so that nothing is allocated while the clock runs."""

    def __init__(self, weights: list[Tensor], rows: int) -> None:
        self.entering = {width: torch.randn(rows, width) for width in {w.shape[1] for w in weights}}
        self.leaving = {width: torch.randn(rows, width) for width in {w.shape[0] for w in weights}}

    def narrow(self, width: int) -> Tensor:
        """Inputs of that width."""
        return self.entering[width]

    def wide(self, width: int) -> Tensor:
        """Outputs of that width."""
        return self.leaving[width]


@dataclass(frozen=True)
class Attention:
    """One layer's attention: [batch, heads, queries, dim] over [batch, heads, keys, dim], done `depth` times."""

    batch: int
    heads: int
    queries: int
    keys: int
    dim: int
    depth: int
    causal: bool = False

    def states(self) -> list[Tensor]:
        """Query, key and value."""
        return [torch.randn(self.batch, self.heads, count, self.dim) for count in (self.queries, self.keys, self.keys)]

    def forward(self) -> Callable[[], None]:
        """The kernel without gradient."""
        query, key, value = self.states()

        def run() -> None:
            for _ in range(self.depth):
                scaled_dot_product_attention(query, key, value, is_causal=self.causal)

        return torch.no_grad()(run)

    def both(self) -> Callable[[], None]:
        """The kernel and its backward."""
        states = [state.requires_grad_() for state in self.states()]
        gradient = torch.randn(self.batch, self.heads, self.queries, self.dim)

        def run() -> None:
            for _ in range(self.depth):
                torch.autograd.grad(scaled_dot_product_attention(*states, is_causal=self.causal), states, gradient)

        return run


class Model:
    """The benchmark model's layers as stacks and attention sizes."""

    def __init__(self, folder: str) -> None:
        config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
        text, self.seen = config["text_config"], config["vision_config"]
        hidden, inner = text["hidden_size"], text["intermediate_size"]
        self.depth = text["num_hidden_layers"]
        self.heads, self.kv = text["num_attention_heads"], text["num_key_value_heads"]
        self.dim = hidden // self.heads
        kept = self.kv * self.dim
        self.text = Stack([(hidden, hidden), (hidden, kept), (hidden, kept), (hidden, hidden), (hidden, inner),
                           (hidden, inner), (inner, hidden)], self.depth)
        self.head = Stack([(hidden, text["vocab_size"])], 1)
        side, own = self.seen["hidden_size"], self.seen["intermediate_size"]
        merged = side * self.seen["spatial_merge_size"]**2
        patch = 3 * self.seen["temporal_patch_size"] * self.seen["patch_size"]**2
        self.patches = Stack([(patch, side)], 1)
        self.tower = Stack([(side, 3 * side), (side, side), (side, own), (side, own), (own, side)], self.seen["depth"])
        self.merger = Stack([(merged, merged), (merged, hidden)], 1)

    def vision(self, frames: int) -> list[Callable[[], None]]:
        """Forward and backward of the tower: every frame attends to itself."""
        own = (FRAME_SIDE // self.seen["patch_size"]) ** 2
        rows, merged = frames * own, frames * own // self.seen["spatial_merge_size"]**2
        heads = self.seen["num_heads"]
        attention = Attention(frames, heads, own, own, self.seen["hidden_size"] // heads, self.seen["depth"])
        parts = [(self.patches, rows), (self.tower, rows), (self.merger, merged)]
        return [attention.both(), *(stack.forward(count) for stack, count in parts),
                *(stack.backward(count) for stack, count in parts)]

    def prompt(self, tokens: int) -> list[Callable[[], None]]:
        """Forward and backward of the language model over the prompt."""
        attention = Attention(1, self.heads, tokens, tokens, self.dim, self.depth, causal=True)
        return [attention.both(), self.text.forward(tokens), self.text.backward(tokens)]

    def decode(self, prompt: int, rows: int, steps: int) -> list[Callable[[], None]]:
        """One token of every row at a time; the rows' queries meet the prompt's keys as one group."""
        share = self.heads // self.kv
        linear = [self.text.forward(rows), self.head.forward(rows)]
        prefix = Attention(1, self.kv, rows * share, prompt, self.dim, self.depth).forward()
        own = [Attention(rows, self.kv, share, step, self.dim, self.depth).forward() for step in range(1, steps)]
        return [*(part for _ in range(steps - 1) for part in (linear[0], prefix)), *own, *linear[1:] * steps]

    def completions(self, prompt: int, rows: int, tokens: int) -> list[Callable[[], None]]:
        """Forward and backward of all completions, over the prompt and over themselves."""
        share, count = self.heads // self.kv, rows * tokens
        prefix = Attention(1, self.kv, count * share, prompt, self.dim, self.depth)
        own = Attention(rows, self.heads, tokens, tokens, self.dim, self.depth, causal=True)
        return [prefix.both(), own.both(), self.text.forward(count), self.text.backward(count),
                self.head.forward(count), self.head.backward(count)]


def seconds(parts: list[Callable[[], None]], repeats: int) -> float:
    """Median seconds of all the parts, after one run to warm up."""
    times = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        for part in parts:
            part()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def measure(shape: Shape) -> dict[str, Any]:
    """Seconds of each part and of all."""
    model, prompt = Model(shape.model), shape.prompt_tokens
    parts = {"vision_s": model.vision(shape.frames)} if shape.vision == "trainable" else {}
    parts |= {"prompt_s": model.prompt(prompt), "decode_s": model.decode(prompt, shape.generations, shape.tokens),
              "completions_s": model.completions(prompt, shape.generations, shape.tokens)}
    took = {name: seconds(work, shape.steps) for name, work in parts.items()}
    return {"step_s": round(sum(took.values()), 4)} | {name: round(value, 4) for name, value in took.items()} | {
        "vision": shape.vision}


if __name__ == "__main__":
    serve(measure)
