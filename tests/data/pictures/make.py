"""Makes the pictures beside it: python3 make.py (with Pillow).

One picture in every format: 60 x 40 px, grey-blue, a red block in the upper left corner (x and y below 10 px), and a yellow
one whose middle is at (45, 25). Its orientation-N.jpg are stored so that they look the same once turned as EXIF says.
"""

import struct
import zlib
from pathlib import Path

from PIL import Image

HERE = Path(__file__).parent
W, H = 60, 40
RED, YELLOW = (220, 30, 30), (230, 210, 40)


def picture(mode="RGB"):
    image = Image.new("RGB", (W, H))
    for y in range(H):
        for x in range(W):
            colour = (90 + x // 2, 110 + y // 2, 150)
            if x < 10 and y < 10:
                colour = RED
            if 40 <= x < 50 and 20 <= y < 30:
                colour = YELLOW
            image.putpixel((x, y), colour)
    return image.convert(mode)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def save(name, image, **options):
    image.save(HERE / name, **options)


rgb = picture()
save("rgb.png", rgb)
save("grey.png", picture("L"))
save("palette.png", rgb.quantize(64))
save("rgb.bmp", rgb)
save("palette.bmp", rgb.quantize(64))
save("rgb.jpg", rgb, quality=92, subsampling=0)
save("grey.jpg", picture("L"), quality=92)
save("progressive.jpg", rgb, quality=92, progressive=True)
save("cmyk.jpg", picture("CMYK"), quality=92)
save("lossy.webp", rgb, quality=90)
save("lossless.webp", rgb, lossless=True)

# 16 bits a channel: the same values, times 257.
rows = b"".join(b"\0" + b"".join(struct.pack(">HHH", *(257 * c for c in rgb.getpixel((x, y)))) for x in range(W)) for y in range(H))
(HERE / "sixteen.png").write_bytes(png(W, H, 16, 2, rows))

# Only the blocks are opaque; the rest is black that must not be seen, at half its lower half.
see = Image.new("RGBA", (W, H))
for y in range(H):
    for x in range(W):
        colour = rgb.getpixel((x, y))
        block = colour in (RED, YELLOW)
        see.putpixel((x, y), (*colour, 255) if block else (0, 0, 0, 0 if y < H // 2 else 128))
save("alpha.png", see)
save("alpha.webp", see, lossless=True)

# Only the first of two frames counts.
other = Image.new("RGB", (W, H), (0, 255, 0))
save("animated.gif", rgb.quantize(64), save_all=True, append_images=[other.quantize(64)], duration=100, loop=0)
save("animated.webp", rgb, save_all=True, append_images=[other], duration=100, lossless=True)

# EXIF says how to turn what is stored; Pillow's transpose says how to get there from what is seen.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
for orientation, how in STORED.items():
    stored = rgb if how is None else rgb.transpose(how)
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(f"orientation-{orientation}.jpg", stored, quality=92, subsampling=0, exif=exif)

# Headers that promise too much: 30,000 px wide, and 144 megapixels.
(HERE / "wide.png").write_bytes(png(30_000, 2, 1, 0, (b"\0" + b"\0" * 3_750) * 2))
(HERE / "large.png").write_bytes(png(12_000, 12_000, 1, 0, b"\0"))
