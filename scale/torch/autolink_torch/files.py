"""Reads and writes models as the command line and the page do: safetensors, with settings and step in the metadata."""

import json
import re
import uuid
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from .model import AutoLink

KEY, FORMAT = "autolink", 1

# The settings that older files lack, as they were then.
DEFAULTS = {"decoder_share": 1.0, "start_steps": 0, "start_boost": 1.0, "held_out": 0.0, "locate": False}

# The preset `small`; the command line's other presets are read from a file that `autolink train --steps 0` writes.
SMALL = {
    "keypoints": 12,
    "size": 64,
    "width": 16,
    "decoder_share": 1.0,
    "fit": "stretch",
    "flip": False,
    "loss": "perceptual",
    "perceptual_blocks": 3,
    "perceptual_size": 64,
    "batch": 16,
    "micro_batch": 16,
    "seed": 0,
    "learning_rate": 5e-4,
    "weight_decay": 1e-3,
    "mask_ratio": 0.8,
    "mask_grid": 16,
    "thickness": 5e-3,
    "edge_scale": 100.0,
    "edge_start": 0.13,
    "start_steps": 0,
    "start_boost": 1.0,
    "held_out": 0.0,
    "locate": False,
}

DETECTOR_LAYERS = {
    "conv1": "net.0",
    "norm1": "net.2",
    "conv2": "net.4",
    "norm2": "net.5",
    "shortcut": "conv_res.0",
    "shortcut_norm": "conv_res.2",
}
DECODER_LAYERS = {"conv1": 0, "norm1": 1, "conv2": 3, "norm2": 4}


def file_name(name: str) -> str:
    """Translates the name of a tensor of `AutoLink` to the one in files; `src/checkpoint/names.rs` has the table."""
    if found := re.fullmatch(r"detector\.down\.(\d)\.(\w+)\.(\w+)", name):
        block, layer, tensor = found.groups()
        return f"encoder.detector.conv.{block}.{DETECTOR_LAYERS[layer]}.{tensor}"
    if found := re.fullmatch(r"detector\.up\.(\d)\.(\w+)\.(\w+)", name):
        block, layer, tensor = found.groups()
        return f"encoder.detector.conv.{4 + int(block)}.net.{1 if layer == 'conv' else 2}.{tensor}"
    if found := re.fullmatch(r"decoder\.(down|up)\.(\d)\.(\w+)\.(\w+)", name):
        side, block, layer, tensor = found.groups()
        place = DECODER_LAYERS[layer] + (side == "up")  # upsampling counts as a layer
        return f"decoder.{side}{int(block) + 1}.net.{place}.{tensor}"
    for ours, theirs in [
        ("detector.head.", "encoder.detector.conv.6."),
        ("edges.raw", "decoder.skeleton_scalar"),
        ("decoder.first.", "decoder.down0.0."),
        ("decoder.last.", "decoder.conv."),
    ]:
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def load_state(model: AutoLink, tensors: dict) -> None:
    """Copies the tensors of a file into a model. Raises `ValueError` if one is missing or has another shape."""
    with torch.no_grad():
        for name, target in model.state_dict().items():
            source = tensors.get(file_name(name))
            if source is None or source.shape != target.shape:
                raise ValueError(f"The model is damaged: {file_name(name)} is missing or has another shape.")
            target.copy_(source)


def read(path) -> tuple[AutoLink, dict]:
    """Reads a model, and its header: `config`, `step`, and if there are any `names` and `run_id`."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if KEY not in metadata:
            raise ValueError(f"{path} is not an AutoLink model.")
        header = json.loads(metadata[KEY])
        if header["format"] != FORMAT:
            raise ValueError(f"{path} was written by a newer version (format {header['format']}).")
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    header["config"] = DEFAULTS | header["config"]
    model = AutoLink(header["config"])
    load_state(model, tensors)
    return model, header


def write(path, model: AutoLink, config: dict, step: int, names=None, run_id: str | None = None) -> None:
    """Writes a model that the command line and the page open, older ones as well if it uses none of the settings that they lack."""
    settings = {name: value for name, value in config.items() if name not in DEFAULTS or value != DEFAULTS[name]}
    header = {"format": FORMAT, "config": settings, "step": step}
    if names is not None:
        header["names"] = names
    header["run_id"] = run_id or uuid.uuid4().hex
    tensors = {file_name(name): value.detach().cpu().float().contiguous() for name, value in model.state_dict().items()}
    for name, value in tensors.items():
        if not value.isfinite().all():
            raise ValueError(f"The model cannot be written: {name} has a number that is not finite.")
    Path(path).write_bytes(save(tensors, {KEY: json.dumps(header)}))
