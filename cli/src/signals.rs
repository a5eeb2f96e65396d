//! Signals that ask the program to stop: it saves, and tells by its exit code which one it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Hears them.
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// From now on the first signal is only kept; a second one ends the program at once.
    ///
    /// # Errors
    /// Signals cannot be caught here.
    pub fn catch() -> anyhow::Result<Self> {
        let (heard, is_second) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        for signal in asked_for() {
            let catch = || -> std::io::Result<()> {
                // In this order: it is the second one that finds the flag set.
                flag::register_conditional_shutdown(signal, code(signal), Arc::clone(&is_second))?;
                flag::register(signal, Arc::clone(&is_second))?;
                flag::register_usize(signal, Arc::clone(&heard), signal as usize)?;
                Ok(())
            };
            catch().context("Ctrl-C cannot be caught")?;
        }
        Ok(Self(heard))
    }

    /// The exit code of the signal that came, if one has come: 128 and its number.
    pub fn exit_code(&self) -> Option<u8> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(code(signal as i32) as u8),
        }
    }
}

fn code(signal: i32) -> i32 {
    128 + signal
}

/// Ctrl-C, a polite kill and a terminal that closes. `nohup` has the last one ignored, and so it stays.
fn asked_for() -> Vec<i32> {
    #[cfg(unix)]
    if !is_ignored(signal_hook::consts::SIGHUP) {
        return vec![SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
    }
    vec![SIGINT, SIGTERM]
}

/// Whether whoever started this program had a signal ignored, as far as the system tells (Linux).
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = (status.lines()).find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
