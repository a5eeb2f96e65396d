"""The losses that compare reconstructions with images: pixels, and the features of VGG16 (`src/loss`)."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

BLOCKS = (
    ("conv1_1", "conv1_2"),
    ("conv2_1", "conv2_2"),
    ("conv3_1", "conv3_2", "conv3_3"),
    ("conv4_1", "conv4_2", "conv4_3"),
)
FILES = ("vgg16_relu3_3.safetensors", "vgg16_relu4_3.safetensors")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Perceptual(nn.Module):
    """The mean absolute difference of two images in the first blocks of VGG16, summed over blocks.

    `folder` holds the weights that come with the repository (`weights/`); images are resized to `size_px`.
    """

    def __init__(self, folder, blocks: int, size_px: int):
        super().__init__()
        self.blocks, self.size_px = BLOCKS[:blocks], size_px
        weights = {}
        for name in FILES[: 2 if blocks > 3 else 1]:
            weights |= load_file(Path(folder) / name)
        for name in (layer for block in self.blocks for layer in block):
            # Fixed, and no part of checkpoints.
            self.register_buffer(f"{name}_weight", weights[f"{name}.weight"].float(), persistent=False)
            self.register_buffer(f"{name}_bias", weights[f"{name}.bias"].float(), persistent=False)
        # VGG16 was trained on ((x + 1) / 2 - mean) / std, which is (x - (2 mean - 1)) / (2 std).
        self.register_buffer("mean", 2 * torch.tensor(MEAN)[:, None, None] - 1, persistent=False)
        self.conv1_1_weight *= 0.5 / torch.tensor(STD)[:, None, None]

    def features(self, images):
        """The features of each block k, `[B,C,size/2^k,size/2^k]`."""
        x = images - self.mean
        if x.shape[-1] != self.size_px:
            x = F.interpolate(x, size=(self.size_px, self.size_px), mode="bilinear", align_corners=False)
        features = []
        for block in self.blocks:
            if features:
                x = F.max_pool2d(x, 2)
            for name in block:
                x = F.relu(F.conv2d(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"), padding=1))
            features.append(x)
        return features

    def block_losses(self, reconstruction, images):
        """The mean absolute difference of each block's features."""
        with torch.no_grad():
            wanted = self.features(images)
        return [F.l1_loss(a.float(), b.float()) for a, b in zip(self.features(reconstruction), wanted)]

    def forward(self, reconstruction, images):
        return sum(self.block_losses(reconstruction, images))
