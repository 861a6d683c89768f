#!/usr/bin/env python3
"""Writes a llama model with seeded random weights, for tests that must generate text:

    tests/models/generate.py FILE [--type f16|q8_0|q4_0|q4_k_m] [--shape small|7b] [--layers N] [--width N] [--seed N]

No weights are downloaded. Every byte is a token, so any prompt can be read and any output printed. A small model
fits a software renderer; a 7b one has the shape of llama 2 7B, for speeds that can be compared: 3.8 GB as q4_0.
Needs the PyPI packages gguf and numpy.
"""

import argparse
import dataclasses

import gguf
import k_quants
import numpy

Quantization = gguf.GGMLQuantizationType


@dataclasses.dataclass
class Shape:
    """Of a llama model. What is small is quantized weight by weight; of a large one, every matrix repeats a pool."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    grouped_heads: int
    head: int
    vocabulary: int
    context: int
    large: bool


def small(layers, width):
    heads = width // 64
    # Matrix rows of quantized weights come in blocks of 32 and 256 elements.
    return Shape(layers, width, 2 * width, heads, max(1, heads // 2), 64, 512, 512, large=False)


def seven_billion(layers):
    return Shape(layers, 4096, 11008, 32, 32, 128, 32000, 4096, large=True)


def tokens(count):
    """The vocabulary: texts, scores and kinds of the tokens, as sentencepiece models have them."""
    texts = [b"<unk>", b"<s>", b"</s>"] + [b"<0x%02X>" % byte for byte in range(256)]
    kinds = [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
    kinds += [gguf.TokenType.BYTE] * 256
    # A few pieces of text, so that the tokenizer has something to merge.
    for piece in ("\u2581", "e", "t", "a", "o", "n", "\u2581t", "he", "\u2581the"):
        texts.append(piece.encode())
        kinds.append(gguf.TokenType.NORMAL)
    while len(texts) < count:
        texts.append(b"<pad%d>" % len(texts))
        kinds.append(gguf.TokenType.UNUSED)
    return texts, [float(-i) for i in range(count)], kinds


def add_vocabulary(writer, count):
    texts, scores, kinds = tokens(count)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(texts)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_vocab_size(count)


def add_shape(writer, shape):
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.grouped_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.head)


def tensors(shape):
    """Names with rows, columns and gain of matrices, or with None for norms."""
    width, grouped = shape.width, shape.grouped_heads * shape.head
    yield "token_embd.weight", (shape.vocabulary, width, width**0.5)
    for layer in range(shape.layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", None
        yield block + "attn_q.weight", (width, width, 1)
        yield block + "attn_k.weight", (grouped, width, 1)
        yield block + "attn_v.weight", (grouped, width, 1)
        yield block + "attn_output.weight", (width, width, 1)
        yield block + "ffn_norm.weight", None
        yield block + "ffn_gate.weight", (shape.feed_forward, width, 1)
        yield block + "ffn_up.weight", (shape.feed_forward, width, 1)
        yield block + "ffn_down.weight", (width, shape.feed_forward, 1)
    yield "output_norm.weight", None
    # Logits a few units apart, so that rounding does not choose the next token.
    yield "output.weight", (shape.vocabulary, width, 4)


def mixed(name, layers):
    """What llama-quantize makes of a matrix under Q4_K_M: six bits where they matter most."""
    if name == "output.weight":
        return Quantization.Q6_K
    if name.endswith(("attn_v.weight", "ffn_down.weight")):
        layer = int(name.split(".")[1])
        if layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2:
            return Quantization.Q6_K
    return Quantization.Q4_K


def kind_of(name, type, layers):
    return mixed(name, layers) if type == "q4_k_m" else Quantization[type.upper()]


def quantized(weights, kind):
    """The matrix as bytes, a row of them for each of its rows."""
    if kind in (Quantization.Q4_K, Quantization.Q6_K):
        return k_quants.quantize(weights, kind)
    return gguf.quants.quantize(weights, kind).view(numpy.uint8)


class Independent:
    """Matrices whose every weight is drawn and quantized."""

    def __init__(self, random):
        self.random = random

    def matrix(self, kind, rows, columns, gain):
        weights = self.random.standard_normal((rows, columns), dtype=numpy.float32)
        weights *= gain / numpy.sqrt(columns)
        return quantized(weights, kind)


class Pooled:
    """Matrices cut from a pool of quantized blocks, each from a random place on: gigabytes in seconds."""

    # A prime number of blocks of 256, so that rows of a matrix differ.
    WEIGHTS = 65537 * 256

    def __init__(self, random):
        self.random = random
        self.pools = {}

    def matrix(self, kind, rows, columns, gain):
        pool = self.pool(kind, gain / columns**0.5)
        row = columns // gguf.GGML_QUANT_SIZES[kind][0] * pool.shape[1]
        start = self.random.integers(len(pool))
        return numpy.resize(numpy.concatenate([pool[start:], pool[:start]]), (rows, row))

    def pool(self, kind, deviation):
        if (kind, deviation) not in self.pools:
            weights = self.random.standard_normal((self.WEIGHTS // 256, 256), dtype=numpy.float32)
            _, size = gguf.GGML_QUANT_SIZES[kind]
            self.pools[kind, deviation] = quantized(weights * numpy.float32(deviation), kind).reshape(-1, size)
        return self.pools[kind, deviation]


def write(file, shape, type, random):
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name("pumice test model")
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{type.upper()}"])
    add_shape(writer, shape)
    add_vocabulary(writer, shape.vocabulary)

    for name, matrix in tensors(shape):
        if matrix is None:
            writer.add_tensor_info(name, (shape.width,), numpy.dtype(numpy.float32), 4 * shape.width)
        else:
            kind, (rows, columns, _) = kind_of(name, type, shape.layers), matrix
            elements, size = gguf.GGML_QUANT_SIZES[kind]
            bytes_per_row = columns // elements * size
            writer.add_tensor_info(name, (rows, bytes_per_row), numpy.dtype(numpy.uint8), rows * bytes_per_row, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    # One at a time: a large model does not have to fit in memory.
    weights = Pooled(random) if shape.large else Independent(random)
    for name, matrix in tensors(shape):
        if matrix is None:
            writer.write_tensor_data(numpy.ones(shape.width, dtype=numpy.float32))
        else:
            writer.write_tensor_data(weights.matrix(kind_of(name, type, shape.layers), *matrix))
    writer.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--type", choices=["f16", "q8_0", "q4_0", "q4_k_m"], default="q4_0")
    parser.add_argument("--shape", choices=["small", "7b"], default="small")
    parser.add_argument("--layers", type=int, help="2 if small, else 32")
    parser.add_argument("--width", type=int, default=256, help="of a small one")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    shape = small(options.layers or 2, options.width) if options.shape == "small" else seven_billion(options.layers or 32)
    write(options.file, shape, options.type, numpy.random.default_rng(options.seed))


if __name__ == "__main__":
    main()
