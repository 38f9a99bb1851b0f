//! A registry that is silent or next to it: a deadline ends the wait, and the next place is asked.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::support::TestEnv;
use crate::support::env::finished;
use crate::support::image::{Flavor, Image, Layer, Packing, digest};
use crate::support::isolated;
use crate::support::outcome::Outcome;
use crate::support::registry::{Fault, Part, Registry};
use crate::support::tar::Entry;

const PLAIN: &str = "--tls-verify=false";

fn image() -> Image {
    let noise: Vec<u8> = (0..2000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    Image::of(vec![Layer::new(&[Entry::file("noise", 0o644, noise)], Packing::Gzip)])
}

/// Runs the command with a silence of one second allowed; fails where it took longer than any deadline.
fn hurried(env: &TestEnv, words: &[&str]) -> Outcome {
    let mut command = env.dhow(words);
    command.env("DHOW_REGISTRY_TIMEOUT", "1");
    let begun = Instant::now();
    let outcome = finished(command, b"");
    assert!(begun.elapsed() < Duration::from_secs(8), "{words:?} took {:?}: {outcome}", begun.elapsed());
    outcome
}

/// R21.
#[test]
fn silence_has_an_end() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = image();
        let second = Duration::from_secs(1);
        let drip = |bytes| Fault::Slow { bytes, pause: Duration::from_millis(300) };
        let cases = [
            (Part::Manifest, Fault::Silent),
            (Part::Blob, Fault::Silent),
            // Never silent for long, but never done either.
            (Part::Manifest, drip(1)),
            (Part::Blob, drip(1)),
            (Part::Blob, Fault::Slow { bytes: 100, pause: 2 * second }),
            // The configuration, which is short, comes in time; the layer would take eighteen seconds.
            (Part::Blob, Fault::Slow { bytes: 200, pause: Duration::from_millis(450) }),
        ];
        let pull = |number: usize, part, fault| {
            let repository = format!("quiet{number}x");
            registry.add(&repository, "1", &image, Flavor::Oci);
            registry.fault(&repository, part, fault);
            let name = registry.reference(&format!("{repository}:1"));
            hurried(env, &["pull", "-q", PLAIN, "--retry", "0", &name])
        };
        std::thread::scope(|scope| {
            let all = cases.iter().enumerate().map(|(number, (part, fault))| {
                let pull = &pull;
                (fault, scope.spawn(move || pull(number, *part, fault.clone())))
            });
            for (fault, pulled) in all.collect::<Vec<_>>() {
                println!("{fault:?}");
                pulled.join().unwrap().fails(125, "timed out");
            }
        });
        env.nothing_is_left();
        registry.fault("", Part::Any, Fault::Silent);
        hurried(env, &["login", PLAIN, "-u", "u", "-p", "p", &registry.address()]).fails(125, "logging into");
        // Another try finds it awake.
        registry.heal();
        registry.add("nap", "1", &image, Flavor::Oci);
        registry.fault("nap", Part::Blob, Fault::CutOff { after: 1000, times: 1 });
        let name = registry.reference("nap:1");
        let words = ["pull", "-q", PLAIN, "--retry", "1", "--retry-delay", "10ms", &name];
        assert_eq!(hurried(env, &words).ok(), image.id());
        env.run(&["pull", "--retry-delay", "soon", &name]).exits(125);
        let mut command = env.dhow(&["pull", "-q", PLAIN, &name]);
        command.env("DHOW_REGISTRY_TIMEOUT", "-1");
        finished(command, b"").fails(125, "DHOW_REGISTRY_TIMEOUT");
    });
}

/// Slow is not silent: a body that comes in pieces, each in time, may take longer than any one of the waits.
#[test]
fn who_is_slow_is_waited_for() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = image();
        registry.add("app", "1", &image, Flavor::Oci);
        registry.fault("app", Part::Blob, Fault::Slow { bytes: 1100, pause: Duration::from_millis(400) });
        let begun = Instant::now();
        let name = registry.reference("app:1");
        assert_eq!(hurried(env, &["pull", "-q", PLAIN, "--retry", "0", &name]).ok(), image.id());
        assert!(begun.elapsed() > Duration::from_secs(2), "it was slow");
    });
}

/// R21.
#[test]
fn a_registry_that_asks_for_time_gets_it() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let image = image();
        registry.add("app", "1", &image, Flavor::Oci);
        registry.fault("app", Part::Manifest, Fault::TooMany { times: 1, retry_after: 1 });
        let begun = Instant::now();
        let words = ["pull", "-q", PLAIN, "--retry", "1", "--retry-delay", "10ms", &registry.reference("app:1")];
        assert_eq!(env.run(&words).ok(), image.id());
        assert!(begun.elapsed() >= Duration::from_secs(1), "it was asked again after {:?}", begun.elapsed());
    });
}

#[test]
fn a_silent_mirror_gives_way_to_the_next() {
    isolated(|env| {
        let registry = Registry::beside(env);
        let mirror = Registry::beside(env);
        // Connections are accepted by the kernel, and nobody ever reads them.
        let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = deaf.local_addr().unwrap();
        env.ignore(&format!("address: tcp 0100007F:{:04X}", address.port()));
        drop(TcpStream::connect(address).unwrap());
        let image = image();
        registry.add("app", "1", &image, Flavor::Oci);
        mirror.add("app", "1", &image, Flavor::Oci);
        mirror.fault("", Part::Manifest, Fault::Silent);
        std::fs::create_dir_all("/etc/containers").unwrap();
        let place = |name: &str| format!("[[registry.mirror]]\nlocation = \"{name}\"\ninsecure = true\n");
        let text = format!(
            "[[registry]]\nlocation = \"{0}\"\ninsecure = true\n{1}{2}",
            registry.address(),
            place(&address.to_string()),
            place(&mirror.address()),
        );
        std::fs::write("/etc/containers/registries.conf", text).unwrap();
        // A mirror is not asked twice: the retries are for the registry itself.
        let name = registry.reference("app:1");
        assert_eq!(hurried(env, &["pull", "-q", &name]).ok(), image.id());
        assert_eq!(mirror.requests().len(), 1, "once");
        let blob = format!("/v2/app/blobs/{}", digest(&image.layers[0].blob));
        assert!(registry.requests().iter().any(|request| request.path == blob));
    });
}
