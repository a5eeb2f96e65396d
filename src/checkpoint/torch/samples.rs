//! Assembles checkpoints for tests from zip entries and instructions.

use std::cell::Cell;

use pollster::block_on;

use super::file::ReadAt;
use super::{MAX_TENSORS, TorchCheckpoint, read};
use crate::error::Result;

/// A file that counts reads and bytes.
pub(super) struct Counted<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) read: Cell<u64>,
    pub(super) reads: Cell<usize>,
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

/// Reads a file, and checks that the numbers of reads and of bytes are in proportion to a model's tensors and to the file's
/// length. The work between reads is bounded by [`super::pickle`]'s limit on values.
pub(super) fn quickly(bytes: &[u8]) -> Result<TorchCheckpoint> {
    let file = Counted {
        bytes,
        read: Cell::new(0),
        reads: Cell::new(0),
    };
    let read = block_on(read(&file));
    // Local header and numbers of each tensor; end record, directory and pickle.
    assert!(file.reads.get() <= 2 * MAX_TENSORS + 100);
    // The end record, local headers and the directory come on top of the entries.
    assert!(file.read.get() <= 2 * file.size() + 100_000);
    read
}

/// Makes a zip of stored entries: name, method, data.
pub(super) fn zip_of(entries: &[(&str, u16, &[u8])]) -> Vec<u8> {
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

/// Makes a checkpoint of a pickle, with storage 0 = the numbers 0 to 23 as float32, and 1 = 64 bytes of 0x3c.
pub(super) fn file_of(pickle: &[u8]) -> Vec<u8> {
    let numbers: Vec<u8> = (0..24).flat_map(|n| (n as f32).to_le_bytes()).collect();
    zip_of(&[
        ("m/data.pkl", 0, pickle),
        ("m/byteorder", 0, b"little"),
        ("m/data/0", 0, &numbers),
        ("m/data/1", 0, &[0x3c; 64]),
    ])
}

// An assembler: each function returns the instructions that push one value.

pub(super) fn int(number: i32) -> Vec<u8> {
    [&b"J"[..], &number.to_le_bytes()].concat()
}

pub(super) fn string(text: &str) -> Vec<u8> {
    [
        b"X",
        &(text.len() as u32).to_le_bytes()[..],
        text.as_bytes(),
    ]
    .concat()
}

pub(super) fn global(module: &str, name: &str) -> Vec<u8> {
    format!("c{module}\n{name}\n").into_bytes()
}

pub(super) fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [&b"("[..], &items.concat(), b"t"].concat()
}

pub(super) fn ints(numbers: &[i32]) -> Vec<u8> {
    tuple(
        &numbers
            .iter()
            .map(|&number| int(number))
            .collect::<Vec<_>>(),
    )
}

pub(super) fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<_> = items
        .iter()
        .map(|(name, value)| [string(name), value.clone()].concat())
        .collect();
    [&b"}("[..], &items.concat(), b"u"].concat()
}

pub(super) fn call(module: &str, name: &str, arguments: &[Vec<u8>]) -> Vec<u8> {
    [&global(module, name)[..], &tuple(arguments), b"R"].concat()
}

/// Pushes a tensor: number and type of its storage, start, shape and strides.
pub(super) fn tensor(storage: (&str, &str), start: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
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

pub(super) const NUMBERS: (&str, &str) = ("0", "FloatStorage");

/// Returns the whole pickle that makes a value.
pub(super) fn program(value: &[u8]) -> Vec<u8> {
    [b"\x80\x02", value, b"."].concat()
}

/// Makes a checkpoint with a bare `state_dict` of one tensor.
pub(super) fn only(tensor: Vec<u8>) -> Vec<u8> {
    file_of(&program(&dict(&[("encoder.x", tensor)])))
}

/// Makes a small checkpoint with everything that the reader understands.
pub(super) fn lightning() -> Vec<u8> {
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
    state.extend(b"q\0("); // memoized before it is filled
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
