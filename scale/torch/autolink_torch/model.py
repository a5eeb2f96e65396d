"""The method: detect -> draw -> reconstruct, as `src/model` has it.

Keypoints are (row, col) in [-1, 1], with corner pixels at -1 and 1.
"""

import math

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

LEAKY_SLOPE = 0.2


def leaky_relu(x):
    return F.leaky_relu(x, LEAKY_SLOPE)


def avg_pool2x2(x):
    return F.avg_pool2d(x, 2)


def upsample2x(x):
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Conv3x3(nn.Conv2d):
    """A 3x3 convolution with padding 1: Kaiming-normal weights for LeakyReLU, zero bias."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(inputs, outputs, 3, padding=1)
        nn.init.kaiming_normal_(self.weight, a=LEAKY_SLOPE)
        nn.init.zeros_(self.bias)


class Norm(nn.Module):
    """Batch normalisation, whose statistics are those of one process, or with `sync` of the batches of all processes.

    PyTorch's own synchronised norm needs CUDA; this one runs on any backend of `torch.distributed`.
    """

    EPSILON = 1e-5
    MOMENTUM = 0.1

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.sync = False

    def forward(self, x):
        if not self.training or not self.sync or not dist.is_initialized() or dist.get_world_size() == 1:
            running = (self.running_mean, self.running_var)
            return F.batch_norm(x, *running, self.weight, self.bias, self.training, self.MOMENTUM, self.EPSILON)
        from torch.distributed.nn.functional import all_reduce

        wide = x.float()
        count = wide.numel() / wide.shape[1] * dist.get_world_size()
        mean = all_reduce(wide.sum((0, 2, 3))) / count
        centred = wide - mean[None, :, None, None]
        variance = all_reduce(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.MOMENTUM)
            self.running_var.lerp_(variance * (count / (count - 1)), self.MOMENTUM)
        factor = self.weight * (variance + self.EPSILON).rsqrt()
        return (centred * factor[None, :, None, None] + self.bias[None, :, None, None]).to(x.dtype)


class ResidualBlock(nn.Module):
    """Two convolutions with a shortcut, to half the side: `[B,I,H,W]` -> `[B,O,H/2,W/2]`."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1, self.norm1 = Conv3x3(inputs, outputs), Norm(outputs)
        self.conv2, self.norm2 = Conv3x3(outputs, outputs), Norm(outputs)
        self.shortcut, self.shortcut_norm = Conv3x3(inputs, outputs), Norm(outputs)

    def forward(self, x):
        shortcut = self.shortcut_norm(avg_pool2x2(self.shortcut(x)))
        x = leaky_relu(self.norm1(avg_pool2x2(self.conv1(x))))
        return leaky_relu(self.norm2(self.conv2(x)) + shortcut)


class UpBlock(nn.Module):
    """Upsampling, then a convolution with norm and LeakyReLU: `[B,I,H,W]` -> `[B,O,2H,2W]`."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv, self.norm = Conv3x3(inputs, outputs), Norm(outputs)

    def forward(self, x):
        return leaky_relu(self.norm(self.conv(upsample2x(x))))


class ConvBlock(nn.Module):
    """Two convolutions, each with its norm, without the last LeakyReLU: `[B,I,H,W]` -> `[B,O,H,W]`."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1, self.norm1 = Conv3x3(inputs, outputs), Norm(outputs)
        self.conv2, self.norm2 = Conv3x3(outputs, outputs), Norm(outputs)

    def forward(self, x):
        return self.norm2(self.conv2(leaky_relu(self.norm1(self.conv1(x)))))


def spatial_prior(strength: float, count: int, side: int, device) -> torch.Tensor:
    """What holds keypoints apart at the start of a run, `[1,K,side,side]`: `-strength |p - a_k|^2`.

    The anchors `a_k` lie on a sunflower's spiral: radius `0.7 sqrt((k + 1/2) / K)`, angle `k pi (3 - sqrt 5)`.
    """
    k = torch.arange(count, dtype=torch.float64, device=device)
    radius, angle = 0.7 * ((k + 0.5) / count).sqrt(), k * (math.pi * (3 - math.sqrt(5)))
    at = torch.linspace(-1, 1, side, dtype=torch.float64, device=device)
    row = at[None, :, None] - (radius * angle.sin())[:, None, None]
    col = at[None, None, :] - (radius * angle.cos())[:, None, None]
    return (-strength * (row.square() + col.square())).float()[None]


class Detector(nn.Module):
    """Images `[B,3,S,S]` in [-1, 1] to scores of heatmaps `[B,K,S/4,S/4]`."""

    def __init__(self, count: int, width: int):
        super().__init__()
        w = width
        self.down = nn.ModuleList(ResidualBlock(*io) for io in [(3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)])
        self.up = nn.ModuleList(UpBlock(*io) for io in [(8 * w, 4 * w), (4 * w, 2 * w)])
        self.head = Conv3x3(2 * w, count)

    def forward(self, x):
        for block in (*self.down, *self.up):
            x = block(x)
        return self.head(x)


def keypoints_of(heatmaps: torch.Tensor) -> torch.Tensor:
    """The expectation of heatmaps `[B,K,h,w]` that sum to 1: `[B,K,2]`, (row, col)."""
    height, width = heatmaps.shape[2:]
    row = torch.linspace(-1, 1, height, device=heatmaps.device)
    col = torch.linspace(-1, 1, width, device=heatmaps.device)
    return torch.stack([heatmaps.sum(3) @ row, heatmaps.sum(2) @ col], 2)


def edge_map(keypoints: torch.Tensor, weights: torch.Tensor, size: int, thickness: float) -> torch.Tensor:
    """Draws keypoints `[B,K,2]` and edge weights `[K,K]` as `[B,1,S,S]`: `max over edges of w exp(-d^2 / thickness)`.

    d is the distance of a pixel from the segment between two keypoints. Memory grows with the number of edges, `[B,E,S,S]`.
    """
    count = keypoints.shape[1]
    i, j = torch.triu_indices(count, count, 1, device=keypoints.device)
    grid = torch.linspace(-1, 1, size, device=keypoints.device)
    a, along = keypoints[:, i], keypoints[:, j] - keypoints[:, i]  # [B,E,2]
    axis = lambda points, k: points[:, :, k, None, None]
    row = grid[None, None, :, None] - axis(a, 0)  # [B,E,S,1]
    col = grid[None, None, None, :] - axis(a, 1)  # [B,E,1,S]
    length_squared = along.square().sum(2)[:, :, None, None]
    t = ((row * axis(along, 0) + col * axis(along, 1)) / (length_squared + 1e-8)).clamp(0, 1)
    squared = (row - t * axis(along, 0)).square() + (col - t * axis(along, 1)).square()
    drawn = (squared * (-1 / thickness)).exp() * weights[i, j][None, :, None, None]
    return drawn.amax(1, keepdim=True)


class Decoder(nn.Module):
    """The U-Net `[alpha masked input, edge map]` -> reconstruction `[B,3,S,S]`."""

    def __init__(self, width: int):
        super().__init__()
        w = width
        self.alpha = nn.Parameter(torch.ones(()))
        self.first = Conv3x3(4, w)
        downs = [(w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w), (8 * w, 8 * w)]
        ups = [(8 * w, 8 * w), (16 * w, 4 * w), (8 * w, 2 * w), (4 * w, w)]
        self.down = nn.ModuleList(ConvBlock(*io) for io in downs)
        self.up = nn.ModuleList(ConvBlock(*io) for io in ups)
        self.last = Conv3x3(2 * w, 3)
        # Noise here would make the first gradients many times larger than later ones.
        nn.init.zeros_(self.last.weight)

    def forward(self, masked, drawn):
        skips = [leaky_relu(self.first(torch.cat([masked * self.alpha, drawn], 1)))]
        for block in self.down:
            skips.append(leaky_relu(avg_pool2x2(block(skips[-1]))))
        x = skips.pop()
        for block in self.up:
            x = torch.cat([leaky_relu(block(upsample2x(x))), skips.pop()], 1)
        return self.last(x)


class Edges(nn.Module):
    """Edge weights: `softplus(scale raw)`, one for each pair of keypoints."""

    def __init__(self, count: int, scale: float, start: float):
        super().__init__()
        raw = math.log(math.expm1(start))
        self.raw = nn.Parameter((raw + 0.1 * torch.randn(count, count)) / scale)

    def weights(self, scale: float) -> torch.Tensor:
        """`[K,K]`, symmetric with a zero diagonal."""
        upper = F.softplus(self.raw * scale).triu(1)
        return upper + upper.T


class AutoLink(nn.Module):
    """Detector, edge weights and decoder; `config` has the names of `src/config.rs`."""

    def __init__(self, config: dict):
        super().__init__()
        self.config = config
        self.detector = Detector(config["keypoints"], config["width"])
        self.edges = Edges(config["keypoints"], config["edge_scale"], config["edge_start"])
        self.decoder = Decoder(max(1, round(config["width"] * config["decoder_share"])))
        # Strength of the spatial prior at this step.
        self.spread = 0.0

    def set_sync(self, sync: bool) -> None:
        """Chooses whether batch norms use the batches of all processes."""
        for module in self.modules():
            if isinstance(module, Norm):
                module.sync = sync

    def detect(self, images):
        """Keypoints `[B,K,2]` and heatmaps `[B,K,S/4,S/4]`, each summing to 1, in float32."""
        scores = self.detector(images).float()
        if self.spread:
            scores = scores + spatial_prior(self.spread, scores.shape[1], scores.shape[2], scores.device)
        with torch.autocast(images.device.type, enabled=False):
            heatmaps = scores.flatten(2).softmax(2).view_as(scores)
            return keypoints_of(heatmaps), heatmaps

    def forward(self, images, mask):
        """Runs the model on images `[B,3,S,S]` in [-1, 1] and a mask `[B,1,g,g]`, 1 where the image is kept. Returns a dictionary."""
        size, grid = images.shape[2], mask.shape[2]
        keypoints, heatmaps = self.detect(images)
        # With mixed precision, keypoints and edge map stay in float32: their rounding would show.
        with torch.autocast(images.device.type, enabled=False):
            weights = self.edges.weights(self.config["edge_scale"])
            drawn = edge_map(keypoints, weights, size, self.config["thickness"])
        cells = torch.arange(size, device=images.device) * grid // size
        masked = images * mask[:, :, cells][:, :, :, cells]
        reconstruction = self.decoder(masked, drawn).float()
        return {
            "keypoints": keypoints,
            "heatmaps": heatmaps,
            "edge_weights": weights,
            "edge_map": drawn,
            "reconstruction": reconstruction,
        }
