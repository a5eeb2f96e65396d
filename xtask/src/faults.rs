//! `cargo xtask faults`: kills the command line while it saves, stops it by signals and fills its disk. Everything that it reported as
//! saved must be there, complete.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{sleep, spawn};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::process::{command, run};

/// Default number of kills.
const SAVES: usize = 200;
/// Least number of each signal and of full disks, which otherwise are a tenth of the kills.
const MIN_TIMES: usize = 2;
/// A run that prints nothing for so long hangs.
const OUTPUT_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest delay between a reported save and the kill, in which more saves happen.
const MAX_DELAY_MS: u64 = 150;
/// Size of the disk that is filled.
const DISK_SIZE: &str = "64m";

/// Runs the command, with `--saves N` and `--seed N`.
///
/// # Errors
/// Something that had been saved was lost, or unfinished files stayed behind.
pub fn faults(options: &[&str]) -> Result<()> {
    let (mut saves, mut seed) = (
        SAVES,
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
    );
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let value = options
            .next()
            .with_context(|| format!("{option} needs a number"))?;
        match *option {
            "--saves" => saves = value.parse()?,
            "--seed" => seed = value.parse()?,
            _ => bail!(
                "`{option}` is not an option of `cargo xtask faults`: it has --saves N and --seed N"
            ),
        }
    }
    run(&mut command(&[
        "cargo",
        "build",
        "--package",
        "autolink-cli",
    ]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let target = fs::canonicalize(target)?;
    let program = target
        .join("debug")
        .join("autolink")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let folder = target.join("faults");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    println!("{saves} kills, seed {seed} (`--saves {saves} --seed {seed}` repeats it)");

    let mut faults = Faults {
        program,
        converted: folder.join("converted.safetensors"),
        random: ChaCha8Rng::seed_from_u64(seed),
        rows: Vec::new(),
    };
    faults.kills(&folder.join("kills"), saves)?;
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        faults.signals(
            &folder.join(name),
            name,
            128 + number,
            (saves / 10).max(MIN_TIMES),
        )?;
    }
    faults.full_disk(&folder.join("disk"), (saves / 10).max(MIN_TIMES))?;
    faults.report()
}

/// A row of the report.
struct Row {
    fault: String,
    times: usize,
    /// How often a file was being written when the fault happened.
    writing: usize,
    /// How often something that had been saved was missing or damaged.
    lost: usize,
    /// Unfinished files that stayed behind at the end.
    unfinished: usize,
    note: &'static str,
}

struct Faults {
    program: PathBuf,
    /// The output of the conversion that checks a saved file.
    converted: PathBuf,
    random: ChaCha8Rng,
    rows: Vec<Row>,
}

impl Faults {
    /// Kills the program at a random moment and resumes from its files, again and again.
    fn kills(&mut self, folder: &Path, times: usize) -> Result<()> {
        fs::create_dir_all(folder)?;
        let run = folder.join("run.safetensors");
        let (mut writing, mut lost, mut reported) = (0, 0, 0);
        for _ in 0..times {
            let mut training = Training::start(&self.program, folder, &run)?;
            reported = reported.max(training.next_save()?);
            sleep(Duration::from_millis(
                self.random.random_range(0..MAX_DELAY_MS),
            ));
            training.child.kill()?;
            reported = reported.max(training.rest()?);
            let left = unfinished(folder)?;
            ensure!(
                left <= 1,
                "{left} unfinished files are in {}",
                folder.display()
            );
            writing += left;
            if let Err(error) = self.check(&run, reported) {
                println!("LOST: {error:#}");
                lost += 1;
                let _ = fs::remove_file(&run);
                reported = 0;
            }
        }
        // A run that ends normally removes unfinished files.
        let mut training = Training::start(&self.program, folder, &run)?;
        training.next_save()?;
        training.signal("TERM")?;
        training.end()?;
        self.rows.push(Row {
            fault: "`kill -9` while training and saving".into(),
            times,
            writing,
            lost,
            unfinished: unfinished(folder)?,
            note: "",
        });
        Ok(())
    }

    /// Sends a signal at a random moment: the program saves the last step, and its exit code is that of the signal.
    fn signals(&mut self, folder: &Path, name: &str, code: i32, times: usize) -> Result<()> {
        if !cfg!(unix) {
            self.skip(
                format!("SIG{name}"),
                "skipped: this system has no such signal",
            );
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let run = folder.join("run.safetensors");
        let mut lost = 0;
        for _ in 0..times {
            let mut training = Training::start(&self.program, folder, &run)?;
            training.next_save()?;
            sleep(Duration::from_millis(
                self.random.random_range(0..MAX_DELAY_MS),
            ));
            training.signal(name)?;
            let (reported, status) = training.end()?;
            let checked = self.check(&run, reported).and_then(|()| {
                ensure!(status.code() == Some(code), "SIG{name} ended with {status}");
                self.check(&folder.join("model.safetensors"), reported)
            });
            if let Err(error) = checked {
                println!("LOST: {error:#}");
                lost += 1;
            }
        }
        self.rows.push(Row {
            fault: format!("SIG{name}"),
            times,
            writing: 0,
            lost,
            unfinished: unfinished(folder)?,
            note: "saved first, exit code kept",
        });
        Ok(())
    }

    /// Fills the disk during training: saved files stay, and the last state is saved elsewhere.
    fn full_disk(&mut self, folder: &Path, times: usize) -> Result<()> {
        let fault = String::from("full disk");
        fs::create_dir_all(folder)?;
        let disk = folder.join("small");
        fs::create_dir_all(&disk)?;
        let Some(_mounted) = Mounted::new(&disk) else {
            self.skip(
                fault,
                "skipped: a small disk can only be mounted by root on Linux",
            );
            return Ok(());
        };
        let run = disk.join("run.safetensors");
        let (mut lost, mut left) = (0, 0);
        for _ in 0..times {
            let mut training = Training::start(&self.program, folder, &run)?;
            let reported = training.next_save()?;
            sleep(Duration::from_millis(
                self.random.random_range(0..MAX_DELAY_MS),
            ));
            let ballast = disk.join("ballast");
            fill(&ballast)?;
            let reported = training.until_failure()?.max(reported);
            training.signal("TERM")?;
            training.end()?;
            let rescued = self
                .check(&run, reported)
                .and_then(|()| self.rescued(folder, reported));
            if let Err(error) = rescued {
                println!("LOST: {error:#}");
                lost += 1;
            }
            left += unfinished(&disk)?;
            fs::remove_file(&ballast)?;
            fs::remove_file(folder.join("model.safetensors"))?; // it has more steps than the run on the disk, which would refuse to replace it
        }
        self.rows.push(Row {
            fault,
            times,
            writing: times,
            lost,
            unfinished: left,
            note: "the last state is saved elsewhere",
        });
        Ok(())
    }

    /// Adds a row for a fault that cannot happen here.
    fn skip(&mut self, fault: String, note: &'static str) {
        self.rows.push(Row {
            fault,
            times: 0,
            writing: 0,
            lost: 0,
            unfinished: 0,
            note,
        });
    }

    /// Checks the file that was rescued from a full disk, and removes it.
    fn rescued(&self, folder: &Path, reported: u64) -> Result<()> {
        let entries = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let name = |path: &Path| {
            path.file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned()
        };
        let rescued = entries.filter(|path| name(path).starts_with("run-rescued-"));
        let rescued: Vec<PathBuf> = rescued.collect();
        let [one] = &rescued[..] else {
            bail!(
                "{} rescued files are in {}",
                rescued.len(),
                folder.display()
            );
        };
        self.check(one, reported)?;
        fs::remove_file(one)?;
        Ok(())
    }

    /// Checks that a file opens, and has at least as many steps as were reported.
    fn check(&self, file: &Path, reported: u64) -> Result<()> {
        let steps = steps_of(file)?;
        ensure!(
            steps >= reported,
            "{} has {steps} steps, but {reported} were reported",
            file.display()
        );
        let mut convert = Command::new(&self.program);
        let to = self.converted.as_os_str();
        convert.arg("convert").arg(file).arg(to).arg("--force");
        let output = convert.output()?;
        ensure!(
            output.status.success(),
            "{} does not open: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// Prints the table.
    fn report(&self) -> Result<()> {
        println!("\n| fault | times | during a write | lost | unfinished files | |");
        println!("| --- | --- | --- | --- | --- | --- |");
        for row in &self.rows {
            let Row {
                fault,
                times,
                writing,
                lost,
                unfinished,
                note,
            } = row;
            println!("| {fault} | {times} | {writing} | {lost} | {unfinished} | {note} |");
        }
        let (lost, unfinished) = self.rows.iter().fold((0, 0), |(lost, unfinished), row| {
            (lost + row.lost, unfinished + row.unfinished)
        });
        ensure!(lost == 0, "something that had been saved was lost");
        ensure!(unfinished == 0, "unfinished files stayed behind");
        Ok(())
    }
}

/// The program in training, saving after every step.
struct Training {
    child: Child,
    lines: Receiver<Value>,
}

impl Training {
    /// Starts training; resumes the run if there is one.
    fn start(program: &Path, folder: &Path, run: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.current_dir(folder);
        command.args(["--json", "train", "synthetic:8", "--steps", "4000000000"]);
        command.args(["--save-every", "0", "--eval-every", "4000000000"]);
        command.arg("--out").arg(folder.join("model.safetensors"));
        command.arg("--run").arg(run);
        if run.exists() {
            // The saved model belongs to the same run, so --force is not needed.
            command.arg("--resume").arg(run);
        } else {
            command.args(["--size", "32", "--width", "8", "--keypoints", "4"]);
            command.args(["--batch", "2", "--loss", "pixel"]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("the program has no output")?;
        let (sender, lines) = channel();
        spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The last line of a killed program may be incomplete.
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = sender.send(value);
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Waits for the next line; `None` at the end.
    fn next(&mut self) -> Result<Option<Value>> {
        match self.lines.recv_timeout(OUTPUT_TIMEOUT) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                bail!(
                    "the program printed nothing for {} s",
                    OUTPUT_TIMEOUT.as_secs()
                )
            }
        }
    }

    /// Waits for the next save, and returns its number of steps.
    fn next_save(&mut self) -> Result<u64> {
        while let Some(line) = self.next()? {
            if let Some(steps) = saved(&line) {
                return Ok(steps);
            }
        }
        let mut message = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut message)?;
        }
        bail!("the program ended before it saved: {message}")
    }

    /// Waits for the first reported failure, and returns the number of steps of the last save.
    fn until_failure(&mut self) -> Result<u64> {
        let mut last = 0;
        while let Some(line) = self.next()? {
            last = last.max(saved(&line).unwrap_or(0));
            if line["type"] == "warning" {
                return Ok(last);
            }
        }
        bail!("the program ended without reporting the full disk")
    }

    /// Waits for the end, and returns the number of steps of the last save.
    fn rest(&mut self) -> Result<u64> {
        let mut last = 0;
        while let Some(line) = self.next()? {
            last = last.max(saved(&line).unwrap_or(0));
        }
        self.child.wait()?;
        Ok(last)
    }

    /// Sends a signal.
    fn signal(&self, name: &str) -> Result<()> {
        let process = self.child.id().to_string();
        run(&mut command(&["kill", "-s", name, &process]))
    }

    /// Waits for the end; returns the steps of the last save and the exit status.
    fn end(mut self) -> Result<(u64, ExitStatus)> {
        let last = self.rest()?;
        Ok((last, self.child.wait()?))
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the number of steps if a line reports a save.
fn saved(line: &Value) -> Option<u64> {
    let is_save = line["type"] == "autosaved" || line["type"] == "saved";
    line["steps"].as_u64().filter(|_| is_save)
}

/// The steps in a file's header.
fn steps_of(file: &Path) -> Result<u64> {
    let mut bytes = File::open(file).with_context(|| format!("{} is gone", file.display()))?;
    let mut length = [0; 8];
    bytes.read_exact(&mut length)?;
    let mut header = Vec::new();
    bytes
        .take(u64::from_le_bytes(length))
        .read_to_end(&mut header)?;
    let header: Value = serde_json::from_slice(&header)?;
    let ours = header["__metadata__"]["autolink"]
        .as_str()
        .context("not a file of AutoLink")?;
    let ours: Value = serde_json::from_str(ours)?;
    ours["step"].as_u64().context("it has no number of steps")
}

/// Counts the unfinished files in a folder.
fn unfinished(folder: &Path) -> Result<usize> {
    let names = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.file_name());
    Ok(names
        .filter(|name| name.to_string_lossy().ends_with(".part"))
        .count())
}

/// Fills the disk.
fn fill(ballast: &Path) -> Result<()> {
    let mut file = File::create(ballast)?;
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![0; size]).is_err() {
            size /= 2;
        }
    }
    Ok(())
}

/// A small disk in memory; dropping this unmounts it.
struct Mounted(PathBuf);

impl Mounted {
    /// Mounts the disk, if the system allows it.
    fn new(folder: &Path) -> Option<Self> {
        let mut mount = command(&[
            "mount",
            "-t",
            "tmpfs",
            "-o",
            &format!("size={DISK_SIZE}"),
            "tmpfs",
        ]);
        let status = mount.arg(folder).stderr(Stdio::null()).status();
        status
            .is_ok_and(|status| status.success())
            .then(|| Self(folder.to_path_buf()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = command(&["umount"]).arg(&self.0).status();
    }
}
