//! The least that a pull of [`super::large`]'s image does.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;

use sha2::{Digest, Sha256};

use crate::large::ADDRESS;

/// The argument with which the benchmark starts itself for it.
pub(crate) const WORD: &str = "floor";

/// Pulls the image into the directory `dir`.
pub(crate) fn pull(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let mut text = String::new();
    get("manifests/1").read_to_string(&mut text).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    let digests = layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let waiting = Mutex::new(digests);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                loop {
                    let Some(digest) = waiting.lock().unwrap().pop() else { break };
                    layer(dir, &digest);
                }
            });
        }
    });
    rustix::fs::syncfs(File::open(dir).unwrap()).unwrap();
}

fn get(what: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(ADDRESS).unwrap();
    let accept = "application/vnd.oci.image.manifest.v1+json";
    write!(stream, "GET /v2/large/{what} HTTP/1.0\r\nHost: {ADDRESS}\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).unwrap();
    }
    stream
}

/// Passes bytes on, with their digest, and keeps them where there is a file.
struct Tee<R> {
    from: R,
    hash: Sha256,
    kept: Option<File>,
}

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.hash.update(&buffer[..length]);
        if let Some(kept) = &mut self.kept {
            kept.write_all(&buffer[..length])?;
        }
        Ok(length)
    }
}

fn layer(dir: &Path, digest: &str) {
    let hex = digest.strip_prefix("sha256:").unwrap();
    let root = dir.join(&hex[..12]);
    std::fs::create_dir(&root).unwrap();
    let kept = Some(File::create(dir.join(hex)).unwrap());
    let blob = Tee { from: get(&format!("blobs/{digest}")), hash: Sha256::new(), kept };
    let blob = BufReader::with_capacity(256 << 10, blob);
    let tar = Tee { from: flate2::bufread::MultiGzDecoder::new(blob), hash: Sha256::new(), kept: None };
    let mut archive = tar::Archive::new(BufReader::with_capacity(256 << 10, tar));
    let mut buffer = vec![0; 256 << 10];
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = root.join(entry.path().unwrap());
        let mode = entry.header().mode().unwrap();
        if entry.header().entry_type().is_dir() {
            std::fs::create_dir(&path).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            continue;
        }
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(mode).open(&path).unwrap();
        loop {
            match entry.read(&mut buffer).unwrap() {
                0 => break,
                length => file.write_all(&buffer[..length]).unwrap(),
            }
        }
    }
    let mut tar = archive.into_inner();
    std::io::copy(&mut tar, &mut std::io::sink()).unwrap();
    let mut blob = tar.into_inner().from.into_inner();
    std::io::copy(&mut blob, &mut std::io::sink()).unwrap();
    let found: String = blob.into_inner().hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, hex, "another blob came");
}
