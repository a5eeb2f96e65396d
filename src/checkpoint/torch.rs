//! The authors' checkpoints: PyTorch's `.ckpt` and `.pt`, read by slices, with nothing of them run.
//!
//! Such a file is a zip of stored entries: `<name>/data.pkl` says what there is, `<name>/data/<n>` hold the numbers.
//! A real one has 130 to 340 MB, most of it the optimiser's state and VGG16. Only its directory, its pickle and the
//! storages of a model's tensors are read.
//!
//! A pickle is a program for a stack machine that may call anything in Python. Here it can build plain values and
//! mention tensors; what it may call is the list in `Pickle::call`, and all else is refused by its name.

use std::collections::HashMap;
use std::fmt::Display;

use burn::tensor::Device;
use half::{bf16, f16};

use super::{Loaded, id_of, with_state};
use crate::config::{Config, LossKind, Preset, SETTINGS};
use crate::error::{Error, Result};
use crate::model::AutoLink;
use crate::train::Snapshots;

/// The longest pickle, bytes. The authors' has some 60 kB.
const MAX_PICKLE: u64 = 4 << 20;

/// The most values a pickle may make (24 bytes each, or 48 for an empty list). The authors' makes some 20,000.
const MAX_VALUES: usize = 200_000;

/// The longest zip directory, bytes. The authors' has some 40 kB.
const MAX_DIRECTORY: u64 = 4 << 20;

/// The most tensors a model may have. The authors' has some 200.
const MAX_TENSORS: usize = 1000;

/// The most elements that they may have together: four times the authors' model of width 64, and 512 MB.
const MAX_ELEMENTS: u64 = 1 << 27;

/// The longest name of a tensor, a setting or a storage, bytes.
const MAX_NAME: usize = 200;

/// The most dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;

/// Bytes of a storage that are read at once.
const CHUNK: u64 = 1 << 20;

/// A file that is read by slices: bytes in memory, a file on a disk, a `Blob` in a browser.
pub trait ReadAt {
    /// Its length, bytes.
    fn size(&self) -> u64;

    /// The `length` bytes from `offset` on. Asked only for what lies within [`ReadAt::size`], and at most 4 MiB.
    ///
    /// # Errors
    /// [`Error::File`] where they cannot be read.
    #[expect(async_fn_in_trait, reason = "a browser's worker has one thread")]
    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>>;
}

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..)?.get(..length))
            .map(<[u8]>::to_vec)
            .ok_or_else(|| wrong("it ends too early"))
    }
}

#[cfg(not(target_family = "wasm"))]
impl ReadAt for std::fs::File {
    fn size(&self) -> u64 {
        self.metadata().map_or(0, |metadata| metadata.len())
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let (mut file, mut bytes) = (self, vec![0; length]);
        file.seek(SeekFrom::Start(offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|error| Error::File(format!("The checkpoint could not be read ({error}).")))?;
        Ok(bytes)
    }
}

/// What a checkpoint says of a model.
#[derive(Debug)]
pub struct TorchCheckpoint {
    /// The parameters and running statistics of encoder and decoder by the authors' names: shape and values, row-major.
    pub tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
    /// The numbers among its `hyper_parameters`: `n_parts`, `missing`, `block`, `thick`, `sklr`, `image_size`, `lr`,
    /// `batch_size`. Empty where the file holds nothing but a `state_dict`.
    pub settings: HashMap<String, f64>,
    /// Steps it was trained, 0 where the file does not say.
    pub step: u64,
}

impl TorchCheckpoint {
    /// The model under the authors' settings, as far as the file has them; the rest are the paper's. Keypoints and width are what
    /// the tensors say.
    ///
    /// # Errors
    /// [`Error::Model`] where tensors are missing or have other shapes, [`Error::Setting`] where it is too large for this program.
    pub fn into_model(self, device: &Device) -> Result<Loaded> {
        let first = |name: &str| match self.tensors.get(name) {
            Some((shape, _)) => Ok(shape.first().copied().unwrap_or_default()),
            None => Err(wrong(format!("it has no {name}"))),
        };
        let setting = |field: &str, theirs: &str, otherwise: f64| {
            let ours = SETTINGS.iter().find(|setting| setting.name == field);
            let usable = |value: &f64| ours.is_some_and(|s| (s.min..=s.max).contains(value));
            let found = self.settings.get(theirs).copied();
            found.filter(usable).unwrap_or(otherwise)
        };
        let paper = Config::preset(Preset::Paper);
        let batch = setting("batch", "batch_size", paper.batch as f64) as usize;
        let config = Config {
            keypoints: first("decoder.skeleton_scalar")?,
            width: first("encoder.detector.conv.0.net.0.weight")?,
            size: setting("size", "image_size", paper.size as f64) as usize,
            thickness: setting("thickness", "thick", paper.thickness),
            edge_scale: setting("edge_scale", "sklr", paper.edge_scale),
            mask_ratio: setting("mask_ratio", "missing", paper.mask_ratio),
            mask_grid: setting("mask_grid", "block", paper.mask_grid as f64) as usize,
            learning_rate: setting("learning_rate", "lr", paper.learning_rate),
            batch,
            micro_batch: if batch.is_multiple_of(16) { 16 } else { batch },
            loss: LossKind::Perceptual,
            ..paper
        };
        config.validate()?;
        Ok(Loaded {
            run_id: id_of(&self.tensors),
            model: with_state(AutoLink::init(&config, device), self.tensors)?,
            config,
            step: usize::try_from(self.step).unwrap_or(usize::MAX),
            run: None,
            losses: Vec::new(),
            snapshots: Snapshots::default(),
            names: None,
        })
    }
}

/// Reads a checkpoint of Lightning, or a `state_dict` alone.
///
/// Memory stays within the tensors' own size plus 16 MB.
///
/// # Errors
/// [`Error::Model`] with what is wrong: not PyTorch's zip, truncated, contradictory, asking to call something, without
/// a model. [`Error::File`] where the file cannot be read.
pub async fn read<F: ReadAt + ?Sized>(file: &F) -> Result<TorchCheckpoint> {
    let archive = Archive::open(file).await?;
    let bytes = archive.pickle().await?;
    let mut pickle = Pickle::new(&bytes);
    let root = pickle.run()?;

    let step = match pickle.get(root, "global_step") {
        Some(Value::Int(step)) => u64::try_from(step).unwrap_or(0),
        _ => 0,
    };
    let mut settings = HashMap::new();
    if let Some(found) = pickle.get(root, "hyper_parameters") {
        for (name, value) in pickle.named(found) {
            let number = match value {
                Value::Bool(value) => f64::from(u8::from(value)),
                Value::Int(value) => value as f64,
                Value::Float(value) => value,
                _ => continue,
            };
            settings.insert(name.to_string(), number);
        }
    }

    let keys = ["state_dict", "model_state_dict", "model"];
    let state = keys.iter().find_map(|key| pickle.get(root, key));
    let mut views = HashMap::new();
    for (wrapped, value) in pickle.named(state.unwrap_or(root)) {
        let name = unwrapped(wrapped);
        if !is_model(&name) {
            continue;
        }
        let view = pickle.view(value);
        let view = view.map_err(|what| wrong_tensor(wrapped, what))?;
        if views
            .insert(name, (wrapped, view))
            .is_some_and(|(other, _)| other != wrapped)
        {
            return Err(wrong_tensor(wrapped, "it is there twice, wrapped and not"));
        }
        if views.len() > MAX_TENSORS {
            return Err(wrong("it has too many tensors"));
        }
    }
    if views.is_empty() {
        return Err(Error::Model(
            "This checkpoint holds no model of AutoLink: nothing in it is called encoder or decoder."
                .into(),
        ));
    }
    let elements: u64 = views.values().map(|(_, view)| view.span).sum();
    let bytes: u64 = (views.values())
        .map(|(_, view)| view.span * view.kind.size())
        .sum();
    if elements > MAX_ELEMENTS || bytes > file.size() {
        return Err(wrong("its tensors are larger than the file"));
    }

    // Everything is checked before the first tensor is read.
    let mut located = Vec::new();
    for (name, (wrapped, view)) in views {
        located.push((name, archive.locate(wrapped, &view).await?, view));
    }
    let mut tensors = HashMap::new();
    for (name, offset, view) in located {
        let values = archive.values(offset, &view).await?;
        let shape = view.axes.iter().map(|axis| axis.size as usize).collect();
        tensors.insert(name, (shape, values));
    }
    Ok(TorchCheckpoint {
        tensors,
        settings,
        step,
    })
}

/// Whether a file begins as a pickle does: PyTorch's before 1.6, which are no zips.
pub(super) fn is_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 1..=5, ..])
}

/// Whether a file of this name may be a model.
fn is_model_file(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [".ckpt", ".pt", ".pth", ".safetensors"]
        .iter()
        .any(|ending| name.ends_with(ending))
}

/// What is said of a zip with a model's file in it.
fn pack(name: &str) -> Error {
    Error::Model(format!(
        "This is a zip with {} in it: unpack it first, and open that.",
        shown(name)
    ))
}

/// The name of a tensor without what `torch.compile`, `DataParallel` and the like put before and into it.
fn unwrapped(name: &str) -> String {
    let wrappers = ["module", "_orig_mod"];
    let parts = name.split('.').filter(|part| !wrappers.contains(part));
    let name = parts.collect::<Vec<_>>().join(".");
    name.strip_prefix("model.")
        .map_or(name.clone(), str::to_string)
}

/// Whether a name of the `state_dict` is one of the model's tensors. VGG16 is not, nor are the batch norms' counters
/// and the detector's table of coordinates.
fn is_model(name: &str) -> bool {
    let last = name.rsplit('.').next();
    (name.starts_with("encoder.") || name.starts_with("decoder."))
        && last != Some("num_batches_tracked")
        && last != Some("coord")
}

fn wrong(what: impl Display) -> Error {
    Error::Model(format!("This checkpoint cannot be read: {what}."))
}

fn wrong_tensor(name: &str, what: &str) -> Error {
    wrong(format!("{}: {what}", shown(name)))
}

/// A name from the file, fit for a sentence.
fn shown(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

/// Bytes that are taken from the front, little-endian.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(too_short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(too_short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// The bytes before the next line feed.
    fn line(&mut self) -> Result<&'a [u8]> {
        let end = self.0.iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or_else(too_short)?)?;
        self.take(1)?;
        Ok(line)
    }
}

fn too_short() -> Error {
    wrong("it ends in the middle of something")
}

/// A zip of stored entries.
struct Archive<'f, F: ?Sized> {
    file: &'f F,
    /// What all names begin with, before a slash.
    prefix: String,
    entries: HashMap<String, Entry>,
}

/// Where an entry lies in the file, bytes.
#[derive(Clone, Copy)]
struct Entry {
    /// Its local header; then come a name, padding and the data.
    header: u64,
    /// Length of the data.
    size: u64,
    /// Where the next entry, or the directory, begins.
    end: u64,
    /// Compressed or encrypted.
    is_packed: bool,
}

impl<'f, F: ReadAt + ?Sized> Archive<'f, F> {
    /// Reads the directory.
    async fn open(file: &'f F) -> Result<Self> {
        let mut archive = Archive {
            file,
            prefix: String::new(),
            entries: HashMap::new(),
        };
        // The end record: 22 bytes, then a comment of up to 65,535; before it, in large files, a locator of 20.
        let start = file.size().saturating_sub(20 + 22 + 0xffff);
        let tail = archive.bytes(start, file.size() - start).await?;
        let is_end = |&at: &usize| {
            let comment = tail.len() - at - 22;
            tail[at..].starts_with(b"PK\x05\x06")
                && tail[at + 20..at + 22] == (comment as u16).to_le_bytes()
                && comment <= 0xffff
        };
        let Some(at) = (0..(tail.len() + 1).saturating_sub(22)).rev().find(is_end) else {
            let start = archive.bytes(0, file.size().min(9)).await?;
            return Err(wrong(if is_pickle(&start) {
                "PyTorch before 1.6 wrote it; load and save it once with a newer one"
            } else {
                "it is no file of PyTorch, or only part of one"
            }));
        };
        let mut end = Cursor(&tail[at + 10..]);
        let mut count = u64::from(end.u16()?);
        let mut length = u64::from(end.u32()?);
        let mut offset = u64::from(end.u32()?);
        let mut limit = start + at as u64;
        if count == 0xffff || length == 0xffff_ffff || offset == 0xffff_ffff {
            let locator = at.checked_sub(20).map(|at| &tail[at..]);
            let mut locator = Cursor(locator.unwrap_or_default());
            if locator.take(4)? != b"PK\x06\x07" {
                return Err(wrong("its directory is damaged"));
            }
            locator.take(4)?;
            limit = locator.u64()?;
            let record = archive.bytes(limit, 56).await?;
            let mut record = Cursor(&record);
            if record.take(4)? != b"PK\x06\x06" {
                return Err(wrong("its directory is damaged"));
            }
            record.take(28)?;
            count = record.u64()?;
            length = record.u64()?;
            offset = record.u64()?;
        }
        if length > MAX_DIRECTORY || offset.checked_add(length).is_none_or(|end| end > limit) {
            return Err(wrong("its directory is damaged"));
        }

        let directory = archive.bytes(offset, length).await?;
        let mut rest = Cursor(&directory);
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(entry(&mut rest)?);
        }
        if let Some((packed, _)) = found.iter().find(|(_, entry)| entry.is_packed) {
            let mut names = found.iter().map(|(name, _)| name);
            return Err(names.find(|name| is_model_file(name)).map_or_else(
                || {
                    wrong(format!(
                        "{} in it is compressed, which PyTorch does not do; unpack it and save it again with torch.save",
                        shown(packed)
                    ))
                },
                |name| pack(name),
            ));
        }
        // No two entries share bytes, so nothing can be larger than the file.
        found.sort_by_key(|(_, entry)| entry.header);
        let mut end = offset;
        for (name, mut entry) in found.into_iter().rev() {
            let least = entry.header.checked_add(30);
            if least
                .and_then(|least| least.checked_add(entry.size))
                .is_none_or(|least| least > end)
            {
                return Err(wrong(format!(
                    "{} overlaps with something else",
                    shown(&name)
                )));
            }
            entry.end = end;
            end = entry.header;
            if let Some(_twice) = archive.entries.insert(name, entry) {
                return Err(wrong("it has two entries of the same name"));
            }
        }

        let mut prefixes = archive.entries.keys().filter_map(|name| {
            let (prefix, file) = name.split_once('/')?;
            (file == "data.pkl").then_some(prefix)
        });
        let (Some(prefix), None) = (prefixes.next(), prefixes.next()) else {
            let wrapped = archive.entries.keys().find(|name| is_model_file(name));
            return Err(wrapped.map_or_else(
                || wrong("it is a zip, but not one of PyTorch"),
                |name| pack(name),
            ));
        };
        archive.prefix = prefix.to_string();
        // "little" or "big", in files that say it.
        if archive
            .entry("byteorder")
            .is_some_and(|order| order.size == 3)
        {
            return Err(wrong("its numbers are big-endian"));
        }
        Ok(archive)
    }

    /// The bytes of `data.pkl`.
    async fn pickle(&self) -> Result<Vec<u8>> {
        let entry = self.entry("data.pkl").ok_or_else(too_short)?;
        if entry.size > MAX_PICKLE {
            return Err(wrong("its description (data.pkl) is too long"));
        }
        self.bytes(self.data(entry).await?, entry.size).await
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        self.entries
            .get(&format!("{}/{name}", self.prefix))
            .copied()
    }

    /// Where an entry's data begins: its local header says how much stands before it.
    async fn data(&self, entry: Entry) -> Result<u64> {
        let header = self.bytes(entry.header, 30).await?;
        let mut header = Cursor(&header);
        if header.take(4)? != b"PK\x03\x04" {
            return Err(wrong("its directory does not fit its content"));
        }
        header.take(22)?;
        let data = entry.header + 30 + u64::from(header.u16()?) + u64::from(header.u16()?);
        if data + entry.size > entry.end {
            return Err(wrong("its directory does not fit its content"));
        }
        Ok(data)
    }

    /// Where a tensor's span begins in the file, bytes.
    async fn locate(&self, name: &str, view: &View<'_>) -> Result<u64> {
        let entry = self
            .entry(&format!("data/{}", view.storage))
            .ok_or_else(|| wrong_tensor(name, "its values are missing"))?;
        let size = view.kind.size();
        match view
            .start
            .checked_add(view.span)
            .and_then(|end| end.checked_mul(size))
        {
            Some(end) if end <= entry.size => Ok(self.data(entry).await? + view.start * size),
            _ => Err(wrong_tensor(name, "it goes on beyond its values")),
        }
    }

    /// Reads the values of a tensor whose span begins at `offset`, row-major.
    async fn values(&self, offset: u64, view: &View<'_>) -> Result<Vec<f32>> {
        let size = view.kind.size();
        let places = view.places();
        let mut values = vec![0.0; view.axes.iter().map(|axis| axis.size as usize).product()];
        let mut at = 0;
        while at < view.span {
            let count = (view.span - at).min(CHUNK / size);
            let bytes = self.bytes(offset + at * size, count * size).await?;
            for (index, value) in (at..).zip(view.kind.decode(&bytes)) {
                if let Some(place) = place(&places, index) {
                    values[place as usize] = value;
                }
            }
            at += count;
        }
        Ok(values)
    }

    /// A slice of the file.
    async fn bytes(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.file.size())
        {
            return Err(wrong("it says that it goes on beyond its end"));
        }
        let length = length as usize; // at most 4 MiB
        let bytes = self.file.read_at(offset, length).await?;
        if bytes.len() == length {
            Ok(bytes)
        } else {
            Err(too_short())
        }
    }
}

/// Takes an entry from the zip's directory. Its end is not known yet.
fn entry(rest: &mut Cursor) -> Result<(String, Entry)> {
    if rest.take(4)? != b"PK\x01\x02" {
        return Err(wrong("its directory is damaged"));
    }
    rest.take(4)?;
    let (flags, method) = (rest.u16()?, rest.u16()?);
    rest.take(8)?;
    let (packed, size) = (u64::from(rest.u32()?), u64::from(rest.u32()?));
    let (name, extra, comment) = (rest.u16()?, rest.u16()?, rest.u16()?);
    rest.take(8)?;
    let header = u64::from(rest.u32()?);
    let name = String::from_utf8_lossy(rest.take(name.into())?).into_owned();
    let mut extra = Cursor(rest.take(extra.into())?);
    rest.take(comment.into())?;

    // What does not fit 32 bits stands in the extra field 1, in this order.
    let mut wide = [size, packed, header];
    if wide.contains(&0xffff_ffff) {
        let mut field = loop {
            let (kind, length) = (extra.u16()?, extra.u16()?);
            let field = extra.take(length.into())?;
            if kind == 1 {
                break Cursor(field);
            }
        };
        for value in wide.iter_mut().filter(|value| **value == 0xffff_ffff) {
            *value = field.u64()?;
        }
    }
    let [size, packed, header] = wide;
    let is_packed = method != 0 || flags & 1 != 0 || packed != size;
    let entry = Entry {
        header,
        size,
        end: header,
        is_packed,
    };
    Ok((name, entry))
}

/// The type of a storage's numbers.
#[derive(Clone, Copy, Debug)]
enum Kind {
    F16,
    Bf16,
    F32,
    F64,
    I64,
}

impl Kind {
    /// Bytes of a number.
    fn size(self) -> u64 {
        match self {
            Kind::F16 | Kind::Bf16 => 2,
            Kind::F32 => 4,
            Kind::F64 | Kind::I64 => 8,
        }
    }

    fn decode(self, bytes: &[u8]) -> impl Iterator<Item = f32> {
        bytes.chunks_exact(self.size() as usize).map(move |bytes| {
            let mut number = [0; 8];
            number[..bytes.len()].copy_from_slice(bytes);
            let [a, b, c, d, ..] = number;
            match self {
                Kind::F16 => f16::from_le_bytes([a, b]).to_f32(),
                Kind::Bf16 => bf16::from_le_bytes([a, b]).to_f32(),
                Kind::F32 => f32::from_le_bytes([a, b, c, d]),
                Kind::F64 => f64::from_le_bytes(number) as f32,
                Kind::I64 => i64::from_le_bytes(number) as f32,
            }
        })
    }
}

/// A tensor as a view of a storage; all in elements.
struct View<'a> {
    /// Number of the storage.
    storage: &'a str,
    kind: Kind,
    start: u64,
    /// From its first element in the storage to behind its last.
    span: u64,
    axes: Vec<Axis>,
}

/// A dimension of a tensor.
#[derive(Clone, Copy)]
struct Axis {
    size: u64,
    /// From one element to the next, in the storage.
    stride: u64,
    /// The same in the row-major result.
    step: u64,
}

impl View<'_> {
    /// The axes that have more than one element, widest stride first; a tensor that is row-major already is one axis.
    fn places(&self) -> Vec<Axis> {
        let mut places: Vec<Axis> = self
            .axes
            .iter()
            .copied()
            .filter(|axis| axis.size > 1)
            .collect();
        if places.iter().all(|axis| axis.stride == axis.step) {
            let (size, stride, step) = (self.span, 1, 1);
            return vec![Axis { size, stride, step }];
        }
        places.sort_by_key(|axis| std::cmp::Reverse(axis.stride));
        places
    }
}

/// Where the element `index` of a view's span belongs in the row-major result, if the view has it.
fn place(places: &[Axis], index: u64) -> Option<u64> {
    let (mut rest, mut place) = (index, 0);
    for axis in places {
        let count = if axis.stride == 1 {
            rest
        } else {
            rest / axis.stride
        };
        if count >= axis.size {
            return None;
        }
        rest -= count * axis.stride;
        place += count * axis.step;
    }
    (rest == 0).then_some(place)
}

/// A value of the stack machine. Containers are numbers of a list in [`Pickle`], so that nothing here nests.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// None, bytes, whole numbers beyond 64 bits: nothing here needs them.
    Other,
    List(usize),
    Tuple(usize),
    /// Keys and values in turn.
    Dict(usize),
    /// An object that is nothing but its attributes, in turn like a dict.
    Namespace(usize),
    /// A name of Python's, module and name. Harmless until it is called.
    Global(usize),
    /// What identifies a storage: the tuple ("storage", type, number, device, elements).
    Storage(usize),
    /// What [`Pickle::view`] makes a tensor of: the tuple (storage, start, shape, strides, ...).
    Tensor(usize),
}

/// The stack machine.
struct Pickle<'a> {
    rest: Cursor<'a>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack at which something began.
    marks: Vec<usize>,
    memo: HashMap<u32, Value<'a>>,
    containers: Vec<Vec<Value<'a>>>,
    globals: Vec<(&'a str, &'a str)>,
    /// Values, marks and memories so far.
    made: usize,
}

impl<'a> Pickle<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Pickle {
            rest: Cursor(bytes),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
            containers: Vec::new(),
            globals: Vec::new(),
            made: 0,
        }
    }

    /// Runs the program: the instructions of protocols 2 to 4 that plain values and tensors need.
    fn run(&mut self) -> Result<Value<'a>> {
        loop {
            match self.rest.u8()? {
                // PROTO, FRAME, STOP
                0x80 => self.skip(1)?,
                0x95 => self.skip(8)?,
                b'.' => return self.pop(),

                // NONE, NEWTRUE, NEWFALSE
                b'N' => self.push(Value::Other)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                // BININT, BININT1, BININT2, LONG1, BINFLOAT
                b'J' => {
                    let number = i32::from_le_bytes(self.rest.array()?);
                    self.push(Value::Int(number.into()))?;
                }
                b'K' => {
                    let number = self.rest.u8()?;
                    self.push(Value::Int(number.into()))?;
                }
                b'M' => {
                    let number = self.rest.u16()?;
                    self.push(Value::Int(number.into()))?;
                }
                0x8a => {
                    let length = self.rest.u8()?;
                    let number = long(self.rest.take(length.into())?);
                    self.push(number)?;
                }
                b'G' => {
                    let number = f64::from_be_bytes(self.rest.array()?);
                    self.push(Value::Float(number))?;
                }
                // BINUNICODE, SHORT_BINUNICODE
                b'X' => {
                    let length = self.rest.u32()?;
                    let text = text(self.rest.take(length as usize)?)?;
                    self.push(Value::Text(text))?;
                }
                0x8c => {
                    let length = self.rest.u8()?;
                    let text = text(self.rest.take(length.into())?)?;
                    self.push(Value::Text(text))?;
                }
                // BINBYTES, SHORT_BINBYTES
                b'B' => {
                    let length = self.rest.u32()?;
                    self.skip(length as usize)?;
                    self.push(Value::Other)?;
                }
                b'C' => {
                    let length = self.rest.u8()?;
                    self.skip(length.into())?;
                    self.push(Value::Other)?;
                }

                // EMPTY_LIST, EMPTY_DICT
                b']' => {
                    let list = self.contain(Vec::new());
                    self.push(Value::List(list))?;
                }
                b'}' => {
                    let dict = self.contain(Vec::new());
                    self.push(Value::Dict(dict))?;
                }
                // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
                b')' => self.push_tuple(Vec::new())?,
                0x85 => {
                    let items = vec![self.pop()?];
                    self.push_tuple(items)?;
                }
                0x86 => {
                    let (second, first) = (self.pop()?, self.pop()?);
                    self.push_tuple(vec![first, second])?;
                }
                0x87 => {
                    let (third, second, first) = (self.pop()?, self.pop()?, self.pop()?);
                    self.push_tuple(vec![first, second, third])?;
                }
                b't' => {
                    let items = self.pop_marked()?;
                    self.push_tuple(items)?;
                }
                // APPEND, APPENDS
                b'a' => {
                    let item = self.pop()?;
                    self.append(&[item])?;
                }
                b'e' => {
                    let items = self.pop_marked()?;
                    self.append(&items)?;
                }
                // SETITEM, SETITEMS
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.pop_marked()?;
                    self.set(&items)?;
                }

                // MARK, POP, POP_MARK
                b'(' => {
                    self.marks.push(self.stack.len());
                    self.count()?;
                }
                b'0' => _ = self.pop()?,
                b'1' => _ = self.pop_marked()?,
                // BINPUT, LONG_BINPUT, MEMOIZE
                b'q' => {
                    let place = self.rest.u8()?;
                    self.memorise(place.into())?;
                }
                b'r' => {
                    let place = self.rest.u32()?;
                    self.memorise(place)?;
                }
                0x94 => self.memorise(self.memo.len() as u32)?,
                // BINGET, LONG_BINGET
                b'h' => {
                    let place = self.rest.u8()?;
                    self.recall(place.into())?;
                }
                b'j' => {
                    let place = self.rest.u32()?;
                    self.recall(place)?;
                }

                // GLOBAL, STACK_GLOBAL
                b'c' => {
                    let (module, name) = (text(self.rest.line()?)?, text(self.rest.line()?)?);
                    self.push_global(module, name)?;
                }
                0x93 => {
                    let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?)
                    else {
                        return Err(confused());
                    };
                    self.push_global(module, name)?;
                }
                // REDUCE and NEWOBJ: a call and a construction
                b'R' | 0x81 => {
                    let (Value::Tuple(arguments), Value::Global(callee)) =
                        (self.pop()?, self.pop()?)
                    else {
                        return Err(confused());
                    };
                    let value = self.call(callee, arguments)?;
                    self.push(value)?;
                }
                // BUILD
                b'b' => {
                    let state = self.pop()?;
                    self.build(state)?;
                }
                // BINPERSID
                b'Q' => {
                    let Value::Tuple(id) = self.pop()? else {
                        return Err(confused());
                    };
                    self.push(Value::Storage(id))?;
                }
                code => {
                    return Err(wrong(format!(
                        "it contains an instruction (0x{code:02x}) that no model needs"
                    )));
                }
            }
        }
    }

    /// What may be called, which is the whole of it. Nothing that is called does more than to make a value.
    fn call(&mut self, callee: usize, arguments: usize) -> Result<Value<'a>> {
        let (module, name) = self.globals[callee];
        match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Value::Tensor(arguments)),
            // (tensor, requires_grad, hooks), and (elements)
            ("torch._utils", "_rebuild_parameter") | ("torch", "Size") => {
                let first = self.containers[arguments].first();
                first.copied().ok_or_else(confused)
            }
            (
                "pytorch_lightning.utilities.parsing"
                | "lightning.pytorch.utilities.parsing"
                | "lightning_fabric.utilities.data"
                | "lightning.fabric.utilities.data",
                "AttributeDict",
            )
            | ("collections", "OrderedDict")
                if self.containers[arguments].is_empty() =>
            {
                Ok(Value::Dict(self.contain(Vec::new())))
            }
            ("argparse", "Namespace") if self.containers[arguments].is_empty() => {
                Ok(Value::Namespace(self.contain(Vec::new())))
            }
            _ => Err(Error::Model(format!(
                "This checkpoint asks for {}.{}, which is not part of a model: nothing was run.",
                shown(module),
                shown(name)
            ))),
        }
    }

    /// Gives the value on top its attributes.
    fn build(&mut self, state: Value<'a>) -> Result<()> {
        match (self.stack.last(), state) {
            (Some(&Value::Namespace(object)), Value::Dict(state)) => {
                self.containers[object] = std::mem::take(&mut self.containers[state]);
                Ok(())
            }
            // A state_dict has an attribute `_metadata`, which nothing here needs.
            (Some(Value::Dict(_)), _) => Ok(()),
            _ => Err(confused()),
        }
    }

    fn count(&mut self) -> Result<()> {
        self.made += 1;
        if self.made > MAX_VALUES {
            return Err(wrong("it contains too many values"));
        }
        Ok(())
    }

    fn skip(&mut self, bytes: usize) -> Result<()> {
        self.rest.take(bytes).map(|_| ())
    }

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        self.stack.push(value);
        self.count()
    }

    fn push_tuple(&mut self, items: Vec<Value<'a>>) -> Result<()> {
        let tuple = self.contain(items);
        self.push(Value::Tuple(tuple))
    }

    fn push_global(&mut self, module: &'a str, name: &'a str) -> Result<()> {
        self.globals.push((module, name));
        self.push(Value::Global(self.globals.len() - 1))
    }

    fn contain(&mut self, items: Vec<Value<'a>>) -> usize {
        self.containers.push(items);
        self.containers.len() - 1
    }

    /// Takes the value on top, if it lies above the last mark.
    fn pop(&mut self) -> Result<Value<'a>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err(confused());
        }
        self.stack.pop().ok_or_else(confused)
    }

    /// Takes all values above the last mark, and the mark.
    fn pop_marked(&mut self) -> Result<Vec<Value<'a>>> {
        let mark = self.marks.pop().ok_or_else(confused)?;
        Ok(self.stack.drain(mark..).collect()) // no larger than it must be, unlike `split_off(0)`
    }

    fn append(&mut self, items: &[Value<'a>]) -> Result<()> {
        let Some(&Value::List(list)) = self.stack.last() else {
            return Err(confused());
        };
        self.containers[list].extend(items);
        Ok(())
    }

    fn set(&mut self, items: &[Value<'a>]) -> Result<()> {
        match self.stack.last() {
            Some(&Value::Dict(dict)) if items.len().is_multiple_of(2) => {
                self.containers[dict].extend(items);
                Ok(())
            }
            _ => Err(confused()),
        }
    }

    fn memorise(&mut self, place: u32) -> Result<()> {
        let value = *self.stack.last().ok_or_else(confused)?;
        self.memo.insert(place, value);
        self.count()
    }

    fn recall(&mut self, place: u32) -> Result<()> {
        let value = *self.memo.get(&place).ok_or_else(confused)?;
        self.push(value)
    }

    /// The entries of a dict whose keys are names, in order. Names that no model has, for their length, are left out.
    fn named(&self, dict: Value<'a>) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        let items: &[Value] = match dict {
            Value::Dict(items) | Value::Namespace(items) => &self.containers[items],
            _ => &[],
        };
        items.chunks_exact(2).filter_map(|pair| match *pair {
            [Value::Text(name), value] if name.len() <= MAX_NAME => Some((name, value)),
            _ => None,
        })
    }

    /// An entry of a dict.
    fn get(&self, dict: Value<'a>, key: &str) -> Option<Value<'a>> {
        self.named(dict)
            .filter(|(name, _)| *name == key)
            .map(|(_, value)| value)
            .last()
    }

    /// What a tensor says of itself, checked as far as that goes without its storage. What is wrong is half a sentence.
    fn view(&self, tensor: Value<'a>) -> std::result::Result<View<'a>, &'static str> {
        const UNCLEAR: &str = "it is no tensor";
        let Value::Tensor(tensor) = tensor else {
            return Err(UNCLEAR);
        };
        let [
            Value::Storage(storage),
            Value::Int(start),
            Value::Tuple(sizes),
            Value::Tuple(strides),
            ..,
        ] = self.containers[tensor][..]
        else {
            return Err(UNCLEAR);
        };
        let [
            Value::Text("storage"),
            Value::Global(kind),
            Value::Text(storage),
            ..,
        ] = self.containers[storage][..]
        else {
            return Err(UNCLEAR);
        };
        let kind = match self.globals[kind] {
            ("torch", "HalfStorage") => Kind::F16,
            ("torch", "BFloat16Storage") => Kind::Bf16,
            ("torch", "FloatStorage") => Kind::F32,
            ("torch", "DoubleStorage") => Kind::F64,
            ("torch", "LongStorage") => Kind::I64,
            _ => return Err("its numbers are neither floating-point nor int64"),
        };
        let (sizes, strides) = (&self.containers[sizes], &self.containers[strides]);
        if storage.len() > MAX_NAME || sizes.len() != strides.len() || sizes.len() > MAX_DIMENSIONS
        {
            return Err(UNCLEAR);
        }
        let number = |value: &Value| match value {
            Value::Int(value) => u64::try_from(*value).map_err(|_| "it has a negative size"),
            _ => Err(UNCLEAR),
        };

        let mut axes = Vec::with_capacity(sizes.len());
        let mut step = 1_u64; // elements within one of this axis
        for (size, stride) in sizes.iter().zip(strides).rev() {
            let (size, stride) = (number(size)?, number(stride)?);
            axes.push(Axis { size, stride, step });
            step = step
                .checked_mul(size)
                .filter(|elements| (1..=MAX_ELEMENTS).contains(elements))
                .ok_or("it is empty or too large")?;
        }
        axes.reverse();
        let mut span = 1;
        let mut narrow_first: Vec<Axis> =
            axes.iter().copied().filter(|axis| axis.size > 1).collect();
        narrow_first.sort_by_key(|axis| axis.stride);
        for axis in narrow_first {
            if axis.stride < span {
                return Err("it overlaps with itself");
            }
            span = (axis.size - 1)
                .checked_mul(axis.stride)
                .and_then(|width| width.checked_add(span))
                .filter(|&span| span <= MAX_ELEMENTS)
                .ok_or("it is too large")?;
        }
        Ok(View {
            storage,
            kind,
            start: number(&Value::Int(start))?,
            span,
            axes,
        })
    }
}

/// A whole number of any length, two's complement.
fn long<'a>(bytes: &[u8]) -> Value<'a> {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut number = [if negative { 0xff } else { 0 }; 8];
    number[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(number))
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| confused())
}

fn confused() -> Error {
    wrong("its description (data.pkl) makes no sense")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pollster::block_on;
    use proptest::prelude::*;

    use super::*;

    /// A file that counts what is read of it.
    struct Counted<'a> {
        bytes: &'a [u8],
        read: Cell<u64>,
        reads: Cell<usize>,
    }

    impl ReadAt for Counted<'_> {
        fn size(&self) -> u64 {
            self.bytes.len() as u64
        }

        async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
            self.read.set(self.read.get() + length as u64);
            self.reads.set(self.reads.get() + 1);
            assert!(length <= 4 << 20, "one read of {length} bytes");
            self.bytes.read_at(offset, length).await
        }
    }

    /// Reads, and sees to it that this takes no more reads than a model has tensors, and of no more bytes than the file has. What
    /// is done between reads is bounded by the values that a pickle may make.
    fn quickly(bytes: &[u8]) -> Result<TorchCheckpoint> {
        let file = Counted {
            bytes,
            read: Cell::new(0),
            reads: Cell::new(0),
        };
        let read = block_on(read(&file));
        // Local header and numbers of each tensor; end record, directory and pickle.
        assert!(file.reads.get() <= 2 * MAX_TENSORS + 100);
        // The end record, local headers and the directory are read beside the entries.
        assert!(file.read.get() <= 2 * file.size() + 100_000);
        read
    }

    /// A zip of stored entries: name, method, data.
    fn zip_of(entries: &[(&str, u16, &[u8])]) -> Vec<u8> {
        let (mut file, mut directory) = (Vec::new(), Vec::new());
        for (name, method, data) in entries {
            let (header, size) = (file.len() as u32, data.len() as u32);
            let padding = [b'Z'; 5];
            file.extend(b"PK\x03\x04\0\0\x08\x08");
            file.extend(method.to_le_bytes());
            file.extend([0; 16]);
            file.extend((name.len() as u16).to_le_bytes());
            file.extend((padding.len() as u16).to_le_bytes());
            file.extend(name.as_bytes());
            file.extend(padding);
            file.extend(*data);
            directory.extend(b"PK\x01\x02\0\0\0\0\x08\x08");
            directory.extend(method.to_le_bytes());
            directory.extend([0; 8]);
            directory.extend(size.to_le_bytes());
            directory.extend(size.to_le_bytes());
            directory.extend((name.len() as u16).to_le_bytes());
            directory.extend([0; 12]);
            directory.extend(header.to_le_bytes());
            directory.extend(name.as_bytes());
        }
        let offset = file.len() as u32;
        file.extend(&directory);
        file.extend(b"PK\x05\x06\0\0\0\0");
        file.extend((entries.len() as u16).to_le_bytes());
        file.extend((entries.len() as u16).to_le_bytes());
        file.extend((directory.len() as u32).to_le_bytes());
        file.extend(offset.to_le_bytes());
        file.extend([0; 2]);
        file
    }

    /// A checkpoint of this pickle, with storage 0 = the numbers 0 to 23 as float32, and 1 = 64 bytes of 0x3c.
    fn file_of(pickle: &[u8]) -> Vec<u8> {
        let numbers: Vec<u8> = (0..24).flat_map(|n| (n as f32).to_le_bytes()).collect();
        zip_of(&[
            ("m/data.pkl", 0, pickle),
            ("m/byteorder", 0, b"little"),
            ("m/data/0", 0, &numbers),
            ("m/data/1", 0, &[0x3c; 64]),
        ])
    }

    // An assembler: each gives the instructions that push one value.

    fn int(number: i32) -> Vec<u8> {
        [&b"J"[..], &number.to_le_bytes()].concat()
    }

    fn string(text: &str) -> Vec<u8> {
        [
            b"X",
            &(text.len() as u32).to_le_bytes()[..],
            text.as_bytes(),
        ]
        .concat()
    }

    fn global(module: &str, name: &str) -> Vec<u8> {
        format!("c{module}\n{name}\n").into_bytes()
    }

    fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
        [&b"("[..], &items.concat(), b"t"].concat()
    }

    fn ints(numbers: &[i32]) -> Vec<u8> {
        tuple(
            &numbers
                .iter()
                .map(|&number| int(number))
                .collect::<Vec<_>>(),
        )
    }

    fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let items: Vec<_> = items
            .iter()
            .map(|(name, value)| [string(name), value.clone()].concat())
            .collect();
        [&b"}("[..], &items.concat(), b"u"].concat()
    }

    fn call(module: &str, name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
        [&global(module, name)[..], &tuple(arguments), b"R"].concat()
    }

    /// A tensor of a storage: its number and type, where it starts, shape and strides.
    fn tensor(storage: (&str, &str), start: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
        let id = tuple(&[
            string("storage"),
            global("torch", storage.1),
            string(storage.0),
            string("cpu"),
            int(24),
        ]);
        let storage = [&id[..], b"Q"].concat();
        let hooks = call("collections", "OrderedDict", &[]);
        call(
            "torch._utils",
            "_rebuild_tensor_v2",
            &[
                storage,
                int(start),
                ints(shape),
                ints(strides),
                b"\x89".to_vec(),
                hooks,
            ],
        )
    }

    const NUMBERS: (&str, &str) = ("0", "FloatStorage");

    /// The whole pickle.
    fn program(value: &[u8]) -> Vec<u8> {
        [b"\x80\x02", value, b"."].concat()
    }

    /// A bare `state_dict` of one tensor.
    fn only(tensor: Vec<u8>) -> Vec<u8> {
        file_of(&program(&dict(&[("encoder.x", tensor)])))
    }

    /// A small checkpoint with all that the reader knows.
    fn lightning() -> Vec<u8> {
        let parameter = call(
            "torch._utils",
            "_rebuild_parameter",
            &[
                tensor(NUMBERS, 6, &[2, 3], &[3, 1]),
                b"\x88".to_vec(),
                call("collections", "OrderedDict", &[]),
            ],
        );
        let mut state = call("collections", "OrderedDict", &[]);
        state.extend(b"q\0("); // memorised before it is filled
        for (name, value) in [
            ("encoder.w", parameter),
            (
                "encoder.n.num_batches_tracked",
                tensor(("1", "LongStorage"), 0, &[], &[]),
            ),
            (
                "encoder.detector.coord",
                tensor(("7", "FloatStorage"), 0, &[2], &[1]),
            ),
            ("decoder.alpha", tensor(NUMBERS, 5, &[], &[])),
            (
                "vgg_loss.mean",
                tensor(("9", "FloatStorage"), 0, &[3], &[1]),
            ),
        ] {
            state.extend(string(name));
            state.extend(value);
        }
        state.push(b'u');
        state.extend(dict(&[(
            "_metadata",
            call("collections", "OrderedDict", &[]),
        )]));
        state.push(b'b');
        let attributes = global("pytorch_lightning.utilities.parsing", "AttributeDict");
        let mut settings = [&attributes[..], b")\x81("].concat();
        settings.extend([string("n_parts"), int(4)].concat());
        settings.extend(
            [
                string("thick"),
                b"G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc".to_vec(),
            ]
            .concat(),
        );
        settings.extend([string("image_size"), b"\x8a\x02\x80\x00".to_vec()].concat());
        settings.extend([string("missing"), b"\x88".to_vec()].concat());
        settings.extend([string("dataset"), string("cub")].concat());
        settings.push(b'u');
        let class = global(
            "pytorch_lightning.callbacks.model_checkpoint",
            "ModelCheckpoint",
        );
        let callbacks = [&b"}"[..], &class, b"}s"].concat();
        file_of(&program(&dict(&[
            ("epoch", int(3)),
            ("global_step", int(1234)),
            ("state_dict", state),
            ("callbacks", callbacks),
            ("lr_schedulers", b"](K\x01NB\x01\0\0\0zC\x01ze".to_vec()),
            ("hyper_parameters", settings),
            ("again", b"h\0".to_vec()),
        ])))
    }

    #[test]
    fn the_authors_checkpoints_are_read() {
        for name in ["autolink_k8_w4", "autolink_k4_w8"] {
            let [Some(theirs), Some(expected)] = ["ckpt", "safetensors"]
                .map(|kind| crate::needs::shared(&format!("reference/{name}.{kind}")))
            else {
                continue;
            };
            let file = std::fs::File::open(theirs).expect("opens");
            let read = block_on(read(&file)).expect("reads");
            let expected = std::fs::read(expected).expect("is there");
            let expected = safetensors::SafeTensors::deserialize(&expected).expect("reads");
            let mut count = 0;
            for (name, view) in expected.tensors() {
                let Some(name) = name.strip_prefix("state/").filter(|name| is_model(name)) else {
                    continue;
                };
                let (shape, values) = &read.tensors[name];
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                assert_eq!(
                    (&shape[..], &bytes[..]),
                    (view.shape(), view.data()),
                    "{name}"
                );
                count += 1;
            }
            assert_eq!(read.tensors.len(), count);
            let keypoints = if name == "autolink_k8_w4" { 8.0 } else { 4.0 };
            assert_eq!(read.settings["n_parts"], keypoints);
            assert_eq!(read.settings["sklr"], 512.0);
            assert_eq!(read.step, 1234);
        }
    }

    #[test]
    fn a_checkpoint_of_lightning_is_read() {
        let read = quickly(&lightning()).expect("reads");
        let mut names: Vec<_> = read.tensors.keys().collect();
        names.sort();
        assert_eq!(names, ["decoder.alpha", "encoder.w"]);
        let matrix = (vec![2, 3], vec![6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(read.tensors["encoder.w"], matrix);
        assert_eq!(read.tensors["decoder.alpha"], (vec![], vec![5.0]));
        let settings = [
            ("n_parts", 4.0),
            ("thick", 1e-3),
            ("image_size", 128.0),
            ("missing", 1.0),
        ];
        assert_eq!(
            read.settings,
            settings
                .map(|(name, value)| (name.to_string(), value))
                .into()
        );
        assert_eq!(read.step, 1234);
    }

    #[test]
    fn wrapped_names_are_unwrapped() {
        let x = || tensor(NUMBERS, 0, &[1], &[1]);
        let names = |state: &[(&str, Vec<u8>)]| {
            let read = quickly(&file_of(&program(&dict(state))))?;
            let mut names: Vec<_> = read.tensors.into_keys().collect();
            names.sort();
            Ok::<_, Error>(names)
        };
        let wrapped = [
            ("module.encoder.a", x()),
            ("_orig_mod.encoder.b", x()),
            ("_orig_mod.module.encoder.c", x()),
            ("encoder._orig_mod.d", x()),
            ("model.module.decoder.e", x()),
            ("module.vgg.f", x()),
        ];
        let found = names(&wrapped).expect("reads");
        assert_eq!(
            found,
            [
                "decoder.e",
                "encoder.a",
                "encoder.b",
                "encoder.c",
                "encoder.d"
            ]
        );
        let twice = [("encoder.a", x()), ("module.encoder.a", x())];
        let said = names(&twice).expect_err("is unclear").to_string();
        assert!(said.contains("twice"), "{said}");
        for key in ["state_dict", "model_state_dict", "model"] {
            let inner = dict(&[("module.encoder.a", x())]);
            assert_eq!(names(&[(key, inner)]).expect(key), ["encoder.a"]);
        }
    }

    #[test]
    fn a_zip_around_a_checkpoint_says_what_to_do() {
        let inner = lightning();
        for (name, method) in [("epoch=3.ckpt", 0), ("runs/m.PT", 8), ("m.safetensors", 8)] {
            let said = quickly(&zip_of(&[
                ("readme.txt", 8, b"hello"),
                (name, method, &inner),
            ]));
            let said = said.expect_err("is refused").to_string();
            assert!(
                said.contains(name) && said.contains("unpack it first"),
                "{said}"
            );
        }
    }

    #[test]
    fn settings_may_be_a_namespace() {
        let mut settings = global("argparse", "Namespace");
        settings.extend(b")\x81");
        settings.extend(dict(&[("sklr", int(512))]));
        settings.push(b'b');
        let state = dict(&[("decoder.x", tensor(NUMBERS, 0, &[1], &[1]))]);
        let pickle = dict(&[("hyper_parameters", settings), ("state_dict", state)]);
        let read = quickly(&file_of(&program(&pickle))).expect("reads");
        assert_eq!(read.settings["sklr"], 512.0);
    }

    #[test]
    fn strides_and_types_are_followed() {
        let read = |tensor| quickly(&only(tensor)).expect("reads").tensors["encoder.x"].clone();
        let transposed = (vec![3, 2], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert_eq!(read(tensor(NUMBERS, 0, &[3, 2], &[1, 3])), transposed);
        let with_gaps = (vec![2, 1, 3], vec![1.0, 3.0, 5.0, 11.0, 13.0, 15.0]);
        assert_eq!(
            read(tensor(NUMBERS, 1, &[2, 1, 3], &[10, 99, 2])),
            with_gaps
        );
        let channels_last = (
            vec![1, 2, 2, 2],
            vec![0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0],
        );
        assert_eq!(
            read(tensor(NUMBERS, 0, &[1, 2, 2, 2], &[8, 1, 4, 2])),
            channels_last
        );
        // 0x3c3c..., as numpy and torch read it
        for (kind, expected) in [
            ("HalfStorage", 1.0585938),
            ("BFloat16Storage", 0.011474609),
            ("FloatStorage", 0.01148897),
            ("DoubleStorage", 1.5306384e-18),
            ("LongStorage", 4.3404104e18),
        ] {
            assert_eq!(
                read(tensor(("1", kind), 1, &[1], &[1])),
                (vec![1], vec![expected]),
                "{kind}"
            );
        }
    }

    #[test]
    fn only_what_is_used_is_read() {
        let pickle = program(&dict(&[("encoder.x", tensor(NUMBERS, 2, &[4], &[1]))]));
        let (optimiser, numbers) = (vec![0; 10 << 20], vec![0; 3 << 20]);
        let bytes = zip_of(&[
            ("m/data.pkl", 0, &pickle),
            ("m/data/5", 0, &optimiser),
            ("m/data/0", 0, &numbers),
        ]);
        let file = Counted {
            bytes: &bytes,
            read: Cell::new(0),
            reads: Cell::new(0),
        };
        block_on(read(&file)).expect("reads");
        assert!(file.read.get() < 70_000, "{} bytes read", file.read.get());
    }

    #[test]
    fn a_zip64_is_read() {
        // The same file with its end record saying "see the other one".
        let good = lightning();
        let (body, end) = good.split_at(good.len() - 22);
        let at = body.len() as u64;
        let number = |place: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| end[place + i]));
        let mut bytes = body.to_vec();
        bytes.extend(b"PK\x06\x06");
        bytes.extend([0; 28]);
        bytes.extend(u64::from(number(8) & 0xffff).to_le_bytes());
        bytes.extend(u64::from(number(12)).to_le_bytes());
        bytes.extend(u64::from(number(16)).to_le_bytes());
        bytes.extend(b"PK\x06\x07\0\0\0\0");
        bytes.extend(at.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend(b"PK\x05\x06");
        bytes.extend([0xff; 16]);
        bytes.extend([0; 2]);
        assert_eq!(quickly(&bytes).expect("reads").tensors.len(), 2);
        // A directory entry with its size in the extra field.
        let mut name = vec![0; 46 + 1 + 20];
        name[..4].copy_from_slice(b"PK\x01\x02");
        name[20..28].copy_from_slice(&[0xff; 8]);
        (name[28], name[30], name[46]) = (1, 20, b'x');
        name[47..51].copy_from_slice(&[1, 0, 16, 0]);
        (name[51], name[55], name[59], name[63]) = (7, 1, 7, 1);
        let (name, entry) = entry(&mut Cursor(&name)).expect("reads");
        assert_eq!((&name[..], entry.size), ("x", 7 + (1 << 32)));
    }

    #[test]
    fn what_asks_for_more_than_a_model_is_refused_by_name() {
        let shell = [string("posix"), string("system"), b"\x93".to_vec()].concat();
        let class = global("torch._utils", "_rebuild_tensor_v3");
        for (value, name) in [
            (call("os", "system", &[string("true")]), "os.system"),
            ([&shell[..], b")R"].concat(), "posix.system"),
            (
                call("builtins", "getattr", &[string("a")]),
                "builtins.getattr",
            ),
            (
                [&class[..], b")\x81"].concat(),
                "torch._utils._rebuild_tensor_v3",
            ),
            (
                call("collections", "OrderedDict", &[int(1)]),
                "collections.OrderedDict",
            ),
            (
                call("torch\u{1b}[2J", &"x".repeat(999), &[]),
                "\\u{1b}[2J.xx",
            ),
        ] {
            // Wherever it stands.
            let value = dict(&[("encoder.x", tensor(NUMBERS, 0, &[1], &[1])), ("b", value)]);
            let message = quickly(&file_of(&program(&value)))
                .expect_err(name)
                .to_string();
            let expected = "which is not part of a model: nothing was run.";
            assert!(
                message.contains(name) && message.ends_with(expected),
                "{message}"
            );
            assert!(message.len() < 300, "{message}");
        }
        // A name alone is harmless, as long as nothing is made of it.
        let name = dict(&[
            ("encoder.x", tensor(NUMBERS, 0, &[1], &[1])),
            ("b", global("os", "system")),
        ]);
        quickly(&file_of(&program(&name))).expect("reads");
    }

    #[test]
    fn hostile_files_end_in_a_sentence() {
        let good = lightning();
        let edited = |at: usize, with: &[u8]| {
            let mut bytes = good.clone();
            bytes[at..at + with.len()].copy_from_slice(with);
            bytes
        };
        let end = good.len() - 22;
        let directory = end - (46 * 4 + "m/data.pklm/byteorderm/data/0m/data/1".len());
        let pickle = |value: &[u8]| file_of(&program(value));
        let state = |names: usize, tensor: &[u8]| {
            let mut state = [tensor, b"q\x010}("].concat();
            for name in 0..names {
                state.extend([string(&format!("encoder.{name}")), b"h\x01".to_vec()].concat());
            }
            pickle(&[&state[..], b"u"].concat())
        };
        let number = |shape: &[i32], strides: &[i32]| only(tensor(NUMBERS, 0, shape, strides));
        let many = b"]".repeat(MAX_VALUES + 1);
        // Each list holds the one before twice: two to the 20,000 elements, if one walked it.
        let doubling = [&b"]q\0"[..], &b"](h\0h\0eq\0".repeat(20_000)].concat();
        // Each time the stack is emptied from the bottom, after it was large.
        let large_then_small = [
            &b"("[..],
            &b"K\0".repeat(90_000),
            b"1",
            &b"(t0".repeat(50_000),
        ]
        .concat();
        #[rustfmt::skip] // a line a case
        let cases: Vec<(&str, Vec<u8>, &str)> = vec![
            ("empty", vec![], "no file of PyTorch"),
            ("text", b"no model".repeat(99), "no file of PyTorch"),
            ("the old format", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), "before 1.6"),
            ("half", good[..good.len() / 2].to_vec(), "only part of one"),
            ("without its end", good[..good.len() - 1].to_vec(), "only part of one"),
            ("without its begin", good[1..].to_vec(), "directory is damaged"),
            ("many entries", edited(end + 10, &[0xfe, 0xff]), "ends in the middle"),
            ("a zip64 that is none", edited(end + 10, &[0xff, 0xff]), "directory is damaged"),
            ("a long directory", edited(end + 12, &[0xff; 3]), "directory is damaged"),
            ("a directory beyond the end", edited(end + 16, &[0xff; 3]), "directory is damaged"),
            ("a directory elsewhere", edited(end + 16, &[0]), "directory is damaged"),
            ("a huge entry", edited(directory + 20, &[0xf0, 0xff, 0xff, 0x7f, 0xf0, 0xff, 0xff, 0x7f]), "overlaps"),
            ("an overlap", edited(directory + 46 + 10 + 42, &[9, 0]), "overlaps"),
            ("an entry elsewhere", edited(directory + 42, &[1]), "does not fit"),
            ("padding into the next", edited(28, &[0xff, 0xff]), "does not fit"),
            ("compressed", zip_of(&[("m/data.pkl", 8, b".")]), "compressed"),
            ("two names", zip_of(&[("m/data.pkl", 0, b"."), ("m/data.pkl", 0, b".")]), "same name"),
            ("two pickles", zip_of(&[("m/data.pkl", 0, b"."), ("n/data.pkl", 0, b".")]), "not one of PyTorch"),
            ("pictures", zip_of(&[("m/1.png", 0, b"x")]), "not one of PyTorch"),
            ("big-endian", zip_of(&[("m/data.pkl", 0, b"."), ("m/byteorder", 0, b"big")]), "big-endian"),
            ("a huge pickle", file_of(&vec![b'N'; (4 << 20) + 1]), "too long"),
            ("an empty pickle", file_of(b""), "ends in the middle"),
            ("nothing", pickle(b""), "makes no sense"),
            ("no model", pickle(b"}"), "holds no model"),
            ("a number", pickle(b"K\0"), "holds no model"),
            ("deep lists", pickle(&[b"]".repeat(99_000), b"a".repeat(98_999)].concat()), "holds no model"),
            ("deep tuples", pickle(&[&b")"[..], &b"\x85".repeat(190_000)].concat()), "holds no model"),
            ("a list in itself", pickle(b"]q\0h\0a"), "holds no model"),
            ("a dict in itself", pickle(b"}q\0X\x0a\0\0\0state_dicth\0s"), "holds no model"),
            ("doubling", pickle(&doubling), "holds no model"),
            ("large, then small", pickle(&large_then_small), "makes no sense"),
            ("many values", pickle(&many), "too many values"),
            ("many marks", pickle(&b"(".repeat(4_000_000)), "too many values"),
            ("many memories", pickle(&[&b"N"[..], &b"q\0".repeat(MAX_VALUES)].concat()), "too many values"),
            ("the memo's end", pickle(b"Nr\xff\xff\xff\xffj\xff\xff\xff\xff"), "holds no model"),
            ("memories of nothing", pickle(b"h\x07"), "makes no sense"),
            ("a long text", pickle(b"X\xff\xff\xff\xffabc"), "ends in the middle"),
            ("bytes", pickle(b"B\xff\xff\xff\xffabc"), "ends in the middle"),
            ("a name without end", file_of(b"cos"), "ends in the middle"),
            ("no text", pickle(b"X\x01\0\0\0\xff"), "makes no sense"),
            ("an unknown instruction", pickle(b"ios\nsystem\n"), "0x69"),
            ("below the stack", pickle(b"0"), "makes no sense"),
            ("below the mark", pickle(b"N(0"), "makes no sense"),
            ("without a mark", pickle(b"Nt"), "makes no sense"),
            ("a call of what was called", pickle(b"ccollections\nOrderedDict\n)R)R"), "makes no sense"),
            ("a call without a tensor", pickle(b"ctorch._utils\n_rebuild_parameter\n)R"), "makes no sense"),
            ("attributes for a tensor", pickle(&[tensor(NUMBERS, 0, &[1], &[1]), b"}b".to_vec()].concat()), "makes no sense"),
            ("half an entry", pickle(b"}(Nu"), "makes no sense"),
            ("no tensor", only(int(1)), "encoder.x: it is no tensor"),
            ("a tensor without arguments", only(call("torch._utils", "_rebuild_tensor_v2", &[])), "is no tensor"),
            ("a list as a shape", only([&b"ctorch._utils\n_rebuild_tensor_v2\n(]K\0]]t"[..], b"R"].concat()), "is no tensor"),
            ("booleans", only(tensor(("1", "BoolStorage"), 0, &[1], &[1])), "neither floating-point"),
            ("no storage", only(tensor(("8", "FloatStorage"), 0, &[1], &[1])), "values are missing"),
            ("another file's storage", only(tensor(("../data.pkl", "FloatStorage"), 0, &[1], &[1])), "are missing"),
            ("beyond its storage", only(tensor(NUMBERS, 20, &[5], &[1])), "beyond its values"),
            ("far beyond", only(tensor(NUMBERS, i32::MAX, &[5], &[1])), "beyond its values"),
            ("a larger type", only(tensor(("0", "DoubleStorage"), 0, &[13], &[1])), "beyond its values"),
            ("a negative start", only(tensor(NUMBERS, -1, &[5], &[1])), "negative"),
            ("a negative size", number(&[-5], &[1]), "negative"),
            ("a negative stride", number(&[5], &[-1]), "negative"),
            ("nothing in it", number(&[0], &[1]), "empty"),
            ("huge", number(&[i32::MAX, i32::MAX, i32::MAX], &[1, 1, 1]), "too large"),
            ("huge strides", number(&[i32::MAX / 99, 2], &[i32::MAX, 1]), "too large"),
            ("one number a million times", number(&[1000, 1000], &[0, 0]), "overlaps with itself"),
            ("rows that overlap", number(&[3, 3], &[2, 1]), "overlaps with itself"),
            ("shape without strides", number(&[2, 2], &[1]), "is no tensor"),
            ("nine dimensions", number(&[1; 9], &[1; 9]), "is no tensor"),
            ("a storage often", state(900, &tensor(NUMBERS, 0, &[24], &[1])), "larger than the file"),
            ("many tensors", state(1001, &tensor(NUMBERS, 0, &[1], &[1])), "too many tensors"),

        ];
        for (what, bytes, expected) in cases {
            let message = quickly(&bytes).expect_err(what).to_string();
            assert!(message.contains(expected), "{what}: {message}");
        }
    }

    #[test]
    fn the_corpus_is_read_or_refused() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/torch_corpus");
        for file in std::fs::read_dir(folder).expect("is there") {
            let path = file.expect("is there").path();
            let read = quickly(&std::fs::read(&path).expect("reads"));
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("ckpt") => assert!(!read.expect("reads").tensors.is_empty()),
                Some("bad") => _ = read.expect_err("is refused"),
                _ => {}
            }
        }
    }

    /// Pieces of pickles, so that random programs get somewhere.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let simple = b"N()]}t\x85\x86\x87aesu01R\x81bQ\x93\x94".map(|code| vec![code]);
        let others = [
            b"q\0".to_vec(),
            b"q\x01".to_vec(),
            b"h\0".to_vec(),
            b"h\x01".to_vec(),
            b"K\x03".to_vec(),
            int(-1),
            int(i32::MAX),
            b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(),
            string("storage"),
            string("0"),
            string("state_dict"),
            string("hyper_parameters"),
            string("encoder.x"),
            global("torch", "FloatStorage"),
            global("torch", "Size"),
            global("torch._utils", "_rebuild_tensor_v2"),
            global("torch._utils", "_rebuild_parameter"),
            global("collections", "OrderedDict"),
            global("argparse", "Namespace"),
            tensor(NUMBERS, 1, &[2, 3], &[3, 1]),
            dict(&[("encoder.x", tensor(NUMBERS, 1, &[2, 3], &[1, 2]))]),
        ];
        let pieces = [&simple[..], &others].concat();
        let pieces = proptest::sample::select(pieces);
        proptest::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
    }

    /// Numbers that a tensor may claim for itself.
    fn claims() -> impl Strategy<Value = Vec<i32>> {
        let number = prop_oneof![0..6_i32, -1..1_i32, Just(24), any::<i32>()];
        proptest::collection::vec(number, 0..5)
    }

    // PROPTEST_CASES=1000000 runs them for longer.
    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = quickly(&bytes);
            let _ = quickly(&file_of(&bytes));
        }

        #[test]
        fn random_programs_do_no_harm(pieces in pieces()) {
            let _ = quickly(&file_of(&program(&pieces)));
        }

        #[test]
        fn random_tensors_do_no_harm(start in any::<i8>(), shape in claims(), strides in claims()) {
            if let Ok(read) = quickly(&only(tensor(NUMBERS, start.into(), &shape, &strides))) {
                let (shape, values) = &read.tensors["encoder.x"];
                prop_assert_eq!(shape.iter().product::<usize>(), values.len());
                prop_assert!(values.len() <= 24);
            }
        }

        #[test]
        fn broken_checkpoints_do_no_harm(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
            cut in proptest::option::weighted(0.1, any::<proptest::sample::Index>()),
        ) {
            let mut bytes = lightning();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let _ = quickly(&bytes);
        }
    }
}
