#!/usr/bin/env python3
"""Generates greedily from a small test model in f64, without ggml, and prints the tokens as JSON:

    tests/models/reference.py FILE --prompt TOKENS | --find LEAD [--distinct N] [--count N] [--arithmetic exact|cuda]

TOKENS are numbers with commas between them. --find looks for a prompt whose every choice leads the next best by more
than LEAD. Where weights are quantized, ggml's back ends quantize activations, too, each in a way of its own: that
moves logits by some hundredths under Q8_0 and by some tenths under Q4_0, and a choice that leads by less says nothing
about a back end.

With "cuda", activations are rounded as by ggml's CUDA back end at compute capability 6.1: to 8 bits in blocks of 32
with a scale in f16; a kernel that subtracts a quantized weight's offset by itself multiplies that by the sum of the
activations before they were quantized, also in f16. What a device computes is this to four digits.
"""

import argparse
import json
import random

import gguf
import numpy

BLOCK = 32
# Up to so many columns are multiplied by the vector kernels, which handle offsets differently from the tiled ones.
VECTOR_COLUMNS = 8
# The token that ends a text.
END = 2


def half(values):
    return values.astype(numpy.float16).astype(numpy.float64)


class Matrix:
    """Weights with what the back end needs to know of their blocks."""

    def __init__(self, tensor):
        self.kind = tensor.tensor_type
        self.weights = gguf.quants.dequantize(tensor.data, self.kind).astype(numpy.float64)
        self.data = tensor.data

    def offsets(self, columns):
        """What is subtracted from every weight of a block, where that meets the unquantized sum; or None."""
        rows = self.weights.shape[0]
        if self.kind == gguf.GGMLQuantizationType.Q4_0:
            scale = numpy.ascontiguousarray(self.data.reshape(rows, -1, 18)[:, :, :2]).view(numpy.float16)
            return 8 * scale[:, :, 0].astype(numpy.float64)
        if self.kind == gguf.GGMLQuantizationType.Q4_K and columns > VECTOR_COLUMNS:
            blocks = self.data.reshape(-1, 144)
            minimum = numpy.ascontiguousarray(blocks[:, 2:4]).view(numpy.float16).astype(numpy.float64)
            _, minima = gguf.quants.Q4_K.get_scale_min(blocks[:, 4:16])
            return (minimum * minima).reshape(rows, -1)
        return None

    def apply(self, values, exact):
        """The product with a row of `values` for each column."""
        if exact or self.kind in (gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.F32):
            return values @ self.weights.T
        blocks = values.astype(numpy.float32).reshape(len(values), -1, BLOCK)
        scale = numpy.abs(blocks).max(axis=2, keepdims=True) / numpy.float32(127)
        steps = numpy.rint(numpy.divide(blocks, scale, out=numpy.zeros_like(blocks), where=scale > 0))
        quantized = steps.astype(numpy.float64) * half(scale)
        product = quantized.reshape(values.shape) @ self.weights.T
        offsets = self.offsets(len(values))
        if offsets is not None:
            product -= (half(blocks.sum(axis=2)) - quantized.sum(axis=2)) @ offsets.T
        return product


class Model:
    def __init__(self, path, exact):
        reader = gguf.GGUFReader(path)
        self.matrices = {tensor.name: Matrix(tensor) for tensor in reader.tensors}
        self.exact = exact

        def parameter(name):
            return reader.fields["llama." + name].contents()

        self.layers = parameter("block_count")
        self.heads = parameter("attention.head_count")
        self.grouped_heads = parameter("attention.head_count_kv")
        self.head = parameter("rope.dimension_count")
        self.epsilon = parameter("attention.layer_norm_rms_epsilon")
        self.forget()

    def forget(self):
        self.cache = [([], []) for _ in range(self.layers)]

    def multiply(self, name, values):
        return self.matrices[name + ".weight"].apply(values, self.exact)

    def normalize(self, values):
        # The norms' weights are ones.
        return values / numpy.sqrt((values**2).mean(axis=1, keepdims=True) + self.epsilon)

    def rotate(self, values, start):
        """Rotary embedding of neighbouring pairs, for positions from `start` on."""
        positions = start + numpy.arange(len(values))[:, None, None]
        angles = positions * 10000.0 ** (-numpy.arange(0, self.head, 2) / self.head)
        even, odd = values[..., 0::2], values[..., 1::2]
        rotated = numpy.empty_like(values)
        rotated[..., 0::2] = even * numpy.cos(angles) - odd * numpy.sin(angles)
        rotated[..., 1::2] = even * numpy.sin(angles) + odd * numpy.cos(angles)
        return rotated

    def attend(self, layer, normal):
        block = f"blk.{layer}.attn_"
        keys, values = self.cache[layer]
        start, count = len(keys), len(normal)
        shape = (count, self.grouped_heads, self.head)
        query = self.rotate(self.multiply(block + "q", normal).reshape(count, self.heads, self.head), start)
        keys.extend(half(self.rotate(self.multiply(block + "k", normal).reshape(shape), start)))
        values.extend(half(self.multiply(block + "v", normal).reshape(shape)))
        key, value = numpy.array(keys), numpy.array(values)
        future = numpy.arange(len(keys)) > start + numpy.arange(count)[:, None]
        result = numpy.empty_like(query)
        for head in range(self.heads):
            group = head * self.grouped_heads // self.heads
            scores = query[:, head] @ key[:, group].T / numpy.sqrt(self.head)
            scores[future] = -numpy.inf
            weights = numpy.exp(scores - scores.max(axis=1, keepdims=True))
            result[:, head] = weights / weights.sum(axis=1, keepdims=True) @ value[:, group]
        return self.multiply(block + "output", result.reshape(count, -1))

    def feed_forward(self, layer, normal):
        block = f"blk.{layer}.ffn_"
        gate = self.multiply(block + "gate", normal)
        return self.multiply(block + "down", gate / (1 + numpy.exp(-gate)) * self.multiply(block + "up", normal))

    def logits(self, tokens):
        """After `tokens`, which continue those of earlier calls."""
        values = self.matrices["token_embd.weight"].weights[tokens]
        for layer in range(self.layers):
            values = values + self.attend(layer, self.normalize(values))
            values = values + self.feed_forward(layer, self.normalize(values))
        return self.multiply("output", self.normalize(values[-1:]))[0]


def likeliest(logits, count):
    """Tokens with the logarithms of their probabilities."""
    logarithms = logits - logits.max()
    logarithms -= numpy.log(numpy.exp(logarithms).sum())
    return {int(token): round(float(logarithms[token]), 4) for token in numpy.argsort(-logarithms)[:count]}


def generate(model, prompt, count):
    """Tokens, each with how far its logit leads the next one's."""
    logits = model.logits(prompt)
    for _ in range(count):
        second, first = numpy.sort(logits)[-2:]
        token = int(logits.argmax())
        yield token, float(first - second)
        logits = model.logits([token])


def clear(choices, options):
    """Whether each choice leads by enough, and they are not the same few over and over."""
    tokens = []
    for token, lead in choices:
        tokens.append(token)
        # Greedy text of random weights runs into loops: a short one would say little. Back ends differ in what
        # they do at a text's end.
        if lead <= options.find or token == END or len(set(tokens)) < min(len(tokens), options.distinct):
            return False
    return True


def find(options):
    """The first prompt of a seeded series whose choices are all clear."""
    source = random.Random(1)
    model = Model(options.file, options.arithmetic == "exact")
    while True:
        # The first token starts a text; those below 259 are bytes and signs for control.
        prompt = [1] + [source.randrange(3, 259) for _ in range(7)]
        model.forget()
        if clear(generate(model, prompt, options.count), options):
            return prompt


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--prompt", type=lambda text: [int(token) for token in text.split(",")])
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--arithmetic", choices=["cuda", "exact"], default="exact")
    parser.add_argument("--find", type=float, metavar="LEAD")
    parser.add_argument("--distinct", type=int, default=12, help="so many tokens come before the first that repeats one")
    options = parser.parse_args()

    prompt = options.prompt or find(options)
    model = Model(options.file, options.arithmetic == "exact")
    tokens, leads = zip(*generate(model, prompt, options.count))
    model.forget()
    first = likeliest(model.logits(prompt), 4)
    print(json.dumps({"prompt": prompt, "tokens": tokens, "smallest lead": round(min(leads), 4), "first": first}))


if __name__ == "__main__":
    main()
