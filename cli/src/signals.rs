//! Signals that ask the program to stop. It saves first; its exit code is that of the signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// A second Ctrl-C ends the program at once, but only after this time: signals often arrive twice. A closing terminal sends SIGHUP
/// from the kernel and from the shell, and `timeout` sends SIGTERM to the process and to its group.
const PATIENCE: Duration = Duration::from_secs(1);

/// Remembers the signal that arrived.
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    /// Catches signals from now on. They are only remembered; a Ctrl-C that follows after [`PATIENCE`] ends the program at once.
    ///
    /// # Errors
    /// The system does not let the program catch signals.
    pub fn catch() -> anyhow::Result<Self> {
        let (arrived, is_urgent) = (
            Arc::<AtomicUsize>::default(),
            Arc::new(AtomicBool::new(false)),
        );
        flag::register_conditional_shutdown(SIGINT, code(SIGINT), Arc::clone(&is_urgent))
            .context("Ctrl-C cannot be caught")?;
        for signal in caught() {
            flag::register_usize(signal, Arc::clone(&arrived), signal as usize)
                .with_context(|| format!("Signal {signal} cannot be caught"))?;
        }
        let seen = Arc::clone(&arrived);
        thread::spawn(move || {
            while seen.load(Ordering::Relaxed) == 0 {
                thread::sleep(PATIENCE / 10);
            }
            thread::sleep(PATIENCE);
            is_urgent.store(true, Ordering::Relaxed);
        });
        Ok(Self(arrived))
    }

    /// Returns the exit code of the signal that arrived, 128 plus its number.
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

/// Lists the signals to catch: SIGINT (Ctrl-C), SIGTERM and, unless it is ignored as under `nohup`, SIGHUP (the terminal closed).
fn caught() -> Vec<i32> {
    #[cfg(unix)]
    if !is_ignored(signal_hook::consts::SIGHUP) {
        return vec![SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
    }
    vec![SIGINT, SIGTERM]
}

/// Checks whether the parent process had a signal ignored. Only Linux reports that.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = (status.lines()).find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
