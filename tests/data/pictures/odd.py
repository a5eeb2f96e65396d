"""Makes odd/ beside it: python3 odd.py (with Pillow). Pictures that cameras, microscopes and browsers know and few tests do, and
beside each, as NAME.png, what Pillow shows of it: upright, 8-bit RGB, on white where it is transparent.
"""

import io
import struct
import zlib
from pathlib import Path

from PIL import Image, ImageOps, features

ODD = Path(__file__).parent / "odd"
W, H = 48, 32


def picture(mode="RGB"):
    """Smooth, since chroma subsampling is not what is compared, with a corner that tells how it is turned."""
    image = Image.new("RGB", (W, H))
    for y in range(H):
        for x in range(W):
            image.putpixel((x, y), (220, 30, 30) if x < 16 and y < 8 else (60 + 3 * x, 200 - 4 * y, 120 + x + y))
    return image.convert(mode)


def shown(image):
    image = ImageOps.exif_transpose(image)
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("RGB")


def put(name, data, as_shown=None):
    """`as_shown`: the file that Pillow is asked about, if that refuses this one."""
    (ODD / name).write_bytes(data)
    shown(Image.open(io.BytesIO(as_shown or data))).save(ODD / f"{name}.png", optimize=True)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def without(jpeg, marker):
    """A JPEG file without the segments of a kind."""
    kept, i = jpeg[:2], 2
    while jpeg[i + 1] != 0xDA:
        length = struct.unpack(">H", jpeg[i + 2 : i + 4])[0]
        if jpeg[i + 1] != marker:
            kept += jpeg[i : i + 2 + length]
        i += 2 + length
    return kept + jpeg[i:]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colour, rows):
    header = struct.pack(">IIBBBBB", W, H, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


ODD.mkdir(exist_ok=True)
rgb = picture()
plain = saved(rgb, "JPEG", quality=90, subsampling=0)
progressive = saved(rgb, "JPEG", quality=90, progressive=True, restart_marker_blocks=1, subsampling=0)
put("without-its-end.jpg", plain[:-2], plain)
put("without-half-its-end.jpg", plain[:-1], plain)
put("without-huffman-tables.jpg", without(saved(rgb, "JPEG", quality=90, subsampling=0), 0xC4))
put("progressive-restarts.jpg", progressive)
put("subsampled-restarts.jpg", saved(rgb, "JPEG", quality=95, restart_marker_blocks=2))
put("rgb-in-jpeg.jpg", saved(rgb, "JPEG", quality=95, keep_rgb=True))
inks = Image.new("CMYK", (W, H))
for y in range(H):
    for x in range(W):
        inks.putpixel((x, y), (5 * x, 7 * y, 90, 2 * x + y))
cmyk = saved(inks, "JPEG", quality=95, subsampling=0)
put("cmyk.jpg", cmyk)
at = cmyk.index(b"Adobe") + 11
put("ycck.jpg", cmyk[:at] + b"\x02" + cmyk[at + 1 :])
put("one-bit.png", saved(rgb.convert("1"), "PNG"))
put("grey-alpha.png", saved(picture("LA"), "PNG"))
clear = rgb.quantize(32)
clear.info["transparency"] = clear.getpixel((0, 0))
put("palette-with-a-clear-colour.png", saved(clear, "PNG", transparency=clear.getpixel((0, 0))))
put("clear.gif", saved(clear, "GIF", transparency=clear.getpixel((0, 0))))
put("two-bits.png", saved(rgb.quantize(4), "PNG", bits=2))
other = Image.new("RGB", (W, H), (0, 255, 0))
put("animated.png", saved(rgb, "PNG", save_all=True, append_images=[other], duration=100))
# 16 bits a pixel, of which these use 12 and 8; Pillow shows the 8-bit picture that they were made of.
grey = picture("L")
for name, most in (("twelve-bits.png", 4095), ("eight-of-sixteen-bits.png", 255)):
    rows = b"".join(b"\0" + b"".join(struct.pack(">H", round(grey.getpixel((x, y)) * most / 255)) for x in range(W)) for y in range(H))
    put(name, png(16, 0, rows), saved(grey, "PNG"))
exif = Image.Exif()
exif[0x0112] = 6
put("turned.png", saved(rgb, "PNG", exif=exif))
put("turned.webp", saved(rgb, "WEBP", lossless=True, exif=exif.tobytes()))
put("turned.jpg", saved(rgb, "JPEG", quality=92, subsampling=0, exif=exif))
print("made with Pillow", Image.__version__ if hasattr(Image, "__version__") else "", features.version("jpg"))
