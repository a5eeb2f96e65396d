//! Videos, read and written through `ffprobe` and `ffmpeg`, which must be on the PATH. Frames come through a pipe, one at a time.
//!
//! A frame has the number and the time that it has on the page: packets are sorted by their time of presentation, and those that an
//! edit list cuts off do not count. Frames are turned upright, and stretched to square pixels.

mod frames;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub use frames::{Frame, Frames};
pub use writer::VideoWriter;

/// Tolerance for rounded times, s.
const EPSILON: f64 = 1e-6;

/// A video whose times of frames are known; nothing is decoded yet.
#[derive(Clone, Debug)]
pub struct Video {
    path: PathBuf,
    /// Its name in messages.
    name: String,
    /// Time at which each frame is shown, ascending, s.
    pub seconds: Vec<f64>,
    /// Number of units in a second that its times are multiples of.
    pub timescale: u32,
    /// Number of frames that the file promises; some may be missing at its end.
    promised: usize,
}

impl Video {
    /// Reads the times of a video's frames; `name` is its name in messages.
    ///
    /// # Errors
    /// A sentence: ffmpeg is missing, or the file has no readable frames.
    pub fn open(path: &Path, name: &str) -> Result<Self, String> {
        let entries = "packet=pts,flags:stream=time_base,nb_frames";
        let text = probe(path, &["-select_streams", "V:0", "-show_entries", entries])?;
        let Some(listed) = Listed::parse(&text) else {
            let kinds = probe(path, &["-show_entries", "stream=codec_type"])?;
            return Err(match kinds.contains("codec_type=audio") {
                true => format!("{name} has sound but no frames. Choose another file."),
                false => unreadable(name),
            });
        };
        let (mut pts, mut promised) = (listed.pts, listed.promised);
        if listed.lacks_times {
            // Old containers time packets for decoding only.
            promised = 0;
            let entries = "frame=best_effort_timestamp";
            let text = probe(path, &["-select_streams", "V:0", "-show_entries", entries])?;
            let frames = records(&text, "frame");
            pts = frames
                .filter_map(|frame| field(frame, "best_effort_timestamp")?.parse().ok())
                .collect();
        }
        let mut seconds: Vec<f64> = (pts.iter().map(|&pts| pts as f64 * listed.unit_seconds))
            .filter(|seconds| *seconds >= -EPSILON)
            .collect();
        if seconds.is_empty() {
            return Err(unreadable(name));
        }
        // Packets are in the order of decoding.
        seconds.sort_by(f64::total_cmp);
        Ok(Self {
            path: path.to_path_buf(),
            name: name.into(),
            timescale: timescale(listed.unit_seconds),
            promised: seconds.len().max(promised),
            seconds,
        })
    }

    /// Lists the numbers of every n-th frame.
    pub fn every(&self, n: usize) -> Vec<usize> {
        (0..self.seconds.len()).step_by(n.max(1)).collect()
    }

    /// Lists the numbers of at most `count` frames, evenly spread over time; all of them if there are no more.
    pub fn spread(&self, count: usize) -> Vec<usize> {
        let all = self.seconds.len();
        if count >= all {
            return (0..all).collect();
        }
        let (first, last) = (self.seconds[0], self.seconds[all - 1]);
        let mut numbers: Vec<usize> = (0..count)
            .map(|i| {
                let time = first + (last - first) * (i as f64 + 0.5) / count as f64;
                nearest(&self.seconds, time)
            })
            .collect();
        numbers.dedup();
        numbers
    }

    /// Decodes the frames with the numbers `wanted`, which ascend.
    ///
    /// # Errors
    /// A sentence: ffmpeg is missing. Errors of decoding are the iterator's last item.
    pub fn frames(&self, wanted: &[usize]) -> Result<Frames, String> {
        Frames::begin(self, wanted)
    }
}

/// What ffprobe lists of a video stream.
struct Listed {
    /// Times of presentation of the packets that are shown, in the order of decoding, in units of the stream.
    pts: Vec<i64>,
    /// A packet has no time of presentation.
    lacks_times: bool,
    unit_seconds: f64,
    /// Number of shown frames that the file promises; 0 if it promises none.
    promised: usize,
}

impl Listed {
    /// Returns none if there is no video stream.
    fn parse(text: &str) -> Option<Self> {
        let stream = records(text, "stream").next()?;
        let (mut pts, mut cut, mut lacks_times) = (Vec::new(), 0, false);
        for packet in records(text, "packet") {
            if field(packet, "flags").is_some_and(|flags| flags.contains('D')) {
                cut += 1;
                continue;
            }
            match field(packet, "pts").and_then(|pts| pts.parse().ok()) {
                Some(time) => pts.push(time),
                None => lacks_times = true,
            }
        }
        let promised = field(stream, "nb_frames").and_then(|count| count.parse::<usize>().ok());
        Some(Self {
            pts,
            lacks_times,
            unit_seconds: ratio(field(stream, "time_base")?)?,
            promised: promised.map_or(0, |count| count.saturating_sub(cut)),
        })
    }
}

/// Lists the records of a kind in ffprobe's compact output: `packet|pts=0|flags=K_`.
fn records<'t>(text: &'t str, kind: &'static str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| {
        // A stream of a program stands behind the program's own fields.
        let (before, fields) = line.split_once(kind)?;
        (before.is_empty() || before.ends_with('|'))
            .then(|| fields.strip_prefix('|'))
            .flatten()
    })
}

/// Returns the value of a field of a record.
fn field<'t>(record: &'t str, name: &str) -> Option<&'t str> {
    let mut fields = record.split('|').filter_map(|field| field.split_once('='));
    fields.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Reads a ratio: `1/15360`.
fn ratio(text: &str) -> Option<f64> {
    let (above, below) = text.split_once('/')?;
    let (above, below): (f64, f64) = (above.parse().ok()?, below.parse().ok()?);
    (above > 0.0 && below > 0.0).then(|| above / below)
}

/// Returns the timescale of an MP4 with times of this unit: the same where MP4 can have it, else that of broadcasting.
fn timescale(unit_seconds: f64) -> u32 {
    let same = 1.0 / unit_seconds;
    let fits = (same - same.round()).abs() < 1e-6 && (1.0..=1e6).contains(&same);
    if fits { same.round() as u32 } else { 90_000 }
}

/// Returns the index of the number that is nearest to `wanted`.
fn nearest(ascending: &[f64], wanted: f64) -> usize {
    let after = ascending.partition_point(|value| *value < wanted);
    match after {
        0 => 0,
        _ if after == ascending.len() => after - 1,
        _ if wanted - ascending[after - 1] < ascending[after] - wanted => after - 1,
        _ => after,
    }
}

/// Returns the message for a video without readable frames.
fn unreadable(name: &str) -> String {
    format!("{name} has no readable frames. The file may be cut off: copy it again.")
}

/// Runs ffprobe on a file, and returns its output; a damaged file gives what could be read.
fn probe(path: &Path, options: &[&str]) -> Result<String, String> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "compact"])
        .args(options)
        .arg("-i")
        .arg(input(path))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| start_message("ffprobe", &error))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Names a file for ffmpeg, which would read a name with a colon as a protocol.
fn input(path: &Path) -> std::ffi::OsString {
    let mut named = std::ffi::OsString::from("file:");
    named.push(path);
    named
}

/// Returns the message for a program that did not start.
fn start_message(program: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "Videos need {program}, which is not on the PATH. Install FFmpeg 5.1 or newer: `apt install ffmpeg`, `brew install ffmpeg` or `winget install ffmpeg`."
        ),
        _ => format!("{program} did not start ({error}). Install FFmpeg again."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_sorts_out_packets_that_an_edit_list_cuts_off() {
        let text = "packet|pts=-512|flags=KD_\npacket|pts=0|flags=__\npacket|pts=1024|flags=__\n\
                    packet|pts=512|flags=__\nstream|time_base=1/15360|nb_frames=4\n";
        let listed = Listed::parse(text).expect("a stream");
        assert_eq!(listed.pts, [0, 1024, 512]);
        assert_eq!((listed.lacks_times, listed.promised), (false, 3));
        assert!((listed.unit_seconds - 1.0 / 15360.0).abs() < 1e-12);
        let in_program =
            "program|stream|time_base=1/90000|nb_frames=N/A\npacket|pts=N/A|flags=K_\n";
        let listed = Listed::parse(in_program).expect("a stream");
        assert_eq!((listed.lacks_times, listed.promised), (true, 0));
        assert!(Listed::parse("").is_none());
    }

    #[test]
    fn spread_follows_time_not_numbers() {
        // Nine frames in the first second, then one each second.
        let seconds: Vec<f64> = (0..9)
            .map(|i| f64::from(i) / 9.0)
            .chain((1..=9).map(f64::from))
            .collect();
        let video = Video {
            path: PathBuf::new(),
            name: String::new(),
            promised: seconds.len(),
            timescale: 90_000,
            seconds,
        };
        assert_eq!(video.spread(2), [10, 15]);
        assert_eq!(video.spread(99).len(), 18);
        assert_eq!(video.every(7), [0, 7, 14]);
    }
}
