"""The model beside the numbers that the engine's own parity tests use, and beside steps of `autolink train`."""

import json
import os
import subprocess
from pathlib import Path

import lightning
import numpy as np
import pytest
import torch
from autolink_torch import files
from autolink_torch.losses import Perceptual
from autolink_torch.model import AutoLink, edge_map
from autolink_torch.module import AutoLinkModule
from autolink_torch.train import Images
from PIL import Image
from safetensors import safe_open
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).resolve().parents[3]
AUTOLINK = os.environ.get("AUTOLINK", str(ROOT / "target/release/autolink"))
DATA = ROOT / "tests/data"


def tensors(path):
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()


@pytest.fixture(scope="module")
def reference():
    """The model of `tests/parity.rs`, and its tensors."""
    found, settings = tensors(DATA / "autolink_k8_w4.safetensors")
    config = files.SMALL | {
        "keypoints": int(settings["n_parts"]),
        "size": 128,
        "width": int(settings["width"]),
        "loss": "pixel",
        "learning_rate": float(settings["lr"]),
        "weight_decay": float(settings["weight_decay"]),
        "thickness": float(settings["thick"]),
        "edge_scale": float(settings["sklr"]),
    }
    return config, found


def model_of(reference):
    config, found = reference
    model = AutoLink(config)
    files.load_state(model, {name.removeprefix("state/"): value for name, value in found.items()})
    return model


def largest(found, wanted):
    return (found - wanted).abs().max().item()


def test_evaluation_equals_the_reference(reference):
    _, found = reference
    model = model_of(reference).eval()
    with torch.no_grad():
        output = model(found["input/img"], found["input/mask"])
    bounds = {"keypoints": 1e-4, "heatmaps": 1e-4, "edge_weights": 1e-6, "edge_map": 1e-4, "reconstruction": 1e-3}
    names = {"heatmaps": "prob_map", "edge_map": "heatmap", "reconstruction": "recon"}
    for name, bound in bounds.items():
        off = largest(output[name], found[f"eval/{names.get(name, name)}"])
        print(f"{name}: {off:.1e}")
        assert off < bound, name


def test_a_training_step_equals_the_reference(reference):
    config, found = reference
    model = model_of(reference).train()
    images = found["input/img"]
    reconstruction = model(images, found["input/mask"])["reconstruction"]
    loss, wanted = F.l1_loss(reconstruction, images).item(), found["train/l1_loss"].item()
    assert abs(loss - wanted) < 1e-5 * wanted
    # The gradient of L1 is the sign of each difference: the reference's signs, as in `tests/parity.rs`.
    signs = (found["train/recon"] - images).sign()
    ((reconstruction * signs).sum() / images.numel()).backward()
    largest_norm = max(value.norm() for name, value in found.items() if name.startswith("grad/"))
    for name, parameter in model.named_parameters():
        gradient = found[f"grad/{files.file_name(name)}"]
        # A bias before a batch norm has a zero gradient, up to rounding.
        scale = gradient.norm() if gradient.norm() > 1e-6 * largest_norm else largest_norm
        assert (parameter.grad - gradient).norm() / scale < 1e-3, name
        parameter.grad = gradient.clone()
    torch.optim.AdamW(model.parameters(), lr=config["learning_rate"], weight_decay=config["weight_decay"]).step()
    for name, value in model.state_dict().items():
        assert largest(value, found[f"step1/{files.file_name(name)}"]) < 1e-5, name


def test_the_edge_map_of_32_keypoints_equals_the_reference():
    found, _ = tensors(DATA / "edge_map_k32.safetensors")
    for size in (64, 128):
        keypoints = found["kp"].clone().requires_grad_()
        raw = found["skeleton_scalar"].clone().requires_grad_()
        upper = F.softplus(raw * 512).triu(1)
        drawn = edge_map(keypoints, upper + upper.T, size, 7.5e-4)
        assert largest(drawn, found[f"{size}/heatmap"]) < 1e-4
        (drawn * found[f"{size}/cotangent"]).sum().backward()
        for gradient, name in [(keypoints.grad, "grad_kp"), (raw.grad, "grad_skeleton_scalar")]:
            wanted = found[f"{size}/{name}"]
            assert (gradient - wanted).norm() / wanted.norm() < 1e-3


def test_the_perceptual_loss_equals_the_reference():
    found, _ = tensors(DATA / "vgg16_perceptual.safetensors")
    for size in (128, 224):
        losses = Perceptual(ROOT / "weights", 4, size).block_losses(found["x"], found["y"])
        wanted = found[f"{size}/block_l1"]
        # The repository's weights are float16, the reference's float32.
        assert ((torch.stack(losses) - wanted).abs() / wanted).max() < 1e-3


def autolink(*arguments):
    done = subprocess.run([AUTOLINK, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def hands(tmp_path_factory):
    """Eight images, which are one batch."""
    folder = tmp_path_factory.mktemp("hands")
    for i in range(8):
        image = Image.open(ROOT / f"models/hands/{i}.jpg").convert("RGB")
        image.save(folder / f"{i}.png")
    return folder


BEFORE, STEPS = 12, 8
# Without hidden cells, and with all images in each batch, a step draws nothing at random.
SETTINGS = {
    "pixel": ["--loss", "pixel", "--start-steps", "30", "--start-boost", "2", "--decoder-share", "0.5"],
    "perceptual": ["--loss", "perceptual", "--perceptual-size", "32"],
}


@pytest.mark.parametrize("loss", SETTINGS)
def test_steps_equal_those_of_autolink_train(loss, hands, tmp_path):
    settings = ["--batch", 8, "--mask-ratio", 0, "--width", 8, "--keypoints", 6, "--size", 32, "--mask-grid", 8]
    # An untrained model reconstructs one grey, and the gradient of VGG's maximum pooling is arbitrary there.
    start, log = tmp_path / "start.safetensors", tmp_path / "log.jsonl"
    autolink("train", hands, "--preset", "small", *settings, *SETTINGS[loss], "--backend", "cpu", "--steps", BEFORE, "--out", start)
    resume = ["train", hands, "--resume", start, "--backend", "cpu", "--steps", BEFORE + STEPS]
    autolink(*resume, "--out", tmp_path / "end.safetensors", "--log", log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    wanted = [line["loss"] for line in lines if "loss" in line]
    assert len(wanted) == STEPS

    module = AutoLinkModule.from_safetensors(start, weights=ROOT / "weights")
    assert module.steps_taken == BEFORE
    images = torch.stack(list(Images(hands, module.config["size"], module.config["fit"])))
    found = fit(module, images, torch.ones(8, 1, 8, 8), STEPS)
    off = np.abs(np.subtract(found, wanted) / wanted)
    print(f"{loss}: losses {found[0]:.5f} ... {found[-1]:.5f}, relative differences", *(f"{value:.0e}" for value in off))
    assert module.steps_taken == BEFORE + STEPS
    assert off[0] < 1e-5  # the same model and loss
    assert off[1] < 1e-4  # the same step
    assert off.max() < 5e-3  # rounding grows from step to step


class Losses(lightning.Callback):
    """Keeps the loss of each step."""

    def __init__(self):
        self.values = []

    def on_train_batch_end(self, _trainer, _module, outputs, *_):
        self.values.append(outputs["loss"].item())


def fit(module, images, mask, count, **options):
    """Trains on one batch with Lightning; the losses."""
    losses = Losses()
    loader = DataLoader(TensorDataset(images, mask), batch_size=len(images))
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    settings = {"accelerator": "cpu", "devices": 1, "max_steps": count, "max_epochs": -1} | quiet | options
    lightning.Trainer(**settings, callbacks=[losses]).fit(module, loader)
    return losses.values


def test_mixed_precision_learns_as_float32_does(hands):
    config = files.SMALL | {"loss": "pixel", "size": 32, "width": 8, "keypoints": 6, "mask_grid": 8}
    images, mask = torch.stack(list(Images(hands, 32, "stretch"))), torch.ones(8, 1, 8, 8)
    found = {}
    for precision in ("32-true", "bf16-mixed"):
        lightning.seed_everything(0)
        found[precision] = fit(AutoLinkModule(config), images, mask, 12, precision=precision)
    full, mixed = found.values()
    assert full != mixed and np.isfinite(mixed).all()
    assert abs(mixed[-1] - full[-1]) < 0.1 * (full[0] - full[-1])


def test_a_model_goes_to_the_command_line_and_back(hands, tmp_path):
    module = AutoLinkModule.from_safetensors(ROOT / "models/hands.safetensors", weights=ROOT / "weights")
    module.to_safetensors(tmp_path / "copy.safetensors")
    for model in (ROOT / "models/hands.safetensors", tmp_path / "copy.safetensors"):
        autolink("detect", hands, "--model", model, "--out", tmp_path / f"{model.stem}.json")
    theirs, ours = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("hands", "copy"))
    assert theirs == ours
    again, header = files.read(tmp_path / "copy.safetensors")
    assert header["step"] == 3000 and header["config"] == module.config
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), module.model.state_dict().values()))
    # Its keypoints are those of the engine.
    images = torch.stack(list(Images(hands, module.config["size"], module.config["fit"])))
    with torch.no_grad():
        keypoints, _ = again.eval().detect(images)
    wanted = torch.tensor([theirs["images"][f"{i}.png"]["keypoints"] for i in range(8)])
    # The middles of the corner pixels are at -1 and 1, and fractions count from the border.
    size = module.config["size"]
    assert largest(((keypoints.flip(2) + 1) / 2 * (size - 1) + 0.5) / size, wanted) < 1e-4


def test_damaged_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="is not an AutoLink model"):
        files.read(ROOT / "weights/vgg16_relu4_3.safetensors")
    module = AutoLinkModule(files.SMALL | {"loss": "pixel"})
    with torch.no_grad():
        module.model.decoder.alpha.fill_(float("nan"))
    with pytest.raises(ValueError, match="decoder.alpha has a number that is not finite"):
        module.to_safetensors(tmp_path / "bad.safetensors")
