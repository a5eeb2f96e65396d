//! A video, encoded by a process of ffmpeg as H.264 in MP4.
//!
//! Raw frames have no times of their own, so ffmpeg gets them in a stream of Matroska (RFC 9559), with a cluster for each frame.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};

use super::{input, start_message};

/// Encodes frames. Dropping it ends ffmpeg and leaves an unfinished file.
pub struct VideoWriter {
    child: Child,
    frames: Option<ChildStdin>,
    errors: Option<JoinHandle<String>>,
    size_px: [u32; 2],
}

impl VideoWriter {
    /// Begins the MP4 file `path`, which is replaced. Times are kept to `1 / timescale` s.
    ///
    /// # Errors
    /// A sentence: ffmpeg is missing.
    pub fn begin(path: &Path, size_px: [u32; 2], timescale: u32) -> Result<Self, String> {
        let mut child = Command::new("ffmpeg")
            .args(["-hide_banner", "-nostats", "-loglevel", "error", "-y", "-copyts"])
            .args(["-f", "matroska", "-i", "pipe:0"])
            // H.264 with half as much colour has even sides.
            .args(["-vf", "pad=w=ceil(iw/2)*2:h=ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"])
            .args(["-c:v", "libx264", "-preset", "fast", "-crf", "18"])
            .args(["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv"])
            .args(["-fps_mode", "passthrough", "-enc_time_base", &format!("1:{timescale}")])
            .args(["-video_track_timescale", &timescale.to_string()])
            .args(["-movie_timescale", &timescale.to_string()])
            .args(["-movflags", "+faststart", "-f", "mp4"])
            .arg(input(path))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| start_message("ffmpeg", &error))?;
        let errors = child.stderr.take().map(|mut stderr| {
            thread::spawn(move || {
                let mut text = Vec::new();
                let _ = stderr.read_to_end(&mut text);
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        let mut writer = Self {
            frames: child.stdin.take(),
            child,
            errors,
            size_px,
        };
        writer.send(&header(size_px))?;
        Ok(writer)
    }

    /// Adds a frame, RGB `[H, W, 3]`, that is shown at `seconds`, after those before.
    ///
    /// # Errors
    /// A sentence: the frame has another size, or ffmpeg failed.
    pub fn push(&mut self, seconds: f64, size_px: [u32; 2], rgb: &[u8]) -> Result<(), String> {
        if size_px != self.size_px {
            let [width, height] = self.size_px;
            return Err(format!(
                "Its frames change their size from {width} x {height} to {} x {} px. Convert the video to one size first.",
                size_px[0], size_px[1]
            ));
        }
        let nanoseconds = (seconds.max(0.0) * 1e9).round() as u64;
        let time = element(&[0xe7], &nanoseconds.to_be_bytes());
        // Track 1, at the cluster's time, a key frame.
        let block = [0x81, 0, 0, 0x80];
        let block_bytes = (block.len() + rgb.len()) as u64;
        let mut start = vec![0x1f, 0x43, 0xb6, 0x75];
        start.extend(size(time.len() as u64 + 1 + 8 + block_bytes));
        start.extend(time);
        start.push(0xa3);
        start.extend(size(block_bytes));
        start.extend(block);
        self.send(&start)?;
        self.send(rgb)
    }

    /// Completes the file.
    ///
    /// # Errors
    /// A sentence: ffmpeg failed.
    pub fn finish(mut self) -> Result<(), String> {
        self.frames = None;
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(self.failure()),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sent = match &mut self.frames {
            Some(frames) => frames.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        sent.map_err(|_| {
            self.frames = None;
            let _ = self.child.wait();
            self.failure()
        })
    }

    /// Returns the sentence for an ffmpeg that ended early.
    fn failure(&mut self) -> String {
        let errors = self.errors.take().and_then(|errors| errors.join().ok());
        let errors = errors.unwrap_or_default();
        if errors.contains("libx264") && errors.contains("Unknown encoder") {
            return "This ffmpeg cannot encode H.264. Install one with libx264.".into();
        }
        let line = errors.lines().find(|line| !line.trim().is_empty());
        let reason = line.unwrap_or("ffmpeg was stopped").trim_end_matches('.');
        format!("The video cannot be encoded: {reason}.")
    }
}

impl Drop for VideoWriter {
    fn drop(&mut self) {
        self.frames = None;
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the start of a Matroska stream with one track of raw RGB, whose times are in nanoseconds.
fn header([width, height]: [u32; 2]) -> Vec<u8> {
    let number = |id: &[u8], value: u32| element(id, &value.to_be_bytes());
    let ebml = [
        number(&[0x42, 0x86], 1),
        number(&[0x42, 0xf7], 1),
        number(&[0x42, 0xf2], 4),
        number(&[0x42, 0xf3], 8),
        element(&[0x42, 0x82], b"matroska"),
        number(&[0x42, 0x87], 4),
        number(&[0x42, 0x85], 2),
    ];
    let info = [
        number(&[0x2a, 0xd7, 0xb1], 1), // nanoseconds in a unit of time
        element(&[0x4d, 0x80], b"autolink"),
        element(&[0x57, 0x41], b"autolink"),
    ];
    let video = [
        number(&[0xb0], width),
        number(&[0xba], height),
        element(&[0x2e, 0xb5, 0x24], b"RGB\x18"),
    ];
    let track = [
        number(&[0xd7], 1),
        number(&[0x73, 0xc5], 1),
        number(&[0x83], 1), // video
        element(&[0x86], b"V_UNCOMPRESSED"),
        element(&[0xe0], &video.concat()),
    ];
    let segment = [
        0x18, 0x53, 0x80, 0x67, 0x01, 255, 255, 255, 255, 255, 255, 255,
    ]; // of unknown length
    [
        element(&[0x1a, 0x45, 0xdf, 0xa3], &ebml.concat()),
        segment.to_vec(),
        element(&[0x15, 0x49, 0xa9, 0x66], &info.concat()),
        element(
            &[0x16, 0x54, 0xae, 0x6b],
            &element(&[0xae], &track.concat()),
        ),
    ]
    .concat()
}

fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    [id, &size(content.len() as u64), content].concat()
}

/// Writes a length in eight bytes.
fn size(bytes: u64) -> [u8; 8] {
    (bytes | 1 << 56).to_be_bytes()
}
