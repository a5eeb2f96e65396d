"""What is written of a shard: a Parquet file with all rows, and a COCO file with the images that have keypoints."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs as pafs

# Ids of a COCO file begin at this number times its shard's, so that those of all shards differ.
IDS_PER_SHARD = 10_000_000


def schema(names, skeleton) -> pa.Schema:
    """The columns of a Parquet file. Keypoints are in px of the upright original; rows with a reason have none."""
    numbers = pa.list_(pa.float32())
    return pa.schema(
        [
            ("name", pa.string()),
            ("video", pa.string()),
            ("frame", pa.int64()),
            ("seconds", pa.float64()),
            ("width_px", pa.int32()),
            ("height_px", pa.int32()),
            ("x_px", numbers),
            ("y_px", numbers),
            ("confidence", numbers),
            ("reason", pa.string()),
        ],
        metadata={"keypoint_names": json.dumps(names), "skeleton": json.dumps(skeleton)},
    )


def parquet_bytes(rows: list[dict], names, skeleton) -> pa.Buffer:
    """Writes rows as Parquet; what a row lacks is null."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema(names, skeleton)), sink, compression="zstd")
    return sink.getvalue()


def coco_bytes(rows: list[dict], shard_number: int, names, skeleton) -> bytes:
    """Writes COCO keypoints as `autolink annotate --format coco` does, with a score: the mean confidence."""
    images, annotations = [], []
    for i, row in enumerate(rows):
        if row.get("reason"):
            continue
        identity = shard_number * IDS_PER_SHARD + i + 1
        x_px, y_px = row["x_px"], row["y_px"]
        left, top = min(x_px), min(y_px)
        width, height = max(1, max(x_px) - left), max(1, max(y_px) - top)
        images.append(
            {"id": identity, "file_name": row["name"], "width": row["width_px"], "height": row["height_px"]}
        )
        annotations.append(
            {
                "id": identity,
                "image_id": identity,
                "category_id": 1,
                "keypoints": [value for x, y in zip(x_px, y_px) for value in (round(x, 4), round(y, 4), 2)],
                "num_keypoints": len(x_px),
                "bbox": [round(value, 4) for value in (left, top, width, height)],
                "area": round(width * height, 4),
                "iscrowd": 0,
                "segmentation": [],
                "score": round(sum(row["confidence"]) / len(x_px), 4),
            }
        )
    category = {
        "id": 1,
        "name": "object",
        "supercategory": "",
        "keypoints": names,
        "skeleton": [[a + 1, b + 1] for a, b in skeleton],
    }
    content = {
        "info": {"description": "keypoints found by AutoLink"},
        "licenses": [],
        "images": images,
        "categories": [category],
        "annotations": annotations,
    }
    return json.dumps(content).encode()


def write_whole(system: pafs.FileSystem, path: str, content) -> None:
    """Writes a file so that it is never seen half written. Object stores show a file when it is complete; on disks it is renamed."""
    if not isinstance(system, pafs.LocalFileSystem):
        with system.open_output_stream(path) as stream:
            stream.write(content)
        return
    unfinished = f"{path}.{os.getpid()}.unfinished"
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        if os.path.exists(unfinished):
            os.remove(unfinished)
        raise
