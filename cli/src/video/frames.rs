//! Frames of a video, decoded by a process of ffmpeg as they are asked for.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use autolink::words::counted;

use super::{EPSILON, Video, input, ratio, start_message};

/// Most frames that ffmpeg is told to select by itself; more are selected here.
const MAX_SELECTED: usize = 256;

const OUTDATED: &str = "This ffmpeg is too old for videos. Install FFmpeg 5.1 or newer.";

/// A decoded frame of a video.
pub struct Frame {
    /// Number of the frame from 0, in the order of presentation.
    pub number: usize,
    /// Time at which it is shown, s.
    pub seconds: f64,
    /// Width and height, px, upright.
    pub size_px: [u32; 2],
    /// `[height, width, 3]`.
    pub rgb: Vec<u8>,
}

/// Decodes frames in order. Dropping it ends ffmpeg. An error is the last item: a sentence.
pub struct Frames {
    video: Video,
    wanted: Vec<usize>,
    /// Number of wanted frames that were returned or are missing.
    passed: usize,
    returned: usize,
    child: Child,
    pixels: ChildStdout,
    headers: Receiver<Header>,
    /// Number of the last frame that came from ffmpeg.
    at: usize,
    is_over: bool,
}

/// What ffmpeg says of a frame, or of itself, while it writes pixels.
enum Header {
    Frame {
        seconds: f64,
        size_px: [u32; 2],
    },
    /// It does not know an option of newer versions.
    Outdated,
}

impl Frames {
    pub(super) fn begin(video: &Video, wanted: &[usize]) -> Result<Self, String> {
        let mut child = Command::new("ffmpeg")
            .args(["-hide_banner", "-nostdin", "-nostats"])
            .args(["-loglevel", "repeat+level+info", "-copyts", "-i"])
            .arg(input(&video.path))
            .args(["-map", "0:V:0", "-fps_mode", "passthrough", "-vf"])
            .arg(filters(&video.seconds, wanted))
            .args(["-f", "rawvideo", "pipe:1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| start_message("ffmpeg", &error))?;
        let (pixels, lines) = child
            .stdout
            .take()
            .zip(child.stderr.take())
            .ok_or("ffmpeg has no output.")?;
        let (sender, headers) = channel();
        thread::spawn(move || read_headers(BufReader::new(lines), &sender));
        Ok(Self {
            video: video.clone(),
            wanted: wanted.to_vec(),
            passed: 0,
            returned: 0,
            child,
            pixels,
            headers,
            at: 0,
            is_over: wanted.is_empty(),
        })
    }

    /// Reads the next frame that ffmpeg decoded; none at the end of the video.
    fn decoded(&mut self) -> Result<Option<Frame>, String> {
        let (seconds, size_px) = match self.headers.recv() {
            Ok(Header::Frame { seconds, size_px }) => (seconds, size_px),
            Ok(Header::Outdated) => return Err(OUTDATED.into()),
            Err(_) => return Ok(None),
        };
        let mut rgb = vec![0; size_px[0] as usize * size_px[1] as usize * 3];
        if self.pixels.read_exact(&mut rgb).is_err() {
            return Ok(None);
        }
        let times = &self.video.seconds;
        let distance = |frame: usize| times.get(frame).map(|time| (time - seconds).abs());
        // Found by time, because decoders skip broken frames.
        while distance(self.at + 1)
            .zip(distance(self.at))
            .is_some_and(|(next, this)| next < this)
        {
            self.at += 1;
        }
        Ok(Some(Frame {
            number: self.at,
            seconds: if seconds < -EPSILON {
                seconds
            } else {
                times[self.at]
            },
            size_px,
            rgb,
        }))
    }

    /// Returns the sentence for frames that are missing at the end.
    fn cut_off(&self) -> String {
        // Of a whole video, the file's own count includes frames that it lacks.
        let all = match self.wanted.len() == self.video.seconds.len() {
            true => self.video.promised,
            false => self.wanted.len(),
        };
        format!(
            "Only {} of {} of {} could be decoded (the file is cut off, or damaged).",
            self.returned,
            counted(all, "frame"),
            self.video.name
        )
    }
}

impl Iterator for Frames {
    type Item = Result<Frame, String>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            match self.decoded() {
                Ok(Some(frame)) if frame.seconds < -EPSILON => {} // an edit list cuts it off
                Ok(Some(frame)) => {
                    let passed = self.wanted[self.passed..]
                        .iter()
                        .take_while(|wanted| **wanted < frame.number);
                    self.passed += passed.count();
                    if self.wanted.get(self.passed) == Some(&frame.number) {
                        self.passed += 1;
                        self.returned += 1;
                        let is_whole = self.wanted.len() == self.video.seconds.len();
                        let is_short = is_whole && self.video.promised > self.wanted.len();
                        self.is_over = self.passed == self.wanted.len() && !is_short;
                        return Some(Ok(frame));
                    }
                }
                Ok(None) => {
                    self.is_over = true;
                    return Some(Err(self.cut_off()));
                }
                Err(reason) => {
                    self.is_over = true;
                    return Some(Err(reason));
                }
            }
        }
        None
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the filters that select frames, stretch them to square pixels, and print time and size of each.
fn filters(seconds: &[f64], wanted: &[usize]) -> String {
    let mut filters = String::new();
    if wanted.len() <= MAX_SELECTED && 2 * wanted.len() < seconds.len() {
        // Up to the middle between the frame and its neighbours.
        let middle = |a: usize, b: usize| (seconds[a] + seconds[b]) / 2.0;
        let spans = wanted.iter().map(|&n| {
            let from = if n == 0 {
                seconds[0] - 1.0
            } else {
                middle(n - 1, n)
            };
            let to = match n + 1 < seconds.len() {
                true => middle(n, n + 1),
                false => seconds[n] + 1.0,
            };
            format!("between(t,{from:.9},{to:.9})")
        });
        filters = format!("select='{}',", spans.collect::<Vec<_>>().join("+"));
    }
    filters
        + "scale=w='if(gt(sar,1),round(iw*sar),iw)':h='if(lt(sar,1),round(ih/sar),ih)'\
           :flags=bicubic+accurate_rnd+full_chroma_int,setsar=1,format=rgb24,showinfo=checksum=0"
}

/// Reads what ffmpeg prints: the filter `showinfo` a line for each frame, and the reason if something fails.
fn read_headers(lines: impl BufRead, to: &Sender<Header>) {
    let mut unit_seconds = 0.0;
    for line in lines.split(b'\n') {
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        let header = if line.contains("showinfo") {
            if let Some(unit) = word_after(&line, "time_base:") {
                unit_seconds = ratio(unit.trim_end_matches(',')).unwrap_or(unit_seconds);
            }
            let Some(frame) = frame_header(&line, unit_seconds) else {
                continue;
            };
            frame
        } else if line.contains("'fps_mode'") {
            Header::Outdated
        } else {
            continue;
        };
        if to.send(header).is_err() {
            return; // nobody wants more frames
        }
    }
}

/// Reads `n:   0 pts:    512 pts_time:0.033 ... s:320x240 i:P ...`.
fn frame_header(line: &str, unit_seconds: f64) -> Option<Header> {
    let pts: i64 = word_after(line, " pts:")?.parse().ok()?;
    let (width, height) = word_after(line, " s:")?.split_once('x')?;
    Some(Header::Frame {
        seconds: pts as f64 * unit_seconds,
        size_px: [width.parse().ok()?, height.parse().ok()?],
    })
}

/// Returns the word that follows a key and any spaces.
fn word_after<'t>(line: &'t str, key: &str) -> Option<&'t str> {
    line.split_once(key)?.1.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_hold_time_and_size() {
        let text = "[Parsed_showinfo_3 @ 0x5] [info] config in time_base: 1/15360, frame_rate: 30/1\n\
                    [Parsed_showinfo_3 @ 0x5] [info] n:   0 pts:   7680 pts_time:0.5     duration: 1 fmt:rgb24 sar:1/1 s:32x24 i:P\n\
                    [error] Unrecognized option 'fps_mode'.\n";
        let (sender, headers) = channel();
        read_headers(text.as_bytes(), &sender);
        drop(sender);
        let headers: Vec<Header> = headers.iter().collect();
        assert!(
            matches!(headers[0], Header::Frame { seconds, size_px: [32, 24] } if seconds == 0.5)
        );
        assert!(matches!(headers[1], Header::Outdated));
    }
}
