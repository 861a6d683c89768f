"""Writes weights in ggml's K-quants, which the PyPI package gguf reads but does not write.

A block is 256 weights. Scales are the plainest that keep every weight in range: llama-quantize searches for better
ones, which random weights would not reward.
"""

import gguf
import numpy

BLOCK = 256


def nearest(values, lowest, highest, kind):
    return numpy.clip(numpy.rint(values), lowest, highest).astype(kind)


def quotient(values, divisors):
    """Zero where the divisor is zero."""
    return numpy.divide(values, divisors, out=numpy.zeros_like(values), where=divisors != 0)


def half(values):
    """Each of a column of values as float16: what readers compute with, and its bytes."""
    halves = values.astype(numpy.float16)
    return halves.astype(numpy.float32), halves.view(numpy.uint8)


def q4_k(blocks):
    """d and dmin, 8 scales and 8 minima of 6 bits, 8 groups of 32 weights: weight = d*scale*q - dmin*minimum."""
    groups = blocks.reshape(-1, 8, 32)
    lowest = numpy.minimum(groups.min(axis=-1), 0)
    steps = (groups.max(axis=-1) - lowest) / 15
    d, d_bytes = half(steps.max(axis=-1, keepdims=True) / 63)
    dmin, dmin_bytes = half(-lowest.min(axis=-1, keepdims=True) / 63)
    scales = nearest(quotient(steps, numpy.broadcast_to(d, steps.shape)), 0, 63, numpy.uint8)
    minima = nearest(quotient(-lowest, numpy.broadcast_to(dmin, steps.shape)), 0, 63, numpy.uint8)

    step = numpy.broadcast_to((d * scales)[..., None], groups.shape)
    q = nearest(quotient(groups + (dmin * minima)[..., None], step), 0, 15, numpy.uint8)
    nibbles = q[:, 0::2] | (q[:, 1::2] << 4)
    # The upper two bits of the last four lie above the first four's six.
    packed = [
        scales[:, :4] | ((scales[:, 4:] >> 4) << 6),
        minima[:, :4] | ((minima[:, 4:] >> 4) << 6),
        (scales[:, 4:] & 15) | ((minima[:, 4:] & 15) << 4),
    ]
    return numpy.hstack([d_bytes, dmin_bytes, *packed, nibbles.reshape(-1, 128)])


def q6_k(blocks):
    """16 groups of 16 weights with a signed scale of 8 bits each, then d: weight = d*scale*(q - 32)."""
    groups = blocks.reshape(-1, 16, 16)
    steps = numpy.abs(groups).max(axis=-1) / 31
    d, d_bytes = half(steps.max(axis=-1, keepdims=True) / 127)
    scales = nearest(quotient(steps, numpy.broadcast_to(d, steps.shape)), -128, 127, numpy.int8)

    step = numpy.broadcast_to((d * scales)[..., None], groups.shape)
    q = nearest(quotient(groups, step) + 32, 0, 63, numpy.uint8).reshape(-1, 2, 4, 32)
    # Of each half's four rows of 32, two share their lower bits' bytes, and all four their upper bits'.
    lower = (q[:, :, :2] & 15) | ((q[:, :, 2:] & 15) << 4)
    upper = (q >> 4 << numpy.array([0, 2, 4, 6], dtype=numpy.uint8).reshape(1, 1, 4, 1)).sum(axis=2, dtype=numpy.uint8)
    return numpy.hstack([lower.reshape(-1, 128), upper.reshape(-1, 64), scales.view(numpy.uint8), d_bytes])


def quantize(weights, kind):
    """The bytes of a matrix's rows as `kind`, Q4_K or Q6_K."""
    pack = {gguf.GGMLQuantizationType.Q4_K: q4_k, gguf.GGMLQuantizationType.Q6_K: q6_k}[kind]
    packed = pack(weights.reshape(-1, BLOCK).astype(numpy.float32)).reshape(len(weights), -1)
    # gguf's reader was written by others, and a wrong bit would only look like another random model.
    error = gguf.quants.dequantize(packed, kind) - weights
    assert error.std() < weights.std() / 10, f"{kind.name}: {error.std()} off for weights of {weights.std()}"
    return packed
