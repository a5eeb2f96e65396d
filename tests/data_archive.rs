//! Zips: good ones, untidy ones, damaged ones, bombs.

use std::io::{Cursor, Write};

use autolink::data::archive::entries;
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

fn read(name: &str, bytes: Vec<u8>) -> Vec<(String, Result<Vec<u8>, String>)> {
    entries(name.into(), bytes).collect()
}

fn names(bytes: Vec<u8>) -> Vec<String> {
    read("z.zip", bytes)
        .into_iter()
        .map(|(name, bytes)| bytes.map(|_| name).expect("only good files"))
        .collect()
}

/// The one sentence that a zip yields, and nothing else.
fn sentence(bytes: Vec<u8>) -> (String, String) {
    let mut all = read("z.zip", bytes);
    assert_eq!(all.len(), 1);
    let (name, bytes) = all.remove(0);
    (name, bytes.expect_err("a sentence"))
}

#[test]
fn a_plain_file_yields_itself() {
    for bytes in [PNG, b"", b"text", b"PK is no zip"] {
        assert_eq!(
            read("a/b.png", bytes.to_vec()),
            [("a/b.png".to_string(), Ok(bytes.to_vec()))]
        );
    }
}

#[test]
fn pictures_come_with_their_paths_and_junk_does_not() {
    let bytes = zip(&[
        ("top.png", PNG),
        ("folder/", b""),
        ("folder/deep/Größe.JPG", b"jpeg bytes"),
        ("手/手.webp", b"webp bytes"),
        ("folder/no_extension", PNG),
        ("folder/notes.txt", b"not a picture"),
        ("folder/data.bin", b""),
        ("inner.zip", b"PK\x03\x04"),
        ("__MACOSX/folder/._top.png", PNG),
        (".hidden/a.png", PNG),
        ("folder/.DS_Store", PNG),
        ("folder/Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("back\\slash.png", PNG),
        ("../../up.png", PNG),
        ("empty.png", b""),
    ]);
    let mut all = entries("z.zip".into(), bytes);
    assert_eq!(all.size_hint(), (0, Some(16)));
    let first = all.next().expect("one");
    assert_eq!(first, ("z.zip/top.png".to_string(), Ok(PNG.to_vec())));
    let rest: Vec<(String, usize)> = all
        .map(|(name, bytes)| (name, bytes.expect("good").len()))
        .collect();
    let expected = [
        ("z.zip/folder/deep/Größe.JPG", 10),
        ("z.zip/手/手.webp", 10),
        ("z.zip/folder/no_extension", PNG.len()),
        ("z.zip/back/slash.png", PNG.len()),
        ("z.zip/up.png", PNG.len()),
        ("z.zip/empty.png", 0),
    ];
    assert_eq!(
        rest,
        expected.map(|(name, length)| (name.to_string(), length))
    );
}

#[test]
fn names_are_read_as_packers_write_them() {
    // UTF-8 that is not announced, as macOS writes it: the flag is bit 11.
    let mut unannounced = zip(&[("käse.png", PNG)]);
    set_flags(&mut unannounced, |flags| flags & !0x0800);
    assert_eq!(names(unannounced), ["z.zip/käse.png"]);
    // Code page 437, as old packers write it: 0x84 is an a with two dots.
    let mut old = zip(&[("k#se.png", PNG)]);
    for i in 0..old.len() {
        if old[i..].starts_with(b"k#se") {
            old[i + 1] = 0x84;
        }
    }
    assert_eq!(names(old), ["z.zip/käse.png"]);
}

/// Changes the flags of every file, in both of their places.
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
fn zips_that_cannot_be_read_are_a_sentence() {
    let none = "There is no picture in this zip (zips inside of a zip are not opened).";
    assert_eq!(
        sentence(zip(&[("a.txt", b"text")])),
        ("z.zip".into(), none.into())
    );
    assert_eq!(sentence(zip(&[])), ("z.zip".into(), none.into()));

    let whole = zip(&[("a.png", PNG), ("b.png", PNG)]);
    let (name, reason) = sentence(whole[..whole.len() / 2].to_vec());
    assert_eq!(
        (
            name.as_str(),
            reason.starts_with("The zip file is damaged or incomplete")
        ),
        ("z.zip", true)
    );

    let mut locked = whole.clone();
    set_flags(&mut locked, |flags| flags | 1);
    let (name, reason) = sentence(locked);
    assert_eq!(
        (
            name.as_str(),
            reason.starts_with("The zip is locked with a password")
        ),
        ("z.zip", true),
        "{reason}"
    );

    // One damaged file: named, and the other goes on.
    let mut damaged = zip(&[("a.png", &[7; 1_000]), ("b.png", PNG)]);
    let data = 30 + "a.png".len();
    damaged[data..data + 4].copy_from_slice(&[0xFF; 4]);
    let all = read("z.zip", damaged);
    assert_eq!(all.len(), 2);
    assert_eq!(
        all[0],
        (
            "z.zip/a.png".into(),
            Err("The file is damaged in the zip: pack it again.".into())
        )
    );
    assert_eq!(all[1], ("z.zip/b.png".into(), Ok(PNG.to_vec())));
}

/// A zip with 257 MiB of zeros in `a.png`.
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
fn bombs_are_defused() {
    let too_large = "The file unpacks to more than 256 MiB, which is too large for a picture here.";
    let honest = zeros();
    assert!(honest.len() < 1 << 20);
    let all = read("z.zip", honest.clone());
    assert_eq!(all[0], ("z.zip/a.png".into(), Err(too_large.into())));
    assert_eq!(all[1], ("z.zip/b.png".into(), Ok(PNG.to_vec())));

    // The same, lying about its size: 9 bytes, it says.
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
    let all = read("z.zip", liar);
    assert!(all[0].1.is_err(), "however it is found out");
    assert_eq!(all[1].1, Ok(PNG.to_vec()));
}

#[test]
fn files_that_share_their_data_are_a_bomb() {
    // One local file of 200 MiB of zeros, and 100 entries of the directory that point at it.
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

    let mut outcomes = entries("z.zip".into(), bomb);
    let good = outcomes
        .by_ref()
        .take_while(|(_, bytes)| bytes.is_ok())
        .count();
    assert!(good <= 2, "{good}");
    assert_eq!(outcomes.next(), None);
}
