"""Two processes beside one, and checkpoints."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from autolink_torch import files
from autolink_torch.module import AutoLinkModule
from PIL import Image
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[3]
STEPS = 5


def worker(rank, world, folder, sync):
    """Trains on its share of a fixed batch, as DDP does; writes the losses and the model."""
    import lightning
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    images, mask = torch.load(folder / "batch.pt")
    module = AutoLinkModule.from_safetensors(folder / "start.safetensors", weights=ROOT / "weights", sync_norms=sync)
    # Lightning gives every second image to each of two processes.
    loader = DataLoader(TensorDataset(images, mask), batch_size=len(images) // world)
    trainer = lightning.Trainer(
        accelerator="cpu",
        devices=world,
        strategy=lightning.pytorch.strategies.DDPStrategy(process_group_backend="gloo") if world > 1 else "auto",
        max_steps=STEPS,
        max_epochs=-1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, loader)
    if trainer.is_global_zero:
        module.to_safetensors(folder / f"end-{world}-{sync}.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A batch with masks, and a model that has learned a little, so that no gradient is arbitrary."""
    folder = tmp_path_factory.mktemp("processes")
    torch.manual_seed(0)
    images = torch.nn.functional.interpolate(torch.rand(8, 3, 8, 8) * 2 - 1, size=(32, 32), mode="bilinear")
    mask = (torch.rand(8, 1, 8, 8) > 0.5).float()
    torch.save([images, mask], folder / "batch.pt")
    config = files.SMALL | {"loss": "pixel", "size": 32, "width": 4, "keypoints": 5, "mask_grid": 8}
    module = AutoLinkModule(config)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3)
    for _ in range(10):
        optimizer.zero_grad()
        module.loss(images, mask).backward()
        optimizer.step()
    module.to_safetensors(folder / "start.safetensors")
    return folder


def train(folder, world, sync):
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_processes as t; from pathlib import Path; "
    run = f"t.worker(0, {world}, Path({str(folder)!r}), {sync})"
    # A script of its own: Lightning starts the second process with the same arguments.
    path = folder / f"run-{world}-{sync}.py"
    path.write_text(script + run)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(folder / f"end-{world}-{sync}.safetensors")


def difference(found, wanted):
    return max((found[name] - wanted[name]).abs().max().item() for name in wanted)


def test_two_gloo_processes_equal_one_with_the_summed_batch(folder):
    one, two = train(folder, 1, True), train(folder, 2, True)
    start = load_file(folder / "start.safetensors")
    # A bias before a batch norm has no gradient but rounding, which AdamW makes a whole step of; it moves only that norm's mean.
    idle = {f"{name}.bias" for name in convolutions_before_norms(one)}
    compared = {name: value for name, value in one.items() if name not in idle and "running_mean" not in name}
    off = difference(two, compared)
    print(f"largest difference after {STEPS} steps: {off:.1e}; training moved weights by {difference(one, start):.1e}")
    assert off < 1e-4
    assert difference(one, start) > 1e-3


def test_norms_of_their_own_are_another_training(folder):
    two, own = train(folder, 2, True), train(folder, 2, False)
    assert difference(own, {name: value for name, value in two.items() if "running_var" in name}) > 1e-3


def convolutions_before_norms(tensors):
    """The names of the convolutions whose output a batch norm takes: those of all blocks."""
    convolutions = {name.removesuffix(".weight") for name, value in tensors.items() if value.dim() == 4}
    return convolutions - {"encoder.detector.conv.6", "decoder.down0.0", "decoder.conv"}


def test_the_command_line_trains_and_goes_on_from_its_checkpoint(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(10):
        Image.open(ROOT / f"models/hands/{i}.jpg").save(images / f"{i}.jpg")
    start = tmp_path / "start.safetensors"
    AutoLinkModule(files.SMALL | {"loss": "pixel", "size": 32, "width": 4, "batch": 4, "mask_grid": 8}).to_safetensors(start)
    command = [sys.executable, "-m", "autolink_torch.train", images, "--model", start, "--accelerator", "cpu", "--devices", "1"]
    command += ["--workers", "0", "--checkpoints", tmp_path / "checkpoints", "--every", "2"]
    for steps in (4, 6):
        out = tmp_path / f"{steps}.safetensors"
        done = subprocess.run([*command, "--steps", str(steps), "--out", out], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        assert f"Wrote the model after {steps} steps" in done.stdout
        _, header = files.read(out)
        assert header["step"] == steps
    first, second = (files.read(tmp_path / f"{steps}.safetensors")[1]["run_id"] for steps in (4, 6))
    assert first == second == files.read(start)[1]["run_id"]
    bad = subprocess.run([*command[:3], tmp_path / "nowhere", *command[4:], "--steps", "1", "--out", "x"], capture_output=True, text=True)
    assert bad.returncode == 1 and "There are 0 images" in bad.stderr
