"""The demo models' own vocabulary: byte-level BPE learned from the world's texts, so that any text can be encoded."""

import json
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import Qwen2Tokenizer
from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

from strive.stages.demo.questions import FAMILIES

VISUAL_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *VISUAL_TOKENS)
# one token each, yet ordinary text: decoding a reply keeps them
REPLY_TOKENS = ("<think>", "</think>", "<answer>", "</answer>")
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'video' or 'video' in part %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part.type == 'image' or 'image' in part %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif 'text' in part %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def corpus(prompts: list[str]) -> list[str]:
    """The texts the vocabulary is learned from: every prompt and every reply of the world."""
    replies = [reply_text(name, answer) for name, family in FAMILIES.items() for answer in family.choices]
    replies += [guess_text(answer) for family in FAMILIES.values() for answer in family.choices]
    return [*prompts, *replies, "<|im_start|>user\n", "<|im_start|>assistant\n"] * 4


def reply_text(family: str, answer: str) -> str:
    """The reply that the policy is taught: a short thought, then the answer."""
    return f"<think>{FAMILIES[family].thought(answer)}</think><answer>{answer}</answer>"


def guess_text(answer: str) -> str:
    """A reply that does not look: the habit that reinforcement learning is to break."""
    return f"<think>not sure</think><answer>{answer}</answer>"


def learn_tokenizer(prompts: list[str], merges: int = 400) -> Qwen2Tokenizer:
    """Learn at most ``merges`` merges; the same texts give the same vocabulary on every machine."""
    learner = Tokenizer(models.BPE())
    learner.normalizer = normalizers.NFC()
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PRETOKENIZE_REGEX), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    learner.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator([_without_reply_tokens(text) for text in corpus(prompts)], trainer)
    learned = json.loads(learner.to_str())["model"]
    tokenizer = Qwen2Tokenizer(
        vocab=learned["vocab"],
        merges=merges_of(learned),
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=4096,
    )
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in REPLY_TOKENS])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer




def merges_of(model: Any) -> Any:
    """The learned merges as the pairs that the tokenizer class takes (its annotation names only strings)."""
    return [tuple(merge) for merge in model["merges"]]


def _without_reply_tokens(text: str) -> str:
    for token in (*REPLY_TOKENS, *SPECIAL_TOKENS):
        text = text.replace(token, "\n")
    return text
