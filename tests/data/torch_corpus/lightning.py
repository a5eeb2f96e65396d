"""Makes lightning-1.5.10.ckpt with the authors' version of Lightning, from a model with seven tensors that the reader wants.

Needs torch 2.7.1, numpy<2, pytorch-lightning==1.5.10 (--no-deps), torchmetrics==0.7.3, pyDeprecate==0.3.1, future,
tensorboard, setuptools<70. Paths in the file differ between runs.
"""
import sys

import pytorch_lightning as pl
import torch
from torch import nn


class Model(pl.LightningModule):
    def __init__(self, **kwargs):
        super().__init__()
        self.save_hyperparameters()
        self.encoder, self.decoder = nn.Module(), nn.Module()
        self.encoder.detector = nn.BatchNorm2d(2)
        self.decoder.alpha = nn.Parameter(torch.tensor(1.0))
        self.decoder.conv = nn.Conv2d(2, 1, 1)

    def training_step(self, batch, index):
        return self.decoder.conv(self.encoder.detector(batch)).mean() * self.decoder.alpha

    def validation_step(self, batch, index):
        return batch

    def validation_epoch_end(self, outputs):
        self.log("val_loss", -float(self.global_step))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-4, weight_decay=1e-3)


torch.manual_seed(0)
model = Model(n_parts=4, missing=0.8, block=16, thick=5e-2, sklr=512, image_size=128, lr=1e-4, batch_size=64,
              dataset="cub", log="x", debug=0)
best = pl.callbacks.ModelCheckpoint(monitor="val_loss", mode="min", dirpath=sys.argv[1], filename="lightning-1.5.10")
images = torch.utils.data.DataLoader(torch.randn(8, 2, 8, 8), batch_size=4)
trainer = pl.Trainer(max_steps=6, callbacks=best, logger=False, limit_val_batches=1, enable_progress_bar=False)
trainer.fit(model, images, images)
