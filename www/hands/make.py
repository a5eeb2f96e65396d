"""Makes hands-200.zip: the first 20 photographs of each gesture in src/data/hands.txt that have landmarks, as WebP, with those
landmarks.

    python make.py FOLDER

FOLDER has 0/ .. 9/ of the Sign Language Digits Dataset (Arda Mavi and Zeynep Dikle, Apache-2.0) and landmarks.csv: a supervised hand
detector's 21 landmarks, x and y as fractions of the image. Needs Pillow.
"""

import csv
import io
import sys
import zipfile
from pathlib import Path

from PIL import Image

COUNT = 200
here = Path(__file__).parent
folder = Path(sys.argv[1])

head, *rows = csv.reader((folder / "landmarks.csv").open(newline=""))
landmarks = {row[0]: row[1:] for row in rows}
listed = (here / "../../src/data/hands.txt").read_text().split()
paths = [f"{gesture}/IMG_{number}.JPG" for gesture, number in (name.split("/") for name in listed)]
# As many of each gesture, in turns, so that the first n are balanced as well.
labelled = [path for path in paths if path in landmarks]
gestures = [[path for path in labelled if path.startswith(f"{gesture}/")][: COUNT // 10] for gesture in range(10)]
chosen = [path for turn in zip(*gestures, strict=True) for path in turn]


def entry(name: str) -> zipfile.ZipInfo:
    """The same bytes on every day."""
    return zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))


with zipfile.ZipFile(here / "hands-200.zip", "w") as bundle:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(head)
    for path in chosen:
        name = path.replace(".JPG", ".webp")
        image = io.BytesIO()
        Image.open(folder / path).convert("RGB").save(image, "WEBP", quality=92, method=6)
        bundle.writestr(entry(name), image.getvalue())
        writer.writerow([name, *(f"{float(value):.4f}" for value in landmarks[path])])
    bundle.writestr(entry("landmarks.csv"), table.getvalue(), zipfile.ZIP_DEFLATED)
    bundle.writestr(entry("LICENSE"), (folder / "LICENSE").read_bytes(), zipfile.ZIP_DEFLATED)
    notice = (
        "Photographs from the Sign Language Digits Dataset by Arda Mavi and Zeynep Dikle, Apache-2.0,\n"
        "github.com/ardamavi/Sign-Language-Digits-Dataset. Changed: compressed again, as WebP.\n"
        "The landmarks are a hand detector's, not a person's.\n"
    )
    bundle.writestr(entry("NOTICE"), notice, zipfile.ZIP_DEFLATED)
