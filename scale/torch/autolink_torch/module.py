"""The training step as a Lightning module."""

import lightning
import torch
from torch.nn import functional as F

from . import files
from .losses import Perceptual
from .model import AutoLink


def share_of_start(config: dict, step: int) -> float:
    """How much of the start is left after `step` steps, from 1 to 0."""
    return max(0, config["start_steps"] - step) / max(1, config["start_steps"])


class AutoLinkModule(lightning.LightningModule):
    """Trains a model by the settings in `config` (`src/config.rs`) with AdamW, as `src/train` does.

    A batch is images `[B,3,S,S]` in [-1, 1], or these with their masks `[B,1,g,g]`; masks are drawn where there are none. `weights` is
    the repository's folder of VGG16, for the perceptual loss. `sync_norms` makes batch norms use the batches of all processes: then N
    processes train as one does with all their images.
    """

    def __init__(self, config: dict, weights="weights", sync_norms: bool = True):
        super().__init__()
        self.save_hyperparameters({"config": config, "weights": str(weights), "sync_norms": sync_norms})
        self.config = config
        self.model = AutoLink(config)
        self.model.set_sync(sync_norms)
        self.perceptual = None
        if config["loss"] == "perceptual":
            self.perceptual = Perceptual(weights, config["perceptual_blocks"], config["perceptual_size"])
        # Steps that were taken before this module, names and id of the run, as the file has them.
        self.first_step, self.names, self.run_id = 0, None, None

    @classmethod
    def from_safetensors(cls, path, **options) -> "AutoLinkModule":
        """Opens a model of the command line or the page, to train it on. Its optimiser starts anew."""
        model, header = files.read(path)
        module = cls(header["config"], **options)
        module.model.load_state_dict(model.state_dict())
        module.first_step = header["step"]
        module.names, module.run_id = header.get("names"), header.get("run_id")
        return module

    def to_safetensors(self, path) -> None:
        """Writes the model for the command line and the page."""
        files.write(path, self.model, self.config, self.steps_taken, self.names, self.run_id)

    @property
    def steps_taken(self) -> int:
        """Steps of the run, those before this module included."""
        return self.first_step + self.global_step

    def on_save_checkpoint(self, checkpoint):
        checkpoint["autolink"] = [self.first_step, self.names, self.run_id]

    def on_load_checkpoint(self, checkpoint):
        self.first_step, self.names, self.run_id = checkpoint["autolink"]

    def draw_mask(self, count: int) -> torch.Tensor:
        """Draws block masks `[B,1,g,g]`: each cell is hidden (0) with the probability of the mask ratio."""
        grid = self.config["mask_grid"]
        return (torch.rand(count, 1, grid, grid, device=self.device) >= self.config["mask_ratio"]).float()

    def loss(self, images, mask) -> torch.Tensor:
        """The mean loss of a batch."""
        reconstruction = self.model(images, mask)["reconstruction"]
        if self.perceptual is not None:
            return self.perceptual(reconstruction, images)
        return F.mse_loss(reconstruction, images)

    def training_step(self, batch, _index):
        images, mask = batch if isinstance(batch, (list, tuple)) else (batch, None)
        if mask is None:
            mask = self.draw_mask(len(images))
        self.model.spread = 20 * share_of_start(self.config, self.steps_taken)
        loss = self.loss(images, mask)
        self.log("loss", loss, prog_bar=True, sync_dist=True)
        return loss

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=self.config["learning_rate"], weight_decay=self.config["weight_decay"]
        )

        def factor(step):
            boost = self.config["start_boost"] - 1
            return 1 + boost * share_of_start(self.config, self.first_step + step)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
