"""Trains on a folder of images, on all GPUs of a machine or a cluster: `autolink-torch --help`."""

import argparse
import sys
from pathlib import Path

import lightning
import numpy as np
import torch
from autolink_ray.images import Rejected, decode
from lightning.pytorch.callbacks import ModelCheckpoint
from threadpoolctl import threadpool_limits
from torch.utils.data import DataLoader, Dataset

from . import files
from .module import AutoLinkModule

IMAGE_NAMES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")


class Images(Dataset):
    """The images of a folder as the engine sees them, `[3,S,S]` in [-1, 1], mirrored at random with `flip`.

    An image that cannot be read ends training with its name and the reason.
    """

    def __init__(self, folder, size_px: int, fit: str, flip: bool = False):
        self.size_px, self.fit, self.flip = size_px, fit, flip
        self.paths = sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in IMAGE_NAMES)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        try:
            pixels = decode(self.paths[index].read_bytes(), self.size_px, self.fit).pixels
        except Rejected as reason:
            raise ValueError(f"{self.paths[index]}: {reason}") from None
        image = torch.from_numpy(np.array(pixels)).permute(2, 0, 1) / 127.5 - 1
        return image.flip(2) if self.flip and torch.rand(()) < 0.5 else image


def one_thread(_worker) -> None:
    """Keeps each process that decodes images to one core."""
    threadpool_limits(1, "blas")


def main(arguments=None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="autolink-torch", description="Trains AutoLink's model with PyTorch Lightning.")
    parser.add_argument("images", help="a folder of images")
    parser.add_argument("--out", required=True, help="the file to save the model to (.safetensors)")
    parser.add_argument("--steps", type=int, required=True, help="number of steps")
    parser.add_argument("--model", help="train this model on, with its settings (`autolink train --steps 0` writes an untrained one)")
    parser.add_argument("--batch", type=int, help="images per step and process (default: that of the settings)")
    parser.add_argument("--accelerator", default="auto", help="cpu, gpu or auto")
    parser.add_argument("--devices", default="auto", help="GPUs, or processes with --accelerator cpu")
    parser.add_argument("--nodes", type=int, default=1, help="machines")
    parser.add_argument("--precision", default="32-true", help="32-true, bf16-mixed or 16-mixed")
    parser.add_argument("--own-norms", action="store_true", help="batch norms use the batch of their own process only")
    parser.add_argument("--weights", default="weights", help="the repository's folder of VGG16")
    parser.add_argument("--checkpoints", help="the folder of Lightning's checkpoints; training continues from its last one")
    parser.add_argument("--every", type=int, default=1000, help="steps between checkpoints")
    parser.add_argument("--workers", type=int, default=4, help="processes that decode images, for each device")
    options = parser.parse_args(arguments)

    choices = {"weights": options.weights, "sync_norms": not options.own_norms}
    try:
        if options.model:
            module = AutoLinkModule.from_safetensors(options.model, **choices)
        else:
            lightning.seed_everything(files.SMALL["seed"])
            module = AutoLinkModule(files.SMALL, **choices)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    config = module.config
    images = Images(options.images, config["size"], config["fit"], config["flip"])
    batch = options.batch or config["batch"]
    if len(images) < batch:
        print(f"There are {len(images)} images in {options.images}, but a batch has {batch}.", file=sys.stderr)
        return 1
    loader = DataLoader(
        images,
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        worker_init_fn=one_thread,
    )
    callbacks, last = [], None
    if options.checkpoints:
        callbacks = [ModelCheckpoint(options.checkpoints, every_n_train_steps=options.every, save_last=True)]
        last = Path(options.checkpoints) / "last.ckpt"
    trainer = lightning.Trainer(
        accelerator=options.accelerator,
        devices=options.devices if options.devices == "auto" else int(options.devices),
        num_nodes=options.nodes,
        strategy="auto" if options.devices == "1" and options.nodes == 1 else "ddp",
        precision=options.precision,
        max_steps=options.steps,
        max_epochs=-1,
        callbacks=callbacks,
        enable_checkpointing=bool(callbacks),
        logger=False,
    )
    trainer.fit(module, loader, ckpt_path=last if last and last.exists() else None)
    if trainer.is_global_zero:
        module.to_safetensors(options.out)
        print(f"Wrote the model after {module.steps_taken} steps to {options.out}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
