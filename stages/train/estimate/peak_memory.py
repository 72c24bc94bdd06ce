"""How much memory a training step needs at its fullest, by part, from a model's measures and the step's shape.

A step goes through phases; what each holds is written down as the engine holds it, and the fullest is the peak.
"""

from dataclasses import dataclass

from strive.stages.train.engine.chunks import LEAST_TOKENS
from strive.stages.train.estimate.activations import Precision, Training, block_bytes, key_value_bytes, stack_bytes
from strive.stages.train.estimate.model_shape import ModelShape
from strive.stages.train.estimate.step_shape import StepShape
from strive.stages.vlm.packed import spans_of
from strive.stages.vlm.token_probs import CHUNK_ELEMENTS

Parts = dict[str, int]
PIXEL_BYTES = 4


@dataclass(frozen=True)
class Setup:
    """What is trained, on what, how. budget: prompt or completion tokens that go through one forward.

    on_cpu: attention kernels read shared key heads as they are. eager: the prefill writes its scores out. moment_bytes:
    of one optimiser moment's element. reference: a second, frozen model is held for the KL.
    """

    model: ModelShape
    step: StepShape
    precision: Precision
    training: Training
    trains_vision: bool
    rank: int
    checkpointing: bool
    budget: int
    on_cpu: bool
    eager: bool = False
    moment_bytes: int = 4
    reference: bool = False

    @property
    def together(self) -> int:
        """Views that are read and continued together in the rollout."""
        each = self.step.prompt_tokens + self.step.rows * self.step.new_tokens
        return max(1, min(self.step.views, self.budget // each))

    @property
    def kept(self) -> int:
        """Views whose prefill serves the update too: whole groups, as long as their prompts fit the budget."""
        groups = self.budget // (self.together * self.step.prompt_tokens)
        return min(self.step.views, groups * self.together)

    @property
    def chunk(self) -> int:
        """Views of the largest chunk of the update: a kept group, or what is read again."""
        again = max(1, self.budget // self.step.prompt_tokens)
        return max(self.together if self.kept else 1, min(self.step.views - self.kept, again))

    @property
    def chunks(self) -> int:
        """Chunks of the update."""
        read_again = max(1, self.budget // self.step.prompt_tokens)
        return -(-self.kept // self.together) + -(-(self.step.views - self.kept) // read_again)

    @property
    def held(self) -> int:
        """Prompt tokens whose graph is held when the first chunk of the update begins."""
        return max(self.kept, self.chunk) * self.step.prompt_tokens

    @property
    def held_later(self) -> int:
        """The same for the chunks after it: one kept group less, or what is read again."""
        return max(self.kept - self.together, self.chunk) * self.step.prompt_tokens

    @property
    def batch(self) -> tuple[int, int]:
        """A micro-batch of the update: views, and rows of each."""
        prompts = self.chunk * self.step.prompt_tokens
        limit = min(max(LEAST_TOKENS, prompts // 4), max(self.budget - prompts, LEAST_TOKENS))
        rows = max(1, limit // self.step.new_tokens)
        return (1, rows) if rows < self.step.rows else (min(self.chunk, rows // self.step.rows), self.step.rows)

    @property
    def batches(self) -> int:
        """Micro-batches of the first chunk."""
        return -(-self.chunk * self.step.rows // self.rows)

    @property
    def rows(self) -> int:
        """Completions that go through one forward of the update."""
        views, each = self.batch
        return views * each

    @property
    def trainable(self) -> int:
        """Elements that are trained."""
        if self.training == "lora":
            return self.model.lora_parameters(self.rank)
        return self.model.total - (0 if self.trains_vision else self.model.vision)

    @property
    def trainable_bytes(self) -> int:
        """Bytes of one such element and of its gradient; adapters are made in the model's dtype."""
        return self.precision.weights


def phases(setup: Setup) -> dict[str, Parts]:
    """What each phase holds, in bytes by part; the parts' names are those of `Estimate`."""
    fixed, step = static(setup), setup.step
    own = setup.together * step.rows * max(step.new_tokens - 1, 0)
    per_token = setup.model.decoder.depth * key_value_bytes(setup.model.decoder, setup.precision)
    reading = {"working memory": block_work(setup, setup.chunk * step.prompt_tokens)}
    batch = {"completion activations": completion_activations(setup), "logits": logits(setup),
             "working memory": block_work(setup, setup.rows * step.new_tokens)}
    first, later = prompts(setup, setup.held), prompts(setup, setup.held_later)
    # the tower's gradient comes last, in the backward of the prompts; the only micro-batch has none before it
    begun = setup.trainable - (setup.model.vision if setup.trains_vision else 0) if setup.batches > 1 else 0
    return {
        "vision": fixed | {"vision activations": vision_activations(setup), "working memory": vision_work(setup)},
        "prefill": fixed | first | reading,
        "rollout": fixed | (first if setup.kept else cached(setup, setup.held)) | {
            "rollout KV": own * per_token, "logits": decode_logits(setup), "working memory": decode_work(setup)},
        "completions": fixed | first | batch | gradients(setup, begun, setup.batches > 1, setup.held),
        "later completions": fixed | later | batch | gradients(setup, setup.trainable, True, setup.held_later, True)
        if setup.chunks > 1 else {},
        "prefix backward": fixed | first | reading | gradients(setup, setup.trainable, True, setup.held),
        "optimizer": fixed | {"gradients": setup.trainable * 4},
    }


def prompts(setup: Setup, tokens: int) -> Parts:
    """All that the graph of `tokens` prompt tokens holds, their views' in the tower included."""
    tower = vision_activations(setup) * tokens // setup.held if setup.trains_vision else 0
    return {"vision activations": tower, "prefix activations": prefix(setup, tokens)} | cached(setup, tokens)


def cached(setup: Setup, tokens: int) -> Parts:
    """Keys and values of `tokens` prompt tokens."""
    return {"prefix KV": prefix_kv(setup, tokens)}


def gradients(setup: Setup, elements: int, of_prefix: bool, tokens: int, again: bool = False) -> Parts:
    """Of `elements` weights, in their precision; `again`: beside float32 sums of the chunks before, where that is less.
    """
    sums = elements * 4 if again and setup.trainable_bytes < 4 else 0
    return {"gradients": elements * setup.trainable_bytes + sums,
            "prefix KV gradients": prefix_kv(setup, min(tokens, setup.chunk * setup.step.prompt_tokens))
            if of_prefix else 0}


def static(setup: Setup) -> Parts:
    """Weights; moments, and float32 masters of weights in lower precision."""
    extra = setup.trainable * setup.trainable_bytes if setup.training == "lora" else 0
    masters = setup.trainable * 4 if setup.trainable_bytes < 4 else 0
    models = 2 if setup.reference else 1
    return {"weights": models * setup.model.total * setup.precision.weights + extra,
            "optimizer": masters + 2 * setup.moment_bytes * setup.trainable}


def prefix(setup: Setup, tokens: int) -> int:
    """What the prompts' graph keeps beside keys and values; under autocast the layers' weights once more."""
    per_token = stack_bytes(setup.model.decoder, setup.precision, setup.training, setup.rank, setup.checkpointing)
    return (per_token + written_scores(setup)) * tokens + weight_casts(setup)


def written_scores(setup: Setup) -> int:
    """What attention without a kernel keeps for a prompt token: softmax in float32 and rounded, keys of every head."""
    decoder, kernel = setup.model.decoder, setup.precision.kernel
    if not setup.eager:
        return 0
    scores = decoder.heads * setup.step.prompt_tokens * (4 + (kernel if kernel < 4 else 0))
    return (1 if setup.checkpointing else decoder.depth) * (scores + 2 * decoder.query * kernel)


def weight_casts(setup: Setup) -> int:
    """Layers' weights in the kernels' precision, which a graph under autocast keeps."""
    if not setup.precision.autocast or setup.checkpointing:
        return 0
    return setup.model.decoder.depth * setup.model.decoder.weights * setup.precision.kernel


def prefix_kv(setup: Setup, tokens: int) -> int:
    """Keys and values of the prompts, held once whatever the number of completions."""
    decoder = setup.model.decoder
    raised = decoder.key_value * setup.precision.stream if setup.precision.autocast else 0  # keys as they were rotated
    return decoder.depth * (key_value_bytes(decoder, setup.precision) + raised) * tokens


def vision_activations(setup: Setup) -> int:
    """Pixels, and what the tower's graph keeps of them where it is trained; the projector reads merged patches."""
    tower, view = setup.model.tower, setup.step.view
    patch_pixels = setup.model.patch_embed // max(tower.width, 1) * PIXEL_BYTES
    if not setup.trains_vision:
        return setup.step.variants * view.patches * patch_pixels
    per_patch = stack_bytes(tower, setup.precision, "full")
    per_patch += tower.depth * key_value_bytes(tower, setup.precision)
    per_patch += 3 * tower.width * setup.precision.kernel  # the projector's input, hidden layer and its activation
    return setup.held // setup.step.prompt_tokens * view.patches * (per_patch + patch_pixels)


def vision_work(setup: Setup) -> int:
    """One block of the tower at work on all patches."""
    tower, view = setup.model.tower, setup.step.view
    return setup.step.variants * view.patches * (2 * tower.mlp + 4 * tower.width) * setup.precision.stream


def block_work(setup: Setup, tokens: int) -> int:
    """One decoder block in backward: gradients inside its MLP, and the block itself where it is computed again."""
    decoder, precision = setup.model.decoder, setup.precision
    work = 3 * decoder.mlp * precision.kernel + 2 * decoder.width * precision.stream
    if setup.checkpointing:
        work += block_bytes(decoder, precision, setup.training, setup.rank)
    return tokens * work


def completion_activations(setup: Setup) -> int:
    """What the graph of one micro-batch keeps: its tokens' activations and keys, and the prompts' beside them."""
    decoder, precision = setup.model.decoder, setup.precision
    tokens = setup.rows * max(setup.step.new_tokens - 1, 0)
    held = stack_bytes(decoder, precision, setup.training, setup.rank, setup.checkpointing) * tokens
    attended = shared_attention(setup) * (1 if setup.checkpointing else decoder.depth)
    states = setup.rows * setup.step.new_tokens * decoder.width * precision.stream
    return held + attended + states + weight_casts(setup)


def shared_attention(setup: Setup) -> int:
    """Of one block: keys and values of prompt and completions end to end for each span, its mask, outputs twice."""
    decoder, kernel, length = setup.model.decoder, setup.precision.kernel, setup.step.prompt_tokens
    inputs = max(setup.step.new_tokens - 1, 0)
    views, each = setup.batch
    spans = spans_of([inputs] * each) if views == 1 else ((0, each * inputs),)
    sizes = [end - start for start, end in spans]
    wide = key_value_bytes(decoder, setup.precision) if setup.on_cpu else 2 * decoder.query * kernel
    keys = sum(length + size for size in sizes) * wide
    masks = sum(size * (length + size) for size in sizes) * kernel
    outputs = decoder.query * kernel * each * inputs if len(sizes) > 1 else 0
    return views * (keys + masks + outputs)


def logits(setup: Setup) -> int:
    """One chunk of the vocabulary matrix' output: log-softmax, what becomes of it, and its gradient, in float32."""
    rows = min(setup.rows * setup.step.new_tokens, max(1, CHUNK_ELEMENTS // setup.model.vocabulary))
    low = setup.precision.kernel if setup.precision.kernel < 4 else 0
    return rows * setup.model.vocabulary * (3 * 4 + low)


def decode_logits(setup: Setup) -> int:
    """All rows' next token: four float32 tables and the two in float64 that the draw is made from."""
    return setup.together * setup.step.rows * setup.model.vocabulary * (4 * 4 + 2 * 8 + setup.precision.kernel)


def decode_work(setup: Setup) -> int:
    """Scores of all rows over their prompt and themselves in one block: as they come, joined, softmax, rounded."""
    decoder = setup.model.decoder
    keys = setup.step.prompt_tokens + setup.step.new_tokens
    return setup.together * setup.step.rows * decoder.heads * keys * (2 * setup.precision.kernel + 8)
