//! Reading zips: good ones, untidy ones, damaged ones, and zip bombs.

use std::io::{Cursor, Write};

use autolink::data::inputs::{self, Inputs};
use autolink::io::RangeReader;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        if name.ends_with('/') {
            zip.add_directory(*name, SimpleFileOptions::default())
                .expect("a folder");
        } else {
            let options =
                SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
            zip.start_file(*name, options).expect("a file");
            zip.write_all(bytes).expect("its bytes");
        }
    }
    zip.finish().expect("a zip").into_inner()
}

/// Name of an image, and its bytes or the reason why it cannot be read.
type Opened = (String, Result<Vec<u8>, String>);

/// Reads a file: returns names and bytes of its images, and path and reason for all that is rejected.
fn read(name: &str, bytes: &[u8]) -> (Vec<Opened>, Vec<(String, String)>) {
    let mut inputs = Inputs::default();
    inputs.add(0, "", name, bytes);
    let images = inputs.names(|_| false).into_iter().zip(&inputs.images);
    let images = images.map(|(name, image)| (name, inputs::read(bytes, image.entry.as_ref())));
    (images.collect(), inputs.rejected)
}

fn names(bytes: &[u8]) -> Vec<String> {
    let (images, rejected) = read("z.zip", bytes);
    assert_eq!(rejected, []);
    let name = |(name, bytes): (String, Result<Vec<u8>, String>)| {
        bytes.map(|_| name).expect("only good files")
    };
    images.into_iter().map(name).collect()
}

/// Returns the reason for which a zip is rejected; it must have no images.
fn rejection(bytes: &[u8]) -> String {
    let (images, mut rejected) = read("z.zip", bytes);
    assert_eq!(
        (images.len(), rejected.len()),
        (0, 1),
        "{images:?} {rejected:?}"
    );
    let (name, reason) = rejected.remove(0);
    assert_eq!(name, "z.zip");
    reason
}

#[test]
fn inputs_accept_plain_files() {
    let (images, rejected) = read("a/b.txt", PNG);
    assert_eq!(
        (images, rejected),
        (vec![("a/b.txt".to_string(), Ok(PNG.to_vec()))], vec![])
    );
    for (bytes, reason) in [
        (&b""[..], "The file is empty"),
        (b"text", "not an image"),
        (b"PK is no zip", "not an image"),
    ] {
        let (images, rejected) = read("a/b.png", bytes);
        assert_eq!((images.len(), rejected[0].0.as_str()), (0, "a/b.png"));
        assert!(rejected[0].1.contains(reason), "{rejected:?}");
    }
}

#[test]
fn inputs_list_the_images_of_a_zip_and_skip_junk() {
    let bytes = zip(&[
        ("top.png", PNG),
        ("folder/", b""),
        ("folder/deep/Größe.JPG", b"jpeg bytes"),
        ("手/手.webp", b"webp bytes"),
        ("folder/no_extension", PNG),
        ("folder/notes.txt", b"not an image"),
        ("folder/data.bin", b""),
        ("__MACOSX/folder/._top.png", PNG),
        (".hidden/a.png", PNG),
        ("folder/.DS_Store", PNG),
        ("folder/Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("back\\slash.png", PNG),
        ("../../up.png", PNG),
        ("empty.png", b""),
    ]);
    let (images, rejected) = read("z.zip", &bytes);
    let images: Vec<(String, usize)> = (images.into_iter())
        .map(|(name, bytes)| (name, bytes.expect("good").len()))
        .collect();
    let expected = [
        ("top.png", PNG.len()),
        ("folder/deep/Größe.JPG", 10),
        ("手/手.webp", 10),
        ("folder/no_extension", PNG.len()),
        ("back/slash.png", PNG.len()),
        ("up.png", PNG.len()),
        ("empty.png", 0),
    ];
    assert_eq!(
        images,
        expected.map(|(name, length)| (name.to_string(), length))
    );
    assert_eq!(rejected, []);
}

#[test]
fn inputs_list_labels_and_reject_nested_zips() {
    let bytes = zip(&[
        ("a.png", PNG),
        ("inner.zip", b"PK\x03\x04"),
        ("CollectedData_me.csv", b"scorer,me,me\n"),
        ("labels.slp", b"\x89HDF\r\n\x1a\n"),
        ("readme.txt", b"one, two"),
    ]);
    let mut inputs = Inputs::default();
    inputs.add(0, "", "z.zip", &bytes[..]);
    let labels: Vec<String> = inputs.labels.iter().map(|input| input.path()).collect();
    assert_eq!(labels, ["z.zip/CollectedData_me.csv", "z.zip/labels.slp"]);
    let bytes = inputs::read(&bytes[..], inputs.labels[0].entry.as_ref());
    assert_eq!(bytes.expect("the table"), b"scorer,me,me\n");
    assert_eq!(inputs.images.len(), 1);
    assert_eq!(inputs.rejected.len(), 1);
    assert_eq!(inputs.rejected[0].0, "z.zip/inner.zip");
    assert!(inputs.rejected[0].1.contains("zip inside a zip"));
}

#[test]
fn names_include_the_zip_only_where_two_collide() {
    let [one, two] = [&[("a.png", PNG), ("b.png", PNG)][..], &[("a.png", PNG)]].map(zip);
    let mut inputs = Inputs::default();
    inputs.add_named(0, "folder/one.zip", &one[..]);
    inputs.add_named(1, "folder/two.zip", &two[..]);
    let names = inputs.names(|_| false);
    assert_eq!(names, ["one.zip/a.png", "b.png", "two.zip/a.png"]);
    assert_eq!(inputs.numbered(&names), []);
    assert_eq!(inputs.images[2].path(), "folder/two.zip/a.png");
    inputs.add_named(2, "folder/one.zip", &one[..]);
    let names = inputs.names(|_| false);
    assert_eq!(names[3..], ["one.zip/a (2).png", "b (2).png"]);
    let numbered = inputs.numbered(&names);
    assert_eq!(numbered[1].0, "folder/one.zip/b.png");
    assert!(
        numbered[1].1.contains("This one is called b (2).png here"),
        "{numbered:?}"
    );
}

#[test]
fn names_are_decoded_whatever_the_packer() {
    // Decomposed UTF-8 without the UTF-8 flag (bit 11), as macOS writes it.
    let mut unflagged = zip(&[("ka\u{308}se.png", PNG)]);
    set_flags(&mut unflagged, |flags| flags & !0x0800);
    assert_eq!(names(&unflagged), ["käse.png"]);
    // Code page 437, as old packers write it: 0x84 is ä.
    let mut old = zip(&[("k#se.png", PNG)]);
    replace(&mut old, b"k#se", b"k\x84se");
    assert_eq!(names(&old), ["käse.png"]);
}

#[test]
fn names_in_shift_jis_are_not_split_at_backslash_bytes() {
    // Shift-JIS for "ソ", "表", "十" and "犬": the second byte of three of them is a backslash.
    let mut bytes = zip(&[
        ("#0.png", PNG),
        ("#1.png", PNG),
        ("#2.png", PNG),
        ("#3.png", PNG),
    ]);
    for (name, raw) in [
        (b"#0", b"\x83\x5c"),
        (b"#1", b"\x95\x5c"),
        (b"#2", b"\x8f\x5c"),
        (b"#3", b"\x8c\xa2"),
    ] {
        replace(&mut bytes, name, raw);
    }
    assert_eq!(names(&bytes), ["ソ.png", "表.png", "十.png", "犬.png"]);
}

#[test]
fn inputs_keep_all_files_of_one_name() {
    let mut bytes = zip(&[("a.png", PNG), ("b.png", b"another"), ("A.png", PNG)]);
    replace(&mut bytes, b"b.png", b"a.png");
    assert_eq!(names(&bytes), ["a.png", "a (2).png", "A.png"]);
    assert_eq!(read("z.zip", &bytes).0[1].1, Ok(b"another".to_vec()));
}

/// Replaces all occurrences of `from`.
fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    for at in 0..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
}

/// Changes the flags of every file, in its local header and in the directory.
fn set_flags(zip: &mut [u8], change: impl Fn(u16) -> u16) {
    for i in 0..zip.len().saturating_sub(10) {
        let at = match &zip[i..i + 4] {
            b"PK\x03\x04" => i + 6,
            b"PK\x01\x02" => i + 8,
            _ => continue,
        };
        let flags = change(u16::from_le_bytes([zip[at], zip[at + 1]]));
        zip[at..at + 2].copy_from_slice(&flags.to_le_bytes());
    }
}

#[test]
fn inputs_reject_unreadable_zips_with_a_sentence() {
    let none = "There are no images in this zip.";
    assert_eq!(rejection(&zip(&[("a.txt", b"text")])), none);
    assert_eq!(rejection(&zip(&[])), none);

    let whole = zip(&[("a.png", PNG), ("b.png", PNG)]);
    let reason = rejection(&whole[..whole.len() / 2]);
    assert!(
        reason.starts_with("The zip file is damaged or incomplete"),
        "{reason}"
    );

    let mut locked = whole.clone();
    set_flags(&mut locked, |flags| flags | 1);
    let reason = rejection(&locked);
    assert!(
        reason.starts_with("The zip is protected by a password"),
        "{reason}"
    );

    // One damaged file is named, and the other is read.
    let mut damaged = zip(&[("a.png", &[7; 1_000]), ("b.png", PNG)]);
    let data = 30 + "a.png".len();
    damaged[data..data + 4].copy_from_slice(&[0xFF; 4]);
    let (images, _) = read("z.zip", &damaged);
    assert_eq!(
        images[0].1,
        Err("The file is damaged in the zip. Pack it again.".into())
    );
    assert_eq!(images[1], ("b.png".into(), Ok(PNG.to_vec())));

    // An unsupported compression method (LZMA).
    let mut lzma = whole.clone();
    set_method(&mut lzma, 14);
    let (images, _) = read("z.zip", &lzma);
    assert!(
        images[0]
            .1
            .as_ref()
            .is_err_and(|reason| reason.contains("ordinary zip (deflate)")),
        "{images:?}"
    );

    // The directory is damaged at its second file: the first is read.
    let mut cut = whole;
    let second = (0..cut.len())
        .filter(|&i| cut[i..].starts_with(b"PK\x01\x02"))
        .nth(1)
        .expect("a second");
    cut[second] = b'?';
    let (images, rejected) = read("z.zip", &cut);
    assert_eq!(images, [("a.png".to_string(), Ok(PNG.to_vec()))]);
    assert!(
        rejected[0].1.contains("damaged or incomplete"),
        "{rejected:?}"
    );
}

#[test]
fn zips_of_more_than_four_gigabytes_are_read_by_ranges() {
    /// A zip64 of a stored file with 5 GB of zeros and a small image, made only where it is read.
    struct Sparse {
        start: Vec<u8>,
        end_at: u64,
        end: Vec<u8>,
        most: std::cell::Cell<usize>,
    }
    impl RangeReader for Sparse {
        fn size(&self) -> u64 {
            self.end_at + self.end.len() as u64
        }
        fn read_range(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
            self.most.set(self.most.get().max(length));
            let byte = |at: u64| match at.checked_sub(self.end_at) {
                Some(at) => self.end[at as usize],
                None => self.start.get(at as usize).copied().unwrap_or_default(),
            };
            Ok((offset..self.size().min(offset + length as u64))
                .map(byte)
                .collect())
        }
    }
    let small = zip(&[("b.png", PNG)]);
    let directory = (0..small.len())
        .find(|&i| small[i..].starts_with(b"PK\x01\x02"))
        .expect("a directory");
    let end = (0..small.len())
        .find(|&i| small[i..].starts_with(b"PK\x05\x06"))
        .expect("an end");
    let big: u64 = 5 << 30;
    let start = [
        &b"PK\x03\x04\x2d\0\0\0\0\0\0\0\0\0"[..],
        &[0; 4],
        &[0xFF; 8],
        &[5, 0, 0, 0],
        b"a.png",
    ]
    .concat();
    let end_at = start.len() as u64 + big;
    let mut tail = small[..directory].to_vec();
    let directory_at = end_at + tail.len() as u64;
    // In the directory, an extra field holds the sizes of the large file, and another the offset of the small one.
    let sizes = [
        &1_u16.to_le_bytes()[..],
        &16_u16.to_le_bytes(),
        &big.to_le_bytes(),
        &big.to_le_bytes(),
    ]
    .concat();
    let large = [
        &b"PK\x01\x02\x2d\0\x2d\0\0\0\0\0\0\0\0\0"[..],
        &[0; 4],
        &[0xFF; 8],
        &[5, 0, 20, 0],
        &[0; 10],
        &[0; 4],
        b"a.png",
    ]
    .concat();
    tail.extend([large, sizes].concat());
    let mut entry = small[directory..end].to_vec();
    entry[30..32].copy_from_slice(&12_u16.to_le_bytes());
    entry[42..46].copy_from_slice(&[0xFF; 4]);
    tail.extend(
        [
            entry,
            [
                &1_u16.to_le_bytes()[..],
                &8_u16.to_le_bytes(),
                &end_at.to_le_bytes(),
            ]
            .concat(),
        ]
        .concat(),
    );
    let length = end_at + tail.len() as u64 - directory_at;
    let record_at = end_at + tail.len() as u64;
    tail.extend(
        [
            &b"PK\x06\x06"[..],
            &44_u64.to_le_bytes(),
            &[45, 0, 45, 0],
            &[0; 8],
            &2_u64.to_le_bytes(),
            &2_u64.to_le_bytes(),
            &length.to_le_bytes(),
            &directory_at.to_le_bytes(),
            b"PK\x06\x07",
            &[0; 4],
            &record_at.to_le_bytes(),
            &1_u32.to_le_bytes(),
            b"PK\x05\x06",
            &[0; 4],
            &[0xFF; 12],
            &[0; 2],
        ]
        .concat(),
    );
    let file = Sparse {
        start,
        end_at,
        end: tail,
        most: std::cell::Cell::new(0),
    };
    let mut inputs = Inputs::default();
    inputs.add(0, "", "big.zip", &file);
    assert_eq!(inputs.rejected, []);
    assert_eq!(inputs.names(|_| false), ["a.png", "b.png"]);
    let read = |i: usize| inputs::read(&file, inputs.images[i].entry.as_ref());
    assert!(read(0).is_err_and(|reason| reason.contains("more than 256 MiB")));
    assert_eq!(read(1), Ok(PNG.to_vec()));
    assert!(
        file.most.get() <= 1 << 20,
        "{} bytes at once",
        file.most.get()
    );
}

#[test]
fn reading_all_files_of_a_zip_reads_each_byte_at_most_three_times() {
    /// Counts the bytes that are read.
    struct Counted(Vec<u8>, std::cell::Cell<usize>);
    impl RangeReader for Counted {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }
        fn read_range(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
            let bytes = self.0.read_range(offset, length)?;
            self.1.set(self.1.get() + bytes.len());
            Ok(bytes)
        }
    }
    let photo: Vec<u8> = (0..6_000_u32)
        .map(|i| (i.wrapping_mul(i) >> 3) as u8)
        .collect();
    let files: Vec<String> = (0..400).map(|i| format!("{i}.jpg")).collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|name| (name.as_str(), &photo[..]))
        .collect();
    let file = Counted(zip(&files), std::cell::Cell::new(0));
    let mut inputs = Inputs::default();
    inputs.add(0, "", "z.zip", &file);
    for image in &inputs.images {
        assert_eq!(
            inputs::read(&file, image.entry.as_ref()).as_ref(),
            Ok(&photo)
        );
    }
    let share = file.1.get() as f64 / file.0.len() as f64;
    assert!(share < 3.0, "the file was read {share} times");
}

/// Changes the compression method of every file, in its local header and in the directory.
fn set_method(zip: &mut [u8], method: u16) {
    for i in 0..zip.len().saturating_sub(12) {
        let at = match &zip[i..i + 4] {
            b"PK\x03\x04" => i + 8,
            b"PK\x01\x02" => i + 10,
            _ => continue,
        };
        zip[at..at + 2].copy_from_slice(&method.to_le_bytes());
    }
}

/// Creates a zip with 257 MiB of zeros in `a.png`.
fn zeros() -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    zip.start_file("a.png", options).expect("a file");
    for _ in 0..257 {
        zip.write_all(&vec![0; 1 << 20]).expect("its bytes");
    }
    zip.start_file("b.png", options).expect("a file");
    zip.write_all(PNG).expect("its bytes");
    zip.finish().expect("a zip").into_inner()
}

#[test]
fn unpack_stops_at_the_size_limit() {
    let honest = zeros();
    assert!(honest.len() < 1 << 20);
    let (images, _) = read("z.zip", &honest);
    let too_large = "The file has more than 256 MiB, which is too large for an image.";
    assert_eq!(images[0], ("a.png".into(), Err(too_large.into())));
    assert_eq!(images[1], ("b.png".into(), Ok(PNG.to_vec())));

    // The same zip, with a false size of 9 bytes.
    let mut liar = honest;
    let size = (257_u32 << 20).to_le_bytes();
    let mut lies = 0;
    for i in 0..liar.len() - 4 {
        if liar[i..i + 4] == size {
            liar[i..i + 4].copy_from_slice(&9_u32.to_le_bytes());
            lies += 1;
        }
    }
    assert!(lies >= 2);
    let (images, _) = read("z.zip", &liar);
    assert_eq!(
        images[0].1,
        Err("The file is damaged in the zip. Pack it again.".into())
    );
    assert_eq!(images[1].1, Ok(PNG.to_vec()));
}

#[test]
fn inputs_reject_zips_whose_files_share_data() {
    // One local file of 200 MiB of zeros, and 100 directory entries that point at it.
    let mut one = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    one.start_file("00.png", options).expect("a file");
    for _ in 0..200 {
        one.write_all(&vec![0; 1 << 20]).expect("its bytes");
    }
    let one = one.finish().expect("a zip").into_inner();
    let directory = (0..one.len())
        .find(|&i| one[i..].starts_with(b"PK\x01\x02"))
        .expect("a directory");
    let end = (0..one.len())
        .find(|&i| one[i..].starts_with(b"PK\x05\x06"))
        .expect("an end");
    let mut bomb = one[..directory].to_vec();
    for i in 0..100 {
        let mut entry = one[directory..end].to_vec();
        entry[46..48].copy_from_slice(format!("{i:02}").as_bytes());
        bomb.extend(entry);
    }
    let length = (bomb.len() - directory) as u32;
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&100_u16.to_le_bytes());
    tail[10..12].copy_from_slice(&100_u16.to_le_bytes());
    tail[12..16].copy_from_slice(&length.to_le_bytes());
    bomb.extend(tail);

    assert!(rejection(&bomb).starts_with("Files in this zip share their bytes"));
}
