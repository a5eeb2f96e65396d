"""Decodes a file's bytes to the square image that the detector sees, as `src/data/decode.rs` does."""

import io
import math
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .rescale import rescale

MAX_SIDE_PX = 16_384
MAX_PIXELS = 100_000_000
# The limits above are checked before pixels are decoded.
Image.MAX_IMAGE_PIXELS = None

# How an image with each EXIF orientation is turned upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
EXIF_ORIENTATION = 0x0112


class Rejected(Exception):
    """An image that cannot be used; its text is a sentence with the reason."""


@dataclass
class View:
    """A square image, and where it lies in the upright original."""

    # `u8 [S,S,3]`, RGB.
    pixels: np.ndarray
    # Width and height of the upright original, px.
    original_px: tuple[int, int]
    # Upper left corner of the view, (x, y) as fractions of the original.
    offset: np.ndarray
    # Part of the original that the view spans, (x, y).
    scale: np.ndarray

    def to_original_px(self, view_fraction):
        """Maps points `[...,2]`, (x, y) as fractions of the view, to px of the upright original."""
        return (self.offset + self.scale * view_fraction) * self.original_px


def decode(data: bytes, size_px: int, fit: str) -> View:
    """Decodes a PNG, JPEG, WebP, GIF (first frame) or BMP file. Raises `Rejected`."""
    image, orientation = _read(data)
    return square(image, orientation, size_px, fit)


def square(image: Image.Image, orientation: int, size_px: int, fit: str) -> View:
    """Makes the square view of an RGB image as it is stored, and turns it upright by its EXIF orientation."""
    width, height = image.size
    if fit == "crop":
        seen_px, inner_px = [min(width, height)] * 2, [size_px] * 2
    elif fit == "pad":
        longest = max(width, height)
        inner_px = [max(1, math.floor(size_px * side / longest + 0.5)) for side in (width, height)]
        seen_px = [width, height]
    else:
        seen_px, inner_px = [width, height], [size_px] * 2

    small = Image.fromarray(np.ascontiguousarray(rescale(np.asarray(image), tuple(seen_px), tuple(inner_px))))
    original_px = [width, height]
    if orientation in TURNS:
        small = small.transpose(TURNS[orientation])
        if orientation >= 5:
            original_px, seen_px = original_px[::-1], seen_px[::-1]
    inner_px = small.size
    at_px = [(size_px - inner) // 2 for inner in inner_px]

    # View v (px: S v) shows pixel (S v - at) seen / inner of the seen part, which starts at (original - seen) / 2.
    original, seen, inner, at = (np.array(px, float) for px in (original_px, seen_px, inner_px, at_px))
    return View(
        pixels=_pad(np.asarray(small), size_px, at_px),
        original_px=tuple(original_px),
        offset=((original - seen) / 2 - at * seen / inner) / original,
        scale=size_px * seen / inner / original,
    )


def _pad(inner: np.ndarray, size_px: int, at_px: list[int]) -> np.ndarray:
    """Places an image between bars in the mean colour of the border that they touch."""
    height, width = inner.shape[:2]
    if (height, width) == (size_px, size_px):
        return inner
    borders = (inner[:, 0], inner[:, -1]) if width < size_px else (inner[0], inner[-1])
    before, after = ((b.sum(0, dtype=np.int64) + len(b) // 2) // len(b) for b in borders)
    view = np.empty((size_px, size_px, 3), np.uint8)
    view[:] = after
    x, y = at_px
    view[:y], view[:, :x] = before, before
    view[y : y + height, x : x + width] = inner
    return view


def _read(data: bytes) -> tuple[Image.Image, int]:
    """Decodes an image as it is stored, RGB on white, and its EXIF orientation, 1 to 8."""
    if not data:
        raise Rejected("The file is empty (zero bytes).")
    kind = _format(data)
    label = "WebP" if kind == "WEBP" else kind
    damaged = Rejected(f"The {label} file is damaged or incomplete.")
    try:
        image = Image.open(io.BytesIO(data), formats=[kind])
    except Exception:
        raise damaged from None
    width, height = image.size
    if min(width, height) == 0:
        raise Rejected(f"The {label} file has no pixels.")
    if max(width, height) > MAX_SIDE_PX:
        raise Rejected(
            f"The image is {width} x {height} px, but a side may have at most {MAX_SIDE_PX} px. Scale it down first."
        )
    if width * height > MAX_PIXELS:
        raise Rejected(
            f"The image has {width * height // 1_000_000} megapixels, but may have at most "
            f"{MAX_PIXELS // 1_000_000}. Scale it down first."
        )
    orientation = _orientation(image)
    try:
        if kind == "JPEG" and not has_end_marker(data):
            return _without_end(data), orientation
        return _on_white(image), orientation
    except Rejected:
        raise
    except Exception:
        raise damaged from None


def _format(data: bytes) -> str:
    """Recognises a file by its first bytes; Pillow's name of its format."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM") and 12 <= int.from_bytes(data[14:18], "little") <= 256:
        return "BMP"
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    others = {
        "HEIC": brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        "AVIF": brand in (b"avif", b"avis"),
        "TIFF": data.startswith((b"II*\0", b"MM\0*")),
    }
    for name, matches in others.items():
        if matches:
            raise Rejected(f"{name} images cannot be read here. Save this one as PNG or JPEG.")
    raise Rejected("This is not an image. Use PNG, JPEG, WebP, GIF or BMP.")


def _orientation(image: Image.Image) -> int:
    """Reads the EXIF orientation; an image whose orientation cannot be read is upright."""
    try:
        exif = Image.Exif()
        exif.load(image.info.get("exif", b""))
        orientation = exif.get(EXIF_ORIENTATION, 1)
    except Exception:
        return 1
    return orientation if orientation in TURNS else 1


def _on_white(image: Image.Image) -> Image.Image:
    """Converts an image to 8-bit RGB and lays transparent parts on white: `a c + (1 - a) 255`."""
    image.load()
    if image.mode.startswith("I"):
        return Image.fromarray(_stretched_grey(np.asarray(image))).convert("RGB")
    if "transparency" not in image.info and image.mode not in ("RGBA", "LA", "PA", "La", "RGBa"):
        return image.convert("RGB")
    rgba = np.asarray(image.convert("RGBA")).astype(np.uint32)
    rgb, alpha = rgba[..., :3], rgba[..., 3:]
    return Image.fromarray(((rgb * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8))


def _stretched_grey(grey: np.ndarray) -> np.ndarray:
    """Reduces 16-bit grey to 8 bits. White is the largest value of the bits in use: 8, 12 or 16."""
    grey = grey.astype(np.uint32)
    brightest = grey.max()
    white = 255 if brightest <= 255 else 4095 if brightest <= 4095 else 65535
    return ((grey * 255 + white // 2) // white).astype(np.uint8)


# A marker with a length, or the end marker: neither stuffed zeros, restarts, lone markers nor fill bytes.
_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)


def has_end_marker(data: bytes) -> bool:
    """Returns true if a JPEG file has its end-of-image marker outside of its segments, where thumbnails have theirs."""
    at = 2  # after start of image
    while found := _MARKER.search(data, at):
        at = found.end()
        if found[1] == b"\xd9":
            return True
        if at + 2 > len(data):
            return False
        at += int.from_bytes(data[at : at + 2], "big")
    return False


def _without_end(data: bytes) -> Image.Image:
    """Decodes a JPEG file without an end marker, if nothing but the marker is missing.

    Whatever follows a file with all of its pixels does not change them, so the file is decoded with several endings. Pixels that are
    split into refining scans or by restart markers do not show whether they are complete.
    """
    incomplete = "The JPEG file is incomplete: it lacks its end marker, and maybe more."
    if b"\xff\xc2" in data or b"\xff\xdd" in data:
        raise Rejected(incomplete)
    start = data.removesuffix(b"\xff")
    endings = (b"", bytes(64), b"\xaa" * 64)
    decoded = [_on_white(Image.open(io.BytesIO(start + end + b"\xff\xd9"), formats=["JPEG"])) for end in endings]
    if any(other.tobytes() != decoded[0].tobytes() for other in decoded[1:]):
        raise Rejected("The JPEG file is incomplete: some of its pixels are missing.")
    return decoded[0]
