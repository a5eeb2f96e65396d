"""Images of every kind, the results of `autolink detect` on them, and those of the job.

AUTOLINK names the command line (default: target/release/autolink). Photographs come from ../shared/data, or from models/hands.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
from autolink_ray.annotate import Options, annotate
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
AUTOLINK = os.environ.get("AUTOLINK", str(ROOT / "target/release/autolink"))
MODEL = ROOT / "models/hands.safetensors"
SHARED = Path(os.environ.get("AUTOLINK_SHARED", ROOT.parent / "shared")) / "data"


@pytest.fixture(scope="session", autouse=True)
def cluster():
    """Ray on this machine, with room for two workers."""
    # Two workers, and what waits while one is killed.
    ray.init(num_cpus=2, include_dashboard=False, logging_level="warning", log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def detector(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "detector.onnx"
    subprocess.run([AUTOLINK, "export", "--model", MODEL, "--onnx", path], check=True)
    return path


def photographs(folder, count):
    found = sorted((SHARED / folder).rglob("*.[jJ][pP][gG]")) or sorted((ROOT / "models/hands").glob("*.jpg"))
    return [Image.open(found[i * len(found) // count] if count < len(found) else found[i % len(found)]) for i in range(count)]


def with_orientation(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.fixture(scope="session")
def mixed(tmp_path_factory):
    """A folder of 500 images: 250 JPEG photographs of hands in all EXIF orientations, and 250 others in lossless formats."""
    folder = tmp_path_factory.mktemp("mixed")
    random = np.random.default_rng(0)
    for i, image in enumerate(photographs("hands", 250)):
        image = image.convert("L" if i % 10 == 9 else "RGB")
        exif = with_orientation(1 + i % 8)
        folder.joinpath("jpeg").mkdir(exist_ok=True)
        image.save(folder / f"jpeg/{i:03}.jpg", quality=90, exif=exif, progressive=i % 7 == 0, subsampling=i % 3)
    others = photographs("tshirts", 170) + photographs("faces", 80)
    folder.joinpath("lossless").mkdir()
    for i, image in enumerate(others):
        path = folder / "lossless" / f"{i:03}"
        # Aspect ratios from 1:3 to 3:1.
        width, height = random.integers(60, 180, 2) if i % 5 == 0 else image.size
        image = image.convert("RGB").resize((int(width), int(height)))
        alpha = Image.fromarray(random.integers(0, 256, (height, width), dtype=np.uint8))
        match i % 10:
            case 0 | 1 | 2:
                image.save(f"{path}.png", exif=with_orientation(1 + i // 10 % 8))
            case 3:
                image.putalpha(alpha)
                image.save(f"{path}.png")
            case 4:
                image.convert("L").save(f"{path}.png")
            case 5:
                grey = np.asarray(image.convert("L")).astype(np.uint16) << 4
                Image.fromarray(grey).save(f"{path}.png")  # 12 bits of 16
            case 6:
                image.save(f"{path}.bmp")
            case 7:
                image.quantize(64).save(f"{path}.gif")
            case 8:
                image.save(f"{path}.webp", lossless=True)
            case _:
                Image.merge("LA", (image.convert("L"), alpha)).save(f"{path}.png")
    return folder


@pytest.fixture(scope="session")
def broken(tmp_path_factory):
    """A folder of files that cannot be used."""
    folder = tmp_path_factory.mktemp("broken")
    whole = (ROOT / "models/hands/0.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_bytes(b"not an image")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    png = (ROOT / "tests/data/pictures/rgb.png").read_bytes()
    (folder / "damaged.png").write_bytes(png[:60] + b"oops" + png[64:])
    return folder


def detect(paths, out, *options):
    """Runs `autolink detect`; its JSON."""
    command = [AUTOLINK, "detect", *paths, "--model", MODEL, "--out", out, "--force", *options]
    subprocess.run(command, check=True, capture_output=True)
    return json.loads(Path(out).read_text())


def options(detector, out, inputs, **others):
    return Options(inputs=[str(path) for path in inputs], model=str(detector), out=str(out), **{"shard": 50, **others})


def run(*arguments, **others):
    return annotate(options(*arguments, **others), report=lambda sentence: None)


def rows(out):
    """All rows of a job, by name."""
    tables = [pq.read_table(path) for path in sorted(Path(out, "keypoints").glob("*.parquet"))]
    return {row["name"]: row for table in tables for row in table.to_pylist()}


def distances_px(row, keypoints):
    """Distances between a row's keypoints and those of `autolink detect`, fractions of the image, in px of the original."""
    wanted = np.array(keypoints) * (row["width_px"], row["height_px"])
    return np.hypot(*(np.stack([row["x_px"], row["y_px"]], 1) - wanted).T)


@pytest.fixture(scope="session")
def done(detector, mixed, broken, tmp_path_factory):
    """The folder of a job on all images with two workers, and its summary."""
    out = tmp_path_factory.mktemp("done")
    return out, run(detector, out, [mixed, broken], workers=2)
