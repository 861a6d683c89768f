#!/usr/bin/env python3
"""Writes a small llama model with seeded random weights, for tests that must generate text:

    tests/models/generate.py FILE [--type f16|q8_0|q4_0] [--layers N] [--width N] [--seed N]

No weights are downloaded. The vocabulary is every byte and a few control tokens, so any prompt can be read and any
output printed. Needs the PyPI packages gguf and numpy.
"""

import argparse

import gguf
import numpy

CONTEXT = 512
HEAD = 64


def tokens():
    """The vocabulary: texts, scores and kinds of the tokens, as sentencepiece models have them."""
    texts = [b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % byte for byte in range(256)]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256
    # A few pieces of text, so that the tokenizer has something to merge.
    for piece in ("\u2581", "e", "t", "a", "o", "n", "\u2581t", "he", "\u2581the"):
        texts.append(piece.encode())
        kinds.append(gguf.TokenType.NORMAL)
    # Matrix rows of quantized weights come in blocks of 32 and 256 elements.
    while len(texts) % 256:
        texts.append(b"<pad%d>" % len(texts))
        kinds.append(gguf.TokenType.UNUSED)
    return texts, [float(-i) for i in range(len(texts))], kinds


def add_vocabulary(writer):
    texts, scores, kinds = tokens()
    writer.add_tokenizer_model("llama")
    writer.add_token_list(texts)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_vocab_size(len(texts))
    return len(texts)


def add_shape(writer, layers, width):
    heads = width // HEAD
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(max(1, heads // 2))
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HEAD)
    return heads


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--type", choices=["f16", "q8_0", "q4_0"], default="q4_0")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    kind = gguf.GGMLQuantizationType[options.type.upper()]
    random = numpy.random.default_rng(options.seed)
    writer = gguf.GGUFWriter(options.file, "llama")
    writer.add_name("pumice test model")
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{options.type.upper()}"])
    width = options.width
    heads = add_shape(writer, options.layers, width)
    vocabulary = add_vocabulary(writer)

    def matrix(name, rows, columns, gain=1.0):
        weights = random.standard_normal((rows, columns), dtype=numpy.float32)
        weights *= gain / numpy.sqrt(columns)
        writer.add_tensor(name, gguf.quants.quantize(weights, kind), raw_dtype=kind)

    def norm(name):
        writer.add_tensor(name, numpy.ones(width, dtype=numpy.float32))

    grouped = max(1, heads // 2) * HEAD
    matrix("token_embd.weight", vocabulary, width, gain=numpy.sqrt(width))
    for layer in range(options.layers):
        block = f"blk.{layer}."
        norm(block + "attn_norm.weight")
        matrix(block + "attn_q.weight", width, width)
        matrix(block + "attn_k.weight", grouped, width)
        matrix(block + "attn_v.weight", grouped, width)
        matrix(block + "attn_output.weight", width, width)
        norm(block + "ffn_norm.weight")
        matrix(block + "ffn_gate.weight", 2 * width, width)
        matrix(block + "ffn_up.weight", 2 * width, width)
        matrix(block + "ffn_down.weight", width, 2 * width)
    norm("output_norm.weight")
    # Logits a few units apart, so that rounding does not choose the next token.
    matrix("output.weight", vocabulary, width, gain=4.0)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main()
