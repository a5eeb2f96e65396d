//! `cargo xtask faults`: the program is killed while it saves, stopped by signals and given a full disk, and what was saved is looked at
//! afterwards. Whatever it said that it had saved must be there, whole.

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

/// Kills unless told.
const SAVES: usize = 200;
/// Of each signal, and of full disks, a kill's tenth; at least so many.
const LEAST: usize = 2;
/// A run that says nothing for so long hangs.
const SILENCE: Duration = Duration::from_secs(120);
/// After a save is announced the program is killed within this time, in which it makes some further ones.
const WITHIN_MS: u64 = 150;
/// Of the disk that is filled.
const DISK: &str = "64m";

/// `--saves N` and `--seed N`.
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
            _ => bail!("`{option}` is no option of `cargo xtask faults`"),
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

    let mut bench = Bench {
        program,
        opened: folder.join("opened.safetensors"),
        random: ChaCha8Rng::seed_from_u64(seed),
        rows: Vec::new(),
    };
    bench.kills(&folder.join("kills"), saves)?;
    for (name, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        bench.signals(
            &folder.join(name),
            name,
            128 + number,
            (saves / 10).max(LEAST),
        )?;
    }
    bench.full_disk(&folder.join("disk"), (saves / 10).max(LEAST))?;
    bench.report()
}

/// What was done to the program, and what came of it.
struct Row {
    fault: String,
    times: usize,
    /// How often a file was being written.
    writing: usize,
    /// How often something that had been saved was gone or broken.
    lost: usize,
    /// Unfinished files that stayed behind at the end.
    litter: usize,
    note: &'static str,
}

struct Bench {
    program: PathBuf,
    /// Where what was saved is written to once it was opened.
    opened: PathBuf,
    random: ChaCha8Rng,
    rows: Vec<Row>,
}

impl Bench {
    /// The program is killed at some moment, and goes on from what it left, again and again.
    fn kills(&mut self, folder: &Path, times: usize) -> Result<()> {
        fs::create_dir_all(folder)?;
        let run = folder.join("run.safetensors");
        let (mut writing, mut lost, mut announced) = (0, 0, 0);
        for _ in 0..times {
            let mut training = Training::start(&self.program, folder, &run)?;
            announced = announced.max(training.next_save()?);
            sleep(Duration::from_millis(
                self.random.random_range(0..WITHIN_MS),
            ));
            training.child.kill()?;
            announced = announced.max(training.rest()?);
            let left = litter(folder)?;
            ensure!(
                left <= 1,
                "{left} unfinished files are in {}",
                folder.display()
            );
            writing += left;
            if let Err(error) = self.check(&run, announced) {
                println!("LOST: {error:#}");
                lost += 1;
                let _ = fs::remove_file(&run);
                announced = 0;
            }
        }
        // One that ends well clears up.
        let mut training = Training::start(&self.program, folder, &run)?;
        training.next_save()?;
        training.signal("TERM")?;
        training.end()?;
        self.rows.push(Row {
            fault: "`kill -9` while training and saving".into(),
            times,
            writing,
            lost,
            litter: litter(folder)?,
            note: "",
        });
        Ok(())
    }

    /// A signal at some moment: the last step is saved, and the exit code tells which signal it was.
    fn signals(&mut self, folder: &Path, name: &str, code: i32, times: usize) -> Result<()> {
        if !cfg!(unix) {
            self.skip(format!("SIG{name}"), "skipped: no such signal here");
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        let run = folder.join("run.safetensors");
        let mut lost = 0;
        for _ in 0..times {
            let mut training = Training::start(&self.program, folder, &run)?;
            training.next_save()?;
            sleep(Duration::from_millis(
                self.random.random_range(0..WITHIN_MS),
            ));
            training.signal(name)?;
            let (announced, status) = training.end()?;
            let whole = self.check(&run, announced).and_then(|()| {
                ensure!(status.code() == Some(code), "SIG{name} ended with {status}");
                self.check(&folder.join("model.safetensors"), announced)
            });
            if let Err(error) = whole {
                println!("LOST: {error:#}");
                lost += 1;
            }
        }
        self.rows.push(Row {
            fault: format!("SIG{name}"),
            times,
            writing: 0,
            lost,
            litter: litter(folder)?,
            note: "saved first, exit code kept",
        });
        Ok(())
    }

    /// A disk fills up during training: what was saved stays, and what is learned is saved elsewhere in the end.
    fn full_disk(&mut self, folder: &Path, times: usize) -> Result<()> {
        let fault = String::from("full disk");
        fs::create_dir_all(folder)?;
        let disk = folder.join("small");
        fs::create_dir_all(&disk)?;
        let Some(_mounted) = Mounted::new(&disk) else {
            self.skip(
                fault,
                "skipped: no small disk can be mounted here (that takes root on Linux)",
            );
            return Ok(());
        };
        let run = disk.join("run.safetensors");
        let (mut lost, mut left) = (0, 0);
        for _ in 0..times {
            let mut training = Training::start(&self.program, folder, &run)?;
            let announced = training.next_save()?;
            sleep(Duration::from_millis(
                self.random.random_range(0..WITHIN_MS),
            ));
            let ballast = disk.join("ballast");
            fill(&ballast)?;
            let announced = training.until_trouble()?.max(announced);
            training.signal("TERM")?;
            training.end()?;
            let rescued = self
                .check(&run, announced)
                .and_then(|()| self.rescued(folder, announced));
            if let Err(error) = rescued {
                println!("LOST: {error:#}");
                lost += 1;
            }
            left += litter(&disk)?;
            fs::remove_file(&ballast)?;
            fs::remove_file(folder.join("model.safetensors"))?; // it has more steps than the run on the disk
        }
        self.rows.push(Row {
            fault,
            times,
            writing: times,
            lost,
            litter: left,
            note: "the last state is saved elsewhere",
        });
        Ok(())
    }

    fn skip(&mut self, fault: String, note: &'static str) {
        self.rows.push(Row {
            fault,
            times: 0,
            writing: 0,
            lost: 0,
            litter: 0,
            note,
        });
    }

    /// A file that was rescued from a full disk; it is removed.
    fn rescued(&self, folder: &Path, announced: u64) -> Result<()> {
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
        self.check(one, announced)?;
        fs::remove_file(one)?;
        Ok(())
    }

    /// Whether a file opens, and has as many steps as were announced.
    fn check(&self, file: &Path, announced: u64) -> Result<()> {
        let steps = steps_of(file)?;
        ensure!(
            steps >= announced,
            "{} has {steps} steps, of {announced} that were announced",
            file.display()
        );
        let mut convert = Command::new(&self.program);
        let to = self.opened.as_os_str();
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

    fn report(&self) -> Result<()> {
        println!("\n| fault | times | in the middle of a write | lost | left behind | |");
        println!("| --- | --- | --- | --- | --- | --- |");
        for row in &self.rows {
            let Row {
                fault,
                times,
                writing,
                lost,
                litter,
                note,
            } = row;
            println!("| {fault} | {times} | {writing} | {lost} | {litter} | {note} |");
        }
        let (lost, litter) = self.rows.iter().fold((0, 0), |(lost, litter), row| {
            (lost + row.lost, litter + row.litter)
        });
        ensure!(lost == 0, "something that had been saved was lost");
        ensure!(litter == 0, "unfinished files were left behind");
        Ok(())
    }
}

/// The program, training and saving after every step.
struct Training {
    child: Child,
    lines: Receiver<Value>,
}

impl Training {
    /// Goes on from a run where there is one.
    fn start(program: &Path, folder: &Path, run: &Path) -> Result<Self> {
        let mut command = Command::new(program);
        command.current_dir(folder);
        command.args(["--json", "train", "synthetic:8", "--steps", "4000000000"]);
        command.args(["--save-every", "0", "--eval-every", "4000000000"]);
        command.arg("--out").arg(folder.join("model.safetensors"));
        command.arg("--run").arg(run);
        if run.exists() {
            // A model that was saved before is the same run's, so nothing needs to be forced.
            command.arg("--resume").arg(run);
        } else {
            command.args(["--size", "32", "--width", "8", "--keypoints", "4"]);
            command.args(["--batch", "2", "--loss", "pixel"]);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("a program without output")?;
        let (tell, lines) = channel();
        spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The last line of one that was killed may be half a line.
                if let Ok(value) = serde_json::from_str(&line) {
                    let _ = tell.send(value);
                }
            }
        });
        Ok(Self { child, lines })
    }

    fn next(&mut self) -> Result<Option<Value>> {
        match self.lines.recv_timeout(SILENCE) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                let _ = self.child.kill();
                bail!("the program has said nothing for {} s", SILENCE.as_secs())
            }
        }
    }

    /// Waits until it says that it has saved; with how many steps.
    fn next_save(&mut self) -> Result<u64> {
        while let Some(line) = self.next()? {
            if let Some(steps) = saved(&line) {
                return Ok(steps);
            }
        }
        let mut said = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut said)?;
        }
        bail!("the program ended before it saved: {said}")
    }

    /// Waits until it says that something failed; with the steps of the last save that it announced.
    fn until_trouble(&mut self) -> Result<u64> {
        let mut last = 0;
        while let Some(line) = self.next()? {
            last = last.max(saved(&line).unwrap_or(0));
            if line["type"] == "trouble" {
                return Ok(last);
            }
        }
        bail!("the program ended without a word about the full disk")
    }

    /// The steps of the last save that it announced until its end.
    fn rest(&mut self) -> Result<u64> {
        let mut last = 0;
        while let Some(line) = self.next()? {
            last = last.max(saved(&line).unwrap_or(0));
        }
        self.child.wait()?;
        Ok(last)
    }

    fn signal(&self, name: &str) -> Result<()> {
        let process = self.child.id().to_string();
        run(&mut command(&["kill", "-s", name, &process]))
    }

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

/// The steps of a save that a line announces.
fn saved(line: &Value) -> Option<u64> {
    let is_save = line["type"] == "kept" || line["type"] == "saved";
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
        .context("not a file of ours")?;
    let ours: Value = serde_json::from_str(ours)?;
    ours["step"].as_u64().context("no steps in it")
}

/// Files in a folder that were not finished.
fn litter(folder: &Path) -> Result<usize> {
    let names = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.file_name());
    Ok(names
        .filter(|name| name.to_string_lossy().ends_with(".part"))
        .count())
}

/// Writes until nothing more fits.
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

/// A small disk in memory, for as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    fn new(folder: &Path) -> Option<Self> {
        let mut mount = command(&[
            "mount",
            "-t",
            "tmpfs",
            "-o",
            &format!("size={DISK}"),
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
