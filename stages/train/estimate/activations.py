"""What autograd keeps of a forward until its backward: bytes per token, term by term, from a model's widths.

The terms were read off PyTorch's saved tensors; `tests/train/test_estimate.py` counts them for every precision.
"""

from dataclasses import dataclass
from typing import Literal

from strive.stages.train.estimate.model_shape import BlockShape

Training = Literal["none", "lora", "full"]


@dataclass(frozen=True)
class Precision:
    """Bytes of an element: of the weights, of the stream between blocks, and of what the kernels compute on.

    float32 (4, 4, 4); bfloat16 (2, 2, 2); mixed, which is float32 weights under bfloat16 autocast (4, 4, 2).
    """

    weights: int
    stream: int
    kernel: int

    @property
    def autocast(self) -> bool:
        """Every linear map casts its own input."""
        return self.stream != self.kernel


PRECISIONS = {"float32": Precision(4, 4, 4), "bfloat16": Precision(2, 2, 2), "mixed": Precision(4, 4, 2)}


def block_terms(block: BlockShape, precision: Precision, training: Training, rank: int = 0) -> dict[str, int]:
    """Bytes that one block keeps for each token, by what they are; zero for a block that is not part of a graph.

    "attention" is without keys and values, which are `key_value_bytes`. A weight in training keeps its map's input, a
    frozen one nothing; a LoRA keeps the input of every map it sits on and its own narrow middle.
    """
    if training == "none":
        return {}
    width, kernel = block.width, precision.kernel
    norms = 2 * norm_bytes(width, 1, block.rms, precision, training)
    if block.head_norm:
        norms += norm_bytes(block.query, block.heads, True, precision, training)
        norms += norm_bytes(block.key_value, block.key_value // block.head_dim, True, precision, training)
    return {
        "norms": norms,
        "linear inputs": linear_bytes(block, precision, training, rank),
        "attention": 2 * block.query * kernel + 4 * block.heads,  # queries, output, log-sum-exp
        "mlp": (3 if block.gated else 1) * block.mlp * kernel,  # gate, its activation, up; or what the activation reads
    }


def norm_bytes(width: int, groups: int, rms: bool, precision: Precision, training: Training) -> int:
    """RMSNorm: its input in float32, the normalised stream when its weight trains, a scale each group.

    LayerNorm keeps its input as it came, mean and scale.
    """
    if not rms:
        return width * precision.stream + 8 * groups
    return 4 * width + 4 * groups + (width * precision.stream if training == "full" else 0)


def linear_bytes(block: BlockShape, precision: Precision, training: Training, rank: int) -> int:
    """Inputs of the block's linear maps that nothing else keeps.

    Maps that read one tensor share what is kept of it, unless each casts it for itself, as under autocast. The
    attention's output counts here only as such a copy.
    """
    lora, casts, size = training == "lora", precision.autocast, precision.kernel
    readers = block.attention_inputs + block.mlp_inputs if casts else 2
    kept = readers * block.width * size + block.mlp * size
    if lora:
        kept += block.query * size if casts else 0
        kept += (block.attention_inputs + block.mlp_inputs + 2) * rank * size
    return kept


def block_bytes(block: BlockShape, precision: Precision, training: Training, rank: int = 0) -> int:
    """Bytes that one block keeps for each token, keys and values apart."""
    return sum(block_terms(block, precision, training, rank).values())


def key_value_bytes(block: BlockShape, precision: Precision) -> int:
    """Keys and values of one token in one block, as attention reads them.

    Values that one map makes together with queries and keys are a third of a tensor that stays whole.
    """
    joint = 3 if block.attention_inputs == 1 else 1
    return (1 + joint) * block.key_value * precision.kernel


def stack_bytes(block: BlockShape, precision: Precision, training: Training, rank: int = 0,
                checkpointing: bool = False) -> int:
    """Bytes that all blocks, the last norm and the rotary tables keep for each token, keys and values apart.

    With checkpointing a block keeps only its input; while it is computed again, all of its own. The first norm under a
    LoRA is no part of the graph: its input is made of frozen embeddings.
    """
    if training == "none":
        return 0
    outside = norm_bytes(block.width, 1, block.rms, precision, training) + 2 * block.head_dim * precision.stream
    if training == "lora":
        outside -= norm_bytes(block.width, 1, block.rms, precision, training)
    if checkpointing:
        return outside + block.depth * block.width * precision.stream
    return outside + block.depth * block_bytes(block, precision, training, rank)
