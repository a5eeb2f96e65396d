"""The model of `src/model` and its training step with the pixel loss in PyTorch on the CPU, to compare with.

python3 bench/torch_step.py SETTINGS   # as JSON, see src/config.rs; prints milliseconds as JSON
"""

import json
import math
import sys
import time

try:
    import torch
except ImportError:
    sys.exit("This Python has no torch.")
from torch import nn
from torch.nn import functional as F

STEPS = 5


def conv(inputs, outputs):
    layer = nn.Conv2d(inputs, outputs, 3, padding=1)
    nn.init.kaiming_normal_(layer.weight, a=0.2)
    nn.init.zeros_(layer.bias)
    return layer


def leaky_relu(x):
    return F.leaky_relu(x, 0.2)


def avg_pool2x2(x):
    return F.avg_pool2d(x, 2)


def upsample2x(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.shortcut, self.shortcut_norm = conv(inputs, outputs), nn.BatchNorm2d(outputs)

    def forward(self, x):
        shortcut = self.shortcut_norm(avg_pool2x2(self.shortcut(x)))
        x = leaky_relu(self.norm1(avg_pool2x2(self.conv1(x))))
        return leaky_relu(self.norm2(self.conv2(x)) + shortcut)


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv1, self.norm1 = conv(inputs, outputs), nn.BatchNorm2d(outputs)
        self.conv2, self.norm2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)

    def forward(self, x):
        return self.norm2(self.conv2(leaky_relu(self.norm1(self.conv1(x)))))


class Model(nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.settings = settings
        w, count = settings["width"], settings["keypoints"]
        self.down = nn.ModuleList(Residual(*io) for io in [(3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)])
        ups = [(8 * w, 4 * w), (4 * w, 2 * w)]
        self.up = nn.ModuleList(nn.Sequential(conv(*io), nn.BatchNorm2d(io[1]), nn.LeakyReLU(0.2)) for io in ups)
        self.head = conv(2 * w, count)
        scale = settings["edge_scale"]
        start = math.log(math.expm1(settings["edge_start"]))
        self.raw = nn.Parameter((start + 0.1 * torch.randn(count, count)) / scale)
        self.alpha = nn.Parameter(torch.ones(1))
        self.first = conv(4, w)
        downs = [(w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), (8 * w, 8 * w)]
        self.decoder_down = nn.ModuleList(Block(*io) for io in downs)
        ups = [(8 * w, 8 * w), (16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w)]
        self.decoder_up = nn.ModuleList(Block(*io) for io in ups)
        self.last = conv(2 * w, 3)

    def keypoints(self, x):
        for layer in self.down:
            x = layer(x)
        for layer in self.up:
            x = layer(upsample2x(x))
        heatmaps = self.head(x).flatten(2).softmax(2)
        at = torch.linspace(-1, 1, x.shape[2])
        return heatmaps @ torch.cartesian_prod(at, at)

    def edge_map(self, keypoints):
        size, count = self.settings["size"], self.settings["keypoints"]
        i, j = torch.triu_indices(count, count, 1)
        weights = F.softplus(self.raw[i, j] * self.settings["edge_scale"])[None, :, None, None]
        a, b = keypoints[:, i], keypoints[:, j]
        along = b - a
        axis = lambda points, k: points[:, :, k, None, None]
        grid = torch.linspace(-1, 1, size)
        row = grid[None, None, :, None] - axis(a, 0)
        col = grid[None, None, None, :] - axis(a, 1)
        length_squared = along.square().sum(2)[:, :, None, None]
        t = ((row * axis(along, 0) + col * axis(along, 1)) / (length_squared + 1e-8)).clamp(0, 1)
        squared = (row - t * axis(along, 0)).square() + (col - t * axis(along, 1)).square()
        drawn = (squared * (-1 / self.settings["thickness"])).exp() * weights
        return drawn.amax(1, keepdim=True)

    def forward(self, images, mask):
        x = torch.cat([images * mask * self.alpha, self.edge_map(self.keypoints(images))], 1)
        x = leaky_relu(self.first(x))
        skips = [x]
        for layer in self.decoder_down:
            x = leaky_relu(avg_pool2x2(layer(x)))
            skips.append(x)
        skips.pop()
        for layer in self.decoder_up:
            x = torch.cat([leaky_relu(layer(upsample2x(x))), skips.pop()], 1)
        return self.last(x)


def main():
    settings = json.loads(sys.argv[1])
    torch.manual_seed(0)
    model = Model(settings)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings["learning_rate"], weight_decay=settings["weight_decay"]
    )
    batch, size, cells = settings["batch"], settings["size"], settings["mask_grid"]
    times = []
    for _ in range(1 + STEPS):
        start = time.perf_counter()
        images = torch.rand(batch, 3, size, size) * 2 - 1
        mask = (torch.rand(batch, 1, cells, cells) > settings["mask_ratio"]).float()
        mask = F.interpolate(mask, size=(size, size), mode="nearest")
        optimiser.zero_grad()
        F.mse_loss(model(images, mask), images).backward()
        optimiser.step()
        times.append((time.perf_counter() - start) * 1e3)
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"first_ms": times[0], "ms": min(times[1:]), "parameters": parameters}))


if __name__ == "__main__":
    main()
