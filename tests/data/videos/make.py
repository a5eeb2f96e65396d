"""Writes the videos of this folder: `python3 make.py` (numpy, ffmpeg 5 with libvpx, libx264 and libvorbis).

Each frame, 96 x 64 px, tells its number: in the lower half eight fields 12 px wide, white for a 1, the highest bit first. The upper half is
red in one camera's videos and blue in the other's.
"""

import subprocess
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
WIDTH, HEIGHT, FIELD = 96, 64, 12
RED, BLUE = (200, 40, 40), (40, 40, 200)


def frames(count, colour):
    for number in range(count):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[: HEIGHT // 2] = colour
        for bit in range(8):
            if number >> (7 - bit) & 1:
                image[HEIGHT // 2 :, bit * FIELD : (bit + 1) * FIELD] = 255
        yield image.tobytes()


def write(name, count, rate, colour=RED, options=(), to_pipe=False):
    path = HERE / name
    path.parent.mkdir(exist_ok=True)
    command = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", str(rate), "-i", "-"]
    command += [*options, "-c:v", "libvpx", "-b:v", "120k", "-g", "20", "-fflags", "+bitexact", "-f", "webm"]
    # What is written to a pipe has no duration and no index, as recordings of a browser.
    done = subprocess.run([*command, "-" if to_pipe else str(path)], input=b"".join(frames(count, colour)), check=True, stdout=subprocess.PIPE)
    if to_pipe:
        path.write_bytes(done.stdout)


write("cam1/video.webm", 20, 10)
write("cam2/video.webm", 40, 10, BLUE)
write("sixty.webm", 120, 60)
write("no-duration.webm", 50, 25, to_pipe=True)
write("late.webm", 20, 10, options=["-output_ts_offset", "3"])
# Frames 0, 5, 7, 10, 14, 15, ... of 30 a second.
write("varying.webm", 60, 30, options=["-vf", "select='not(mod(n,7))+not(mod(n,5))'", "-fps_mode", "vfr"])
# As a phone writes it that was held upright, with an edit list that cuts the first 5 frames off.
phone = HERE / "phone.mp4"
h264 = ["-c:v", "libx264", "-g", "20", "-pix_fmt", "yuv420p", "-fflags", "+bitexact"]
raw = ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "10", "-i", "-"]
subprocess.run([*raw, *h264, str(phone)], input=b"".join(frames(20, BLUE)), check=True)
cut = ["ffmpeg", "-v", "error", "-y", "-ss", "0.5", "-i", str(phone), "-c", "copy", "-metadata:s:v", "rotate=90", "-fflags", "+bitexact"]
subprocess.run([*cut, str(HERE / "turned.mp4")], check=True)
phone.unlink()
whole = (HERE / "sixty.webm").read_bytes()
(HERE / "cut-off.webm").write_bytes(whole[: len(whole) // 2])
subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "sine=duration=0.5", "-c:a", "libvorbis", "-fflags", "+bitexact", str(HERE / "sound.webm")], check=True)
