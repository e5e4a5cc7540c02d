"""Makes a small Llama with a real tokenizer, so that a real engine serves something without downloading weights.

Runs inside the engine's own environment: `python tiny_model.py FOLDER --hidden 128 --layers 2 --seed 0`. The tokenizer
is trained on the standard library's own sources. The weights are random: answers are always the same, and meaningless.
"""

import argparse
import os
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

MAX_TOKENS = 4096
HEAD_WIDTH = 32
SPECIAL = {"pad_token": "<|pad|>", "bos_token": "<|bos|>", "eos_token": "<|eos|>"}
TURNS = ["<|im_start|>", "<|im_end|>"]
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer with a chat template, trained on the standard library."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*SPECIAL.values(), *TURNS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train([str(path) for path in sorted(Path(os.__file__).parent.glob("*.py"))], trainer)
    made = PreTrainedTokenizerFast(
        tokenizer_object=bpe, additional_special_tokens=TURNS, model_max_length=MAX_TOKENS, **SPECIAL
    )
    made.chat_template = CHAT_TEMPLATE
    return made


def model(tokens: PreTrainedTokenizerFast, *, hidden: int, layers: int, seed: int) -> LlamaForCausalLM:
    """A Llama of random weights; `hidden` is a multiple of 64."""
    torch.manual_seed(seed)
    shape = LlamaConfig(
        vocab_size=len(tokens),
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // HEAD_WIDTH,
        num_key_value_heads=hidden // (2 * HEAD_WIDTH),
        head_dim=HEAD_WIDTH,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=tokens.bos_token_id,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.1,
    )
    return LlamaForCausalLM(shape).to(torch.bfloat16)


def main() -> None:
    """Write weights, configuration and tokenizer into one folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--vocabulary", type=int, default=4096)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    tokens = tokenizer(given.vocabulary)
    model(tokens, hidden=given.hidden, layers=given.layers, seed=given.seed).save_pretrained(given.folder)
    tokens.save_pretrained(given.folder)


if __name__ == "__main__":
    main()
