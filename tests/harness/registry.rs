//! The registry serves what it was given, and its faults are what they are called.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::require;
use crate::support::image::{Flavor, Image, Layer, Packing, digest};
use crate::support::isolated;
use crate::support::registry::{Fault, Part, Registry};
use crate::support::tar::Entry;

struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v))
    }
}

/// One request on a connection of its own, read to the end.
fn request(address: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n{headers}\r\n", body.len())
        .unwrap();
    stream.write_all(body).unwrap();
    let mut bytes = Vec::new();
    // Kept open, or silent: what came until the timeout is the reply.
    drop(stream.read_to_end(&mut bytes));
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
    let head = String::from_utf8_lossy(&bytes[..end]).replace('\r', "");
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    Reply { status, head, body: bytes[end..].to_vec() }
}

fn small() -> Image {
    Image::of(vec![Layer::new(&[Entry::file("hello", 0o644, "hello")], Packing::Gzip)])
}

#[test]
fn it_serves_manifests_blobs_and_ranges() {
    let registry = Registry::start();
    let image = small();
    let manifest = registry.add("library/small", "1", &image, Flavor::Oci);
    let address = registry.address();
    let reply = request(&address, "GET", "/v2/library/small/manifests/1", "", b"");
    assert_eq!((reply.status, reply.header("docker-content-digest")), (200, Some(manifest.as_str())));
    let blob = format!("/v2/library/small/blobs/{}", digest(&image.layers[0].blob));
    assert_eq!(request(&address, "GET", &blob, "", b"").body, image.layers[0].blob);
    let part = request(&address, "GET", &blob, "Range: bytes=3-\r\n", b"");
    assert_eq!((part.status, &part.body[..]), (206, &image.layers[0].blob[3..]));
    assert_eq!(request(&address, "GET", "/v2/library/small/manifests/2", "", b"").status, 404);
    assert_eq!(registry.requests().len(), 4);
}

#[test]
fn it_takes_a_push() {
    let registry = Registry::start();
    let address = registry.address();
    let start = request(&address, "POST", "/v2/r/blobs/uploads/", "", b"");
    let session = start.header("location").unwrap().to_owned();
    assert_eq!(request(&address, "PATCH", &session, "", b"he").status, 202);
    let wanted = digest(b"hello");
    assert_eq!(
        request(&address, "PUT", &format!("{session}?digest={}", wanted.replace(':', "%3A")), "", b"llo").status,
        201
    );
    assert_eq!(registry.blob(&wanted).unwrap(), b"hello");
    assert_eq!(request(&address, "PUT", "/v2/r/manifests/t", "Content-Type: x/y\r\n", b"{}").status, 201);
    assert_eq!(registry.manifest("r", "t").unwrap(), b"{}");
    assert_eq!(request(&address, "GET", "/v2/r/tags/list", "", b"").body, br#"{"name":"r","tags":["t"]}"#);
}

#[test]
fn every_fault_is_what_it_is_called() {
    let registry = Registry::start();
    let image = small();
    let blob = image.layers[0].blob.clone();
    let address = registry.address();
    let get = |repository: &str, headers: &str| {
        registry.add(repository, "1", &image, Flavor::Docker);
        request(&address, "GET", &format!("/v2/{repository}/blobs/{}", digest(&blob)), headers, b"")
    };
    let script = |repository: &str, fault: Fault| registry.fault(repository, Part::Blob, fault);
    script("truncated", Fault::Truncated { after: 5 });
    assert_eq!(get("truncated", "").body, blob[..5]);
    script("once", Fault::CutOff { after: 5, times: 1 });
    assert_eq!(get("once", "").body.len(), 5);
    assert_eq!(get("once", "Range: bytes=5-\r\n").body, blob[5..]);
    script("wrong", Fault::WrongDigest);
    let wrong = get("wrong", "").body;
    assert!(wrong.len() == blob.len() && wrong != blob);
    script("length", Fault::WrongLength { more: 7 });
    assert_eq!(get("length", "").header("content-length"), Some((blob.len() + 7).to_string().as_str()));
    script("silent", Fault::Silent);
    assert_eq!(get("silent", "").status, 0);
    script("slow", Fault::Slow { bytes: blob.len().div_ceil(4), pause: Duration::from_millis(40) });
    let start = Instant::now();
    assert_eq!(get("slow", "").body, blob);
    assert!(start.elapsed() > Duration::from_millis(120));
    script("many", Fault::TooMany { times: 1, retry_after: 1 });
    let many = get("many", "");
    assert_eq!((many.status, many.header("retry-after")), (429, Some("1")));
    assert_eq!(get("many", "").status, 200);
    script("broken", Fault::Broken { times: 1, status: 503 });
    assert_eq!((get("broken", "").status, get("broken", "").status), (503, 200));
    script("loop", Fault::RedirectLoop);
    assert!(get("loop", "").header("location").unwrap().contains("/v2/loop/"));
    script("noranges", Fault::NoRanges);
    assert_eq!(get("noranges", "Range: bytes=5-\r\n").status, 200);
    script("undigested", Fault::NoDigestHeader);
    assert_eq!(get("undigested", "").header("docker-content-digest"), None);
    script("huge", Fault::Huge { bytes: 1 << 20 });
    assert_eq!(get("huge", "").body.len(), blob.len() + (1 << 20));
    script("away", Fault::Redirect);
    let away = get("away", "Authorization: Basic xyz\r\n");
    let location = away.header("location").unwrap();
    let path = location.strip_prefix(&format!("http://{}", registry.other_address())).unwrap();
    assert_eq!(request(&registry.other_address(), "GET", path, "", b"").body, blob);
    let log = registry.requests();
    let last = log.last().unwrap();
    assert!(last.other && !last.headers.contains_key("authorization"));
}

#[test]
fn tokens_are_asked_for_and_wear_out() {
    let registry = Registry::start();
    registry.add("private/a", "1", &small(), Flavor::Oci);
    let user = Some(("u".to_owned(), "p".to_owned()));
    registry.fault("private", Part::Any, Fault::Bearer { foreign: false, user, uses: 1 });
    let address = registry.address();
    let path = "/v2/private/a/manifests/1";
    let refused = request(&address, "GET", path, "", b"");
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(refused.status == 401 && challenge.contains("scope=\"repository:private/a:pull\""), "{challenge}");
    let realm = "/token?service=stub&scope=repository%3Aprivate%2Fa%3Apull";
    assert_eq!(request(&address, "GET", realm, "", b"").status, 401);
    let given = request(&address, "GET", realm, "Authorization: Basic dTpw\r\n", b"");
    let token: serde_json::Value = serde_json::from_slice(&given.body).unwrap();
    let header = format!("Authorization: Bearer {}\r\n", token["token"].as_str().unwrap());
    assert_eq!(request(&address, "GET", path, &header, b"").status, 200);
    assert_eq!(request(&address, "GET", path, &header, b"").status, 401);
}

#[test]
fn another_tool_pulls_and_pushes() {
    require!(skopeo);
    isolated(|env| {
        let registry = Registry::start();
        registry.add("small", "1", &small(), Flavor::Docker);
        let copy = |from: String, to: String| {
            let mut command = Command::new("skopeo");
            command.args([
                "--insecure-policy",
                "--tmpdir",
                ".",
                "copy",
                "-q",
                "--src-tls-verify=false",
                "--dest-tls-verify=false",
            ]);
            let output = command.args([from, to]).current_dir(&env.place).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        copy(format!("docker://{}", registry.reference("small:1")), "dir:out".to_owned());
        copy("dir:out".to_owned(), format!("docker://{}", registry.reference("pushed:2")));
        assert_eq!(registry.manifest("pushed", "2").unwrap(), registry.manifest("small", "1").unwrap());
    });
}
