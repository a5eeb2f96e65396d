"""AutoLink's keypoints in millions of images and videos, on all machines of a Ray cluster."""

from .annotate import Options, annotate

__all__ = ["Options", "annotate"]
