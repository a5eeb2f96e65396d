"""Where images come from: folders, object stores, Parquet files and videos; and the shards they are divided into."""

import io
import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from fractions import Fraction

import av
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from av.video.reformatter import Interpolation
from PIL import Image
from pyarrow import fs as pafs

IMAGE_NAMES = tuple(".png .jpg .jpeg .jpe .jfif .webp .gif .bmp .heic .heif .avif .tif .tiff .apng .dib .ico".split())
VIDEO_NAMES = tuple(".mp4 .m4v .mov .avi .mkv .webm .mpg .mpeg .ts .wmv .flv".split())

# How the command line makes RGB of a frame, to the bit.
INTERPOLATION = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass
class Shard:
    """What one worker reads at a time, and writes as one Parquet and one COCO file."""

    number: int
    # URI and name of each image, or of the only video or Parquet file.
    files: list[tuple[str, str]]
    # `images`, `video` or `parquet`.
    kind: str = "images"
    # Of a Parquet file: the group of rows, and the number of its first row.
    row_group: int = 0
    first_row: int = 0

    def as_dict(self):
        return asdict(self)


@dataclass
class Listing:
    """All shards, in an order that depends only on the names; and the number of files that are neither images, videos nor Parquet."""

    shards: list[Shard] = field(default_factory=list)
    ignored: int = 0


def open_uri(uri: str) -> tuple[pafs.FileSystem, str]:
    """Opens the file system of a path or URI: those of Arrow (files, S3, GCS, HDFS), then those of fsspec."""
    if "://" not in uri:
        return pafs.LocalFileSystem(), os.path.abspath(uri)
    try:
        return pafs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        system, path = fsspec.core.url_to_fs(uri)
        return pafs.PyFileSystem(pafs.FSSpecHandler(system)), path


def below(uri: str, root: str, path: str) -> str:
    """Returns the URI of the file at `path`, which lies below `root`, the path of `uri`; it keeps the options of `uri`."""
    if "://" not in uri:
        return path
    base, question, query = uri.partition("?")
    return base.rstrip("/") + path.removeprefix(root.rstrip("/")) + question + query


def list_shards(uris: list[str], images_per_shard: int, columns: list[str]) -> Listing:
    """Lists everything under these paths and URIs, and divides it into shards: so many images, one video, or one group of rows.

    An image is named by its path below the folder that was given; where two names would be equal, they begin with that folder's name.
    Raises `ValueError` with a sentence if a path does not exist, names stay equal, or a Parquet file lacks one of the columns.
    """
    found, ignored = [], 0
    for uri in uris:
        system, root = open_uri(uri)
        info = system.get_file_info(root)
        if info.type == pafs.FileType.NotFound:
            raise ValueError(f"{uri} does not exist.")
        if info.type == pafs.FileType.File:
            found.append((info.base_name, os.path.basename(os.path.dirname(root)), uri, info.base_name))
            continue
        folder = os.path.basename(root.rstrip("/"))
        for info in system.get_file_info(pafs.FileSelector(root, recursive=True)):
            if info.type != pafs.FileType.File:
                continue
            name = info.path.removeprefix(root).lstrip("/")
            found.append((name, folder, below(uri, root, info.path), info.base_name))

    def is_known(file):
        is_hidden = any(part.startswith(".") for part in file[0].split("/"))
        return not is_hidden and file[0].lower().endswith((*IMAGE_NAMES, *VIDEO_NAMES, ".parquet"))

    known = [file for file in found if is_known(file)]
    ignored = len(found) - len(known)
    times = Counter(name for name, *_ in known)
    named = sorted((f"{folder}/{name}" if times[name] > 1 else name, uri) for name, folder, uri, _ in known)
    for (name, uri), (other, other_uri) in zip(named, named[1:]):
        if name == other:
            raise ValueError(f"{uri} and {other_uri} would have the same name. Give the folder above them instead.")

    listing = Listing(ignored=ignored)
    add = lambda **shard: listing.shards.append(Shard(number=len(listing.shards), **shard))
    images = [(uri, name) for name, uri in named if name.lower().endswith(IMAGE_NAMES)]
    for start in range(0, len(images), images_per_shard):
        add(files=images[start : start + images_per_shard])
    for name, uri in named:
        if name.lower().endswith(VIDEO_NAMES):
            add(files=[(uri, name)], kind="video")
        elif name.lower().endswith(".parquet"):
            first_row = 0
            for group, rows in enumerate(row_group_sizes(uri, columns)):
                add(files=[(uri, name)], kind="parquet", row_group=group, first_row=first_row)
                first_row += rows
    return listing


def row_group_sizes(uri: str, columns: list[str]) -> list[int]:
    """Returns the number of rows in each group of a Parquet file, which must have these columns."""
    system, path = open_uri(uri)
    try:
        metadata = pq.read_metadata(path, filesystem=system)
    except Exception as error:
        raise ValueError(f"{uri} is not a Parquet file that can be read: {error}") from None
    there = metadata.schema.to_arrow_schema().names
    for column in columns:
        if column not in there:
            raise ValueError(f"{uri} has no column {column}. It has {', '.join(there)}.")
    return [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]


def read_bytes(uri: str) -> bytes:
    """Reads a whole file."""
    system, path = open_uri(uri)
    with system.open_input_stream(path) as stream:
        return stream.read()


def parquet_rows(shard: Shard, image_column: str, name_column: str | None):
    """Yields a name and the bytes (or the path, as text) of each row in a group of a Parquet file.

    The column holds bytes, text with a path or URI, or `{bytes, path}` as Hugging Face writes it. Without a column of names, a row is
    named `part.parquet/00000012`, by its number in the file.
    """
    uri, file_name = shard.files[0]
    system, path = open_uri(uri)
    with system.open_input_file(path) as stream:
        table = pq.ParquetFile(stream)
        columns = [image_column, *([name_column] if name_column else [])]
        row = shard.first_row
        for batch in table.iter_batches(batch_size=64, row_groups=[shard.row_group], columns=columns):
            names = batch.column(name_column).to_pylist() if name_column else [None] * batch.num_rows
            for value, name in zip(batch.column(image_column).to_pylist(), names):
                if isinstance(value, dict):
                    value = value.get("bytes") or value.get("path")
                yield str(name) if name is not None else f"{file_name}/{row:08}", value
                row += 1


@dataclass
class Frame:
    """A frame of a video: its number in the order in which frames are shown, its time, and its upright pixels."""

    number: int
    seconds: float
    image: Image.Image


def video_frames(uri: str, every: int):
    """Yields every n-th frame of a video as `Frame`. Errors of PyAV and of reading pass through."""
    system, path = open_uri(uri)
    with system.open_input_file(path) as stream, av.open(_Seekable(stream)) as container:
        video = container.streams.video[0]
        video.thread_type = "AUTO"
        # Square pixels, as the command line makes them.
        wide = float(video.sample_aspect_ratio or 1)
        width, height = round(video.width * max(wide, 1)), round(video.height / min(wide, 1))
        number = 0
        for frame in container.decode(video):
            seconds = float((frame.pts or 0) * (frame.time_base or Fraction(0)))
            if frame.pts is not None and seconds < -1e-6:
                continue  # cut off by the container
            if number % every == 0:
                # Turned before the conversion to RGB, as ffmpeg does, because colours have half the resolution.
                turned = _turned(frame, video)
                size = (width, height) if frame.rotation % 180 == 0 else (height, width)
                rgb = turned.reformat(*size, format="rgb24", interpolation=INTERPOLATION).to_ndarray()
                yield Frame(number, seconds, Image.fromarray(rgb))
            number += 1


#: Filters of ffmpeg that turn a frame counter-clockwise, by the angle in degrees.
TURNS = {90: [("transpose", "cclock")], 180: [("hflip", None), ("vflip", None)], 270: [("transpose", "clock")]}


def _turned(frame: av.VideoFrame, video: av.VideoStream) -> av.VideoFrame:
    """Turns a frame upright, in the pixel format that it has."""
    filters = TURNS.get(frame.rotation % 360)
    if not filters:
        return frame
    graph = av.filter.Graph()
    source = graph.add_buffer(template=video)
    nodes = [graph.add(name, options) for name, options in filters]
    graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
    graph.push(frame)
    return graph.pull()


class _Seekable(io.RawIOBase):
    """Arrow's file as PyAV reads it."""

    def __init__(self, stream):
        self.stream = stream

    def read(self, size=-1):
        return self.stream.read(None if size < 0 else size)

    def seek(self, offset, whence=0):
        return self.stream.seek(offset, whence)

    def tell(self):
        return self.stream.tell()

    def readable(self):
        return True

    def seekable(self):
        return True
