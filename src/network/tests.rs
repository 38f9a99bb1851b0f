//! The bridge driver in real network namespaces: a host, another machine, containers. Nothing here touches the namespace
//! that the tests are started in.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::netns::within;
use super::*;

/// A host with a link to another machine, and a store; the calling thread is in the host.
struct World {
    host: OwnedFd,
    outside: OwnedFd,
    networks: PathBuf,
}

fn current() -> OwnedFd {
    std::fs::File::open("/proc/thread-self/ns/net").unwrap().into()
}

fn fresh() -> OwnedFd {
    std::thread::spawn(|| {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        current()
    })
    .join()
    .unwrap()
}

fn run(command: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(command).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a world, or says why it cannot.
fn world(name: &str) -> Option<World> {
    if !rustix::process::geteuid().is_root()
        || nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err()
        || Command::new("nft").arg("--version").output().is_err()
        || Command::new("ip").arg("-V").output().is_err()
    {
        eprintln!("skipped: {name} needs root, network namespaces, ip and nft");
        return None;
    }
    let (host, outside) = (current(), fresh());
    let networks = std::env::temp_dir().join(format!("dhow-network-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&networks).unwrap();
    let place = format!("/proc/{}/fd/{}", std::process::id(), outside.as_raw_fd());
    run(&format!(
        "ip link set lo up; ip link add up0 type veth peer name eth0 netns {place}; ip addr add 192.0.2.1/24 dev up0; \
         ip addr add 2001:db8::1/64 dev up0 nodad; ip link set up0 mtu 1400 up; ip route add default via 192.0.2.2"
    ));
    within(outside.as_fd(), || {
        run("ip link set lo up; ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8::2/64 dev eth0 nodad; \
             ip link set eth0 mtu 1400 up");
    })
    .unwrap();
    Some(World { host, outside, networks })
}

impl Drop for World {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.networks).unwrap();
    }
}

/// What the host has: links and the whole ruleset.
fn census() -> String {
    run("ip -o link | cut -d: -f2 | cut -d@ -f1 | sort; nft list ruleset")
}

fn id(letter: char) -> Id {
    letter.to_string().repeat(64).parse().unwrap()
}

fn ports(specs: &[&str]) -> Vec<PortMapping> {
    crate::model::port::merge(specs.iter().map(|s| s.parse().unwrap()).collect()).unwrap()
}

/// Takes a container out of all networks.
fn leave(networks: &Path, container: &Id) {
    disconnect(networks, container, Remaining::Remove).unwrap();
}

/// What an attendant does that is in a hurry.
fn retire(networks: &Path) {
    idle::attend(networks, || Ok(true)).unwrap();
}

impl World {
    fn connect(&self, container: &Id, namespace: &OwnedFd, specs: &[&str]) -> Connected {
        connect(&self.networks, container, namespace.as_fd(), &[Attachment::to("podman")], &ports(specs)).unwrap()
    }

    fn record(&self, name: &str, interface: &str, subnets: &[&str], internal: bool) {
        let subnets: Vec<_> = subnets
            .iter()
            .map(|s| {
                let (gateway, _) = s.split_once('/').unwrap();
                let subnet: ipnetwork::IpNetwork = s.parse().unwrap();
                serde_json::json!({"subnet": format!("{}/{}", subnet.network(), subnet.prefix()), "gateway": gateway})
            })
            .collect();
        let network = serde_json::from_value(serde_json::json!({
            "version": 1, "name": name, "id": format!("{:064x}", name.len() * 7 + usize::from(name.as_bytes()[0])),
            "driver": "bridge", "network_interface": interface, "created": "2024-01-01T00:00:00Z",
            "subnets": subnets, "internal": internal,
        }));
        config::store(&self.networks, &network.unwrap()).unwrap();
    }
}

/// A server in `namespace` that answers each TCP connection with the peer's address.
fn serve(namespace: &OwnedFd, at: &str) {
    let listener = within(namespace.as_fd(), || TcpListener::bind(at).unwrap()).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let peer = stream.peer_addr().unwrap().ip().to_string();
            drop(stream.write_all(peer.as_bytes()));
        }
    });
}

/// A server in `namespace` that answers each datagram with the peer's address.
fn serve_udp(namespace: &OwnedFd, at: &str) {
    let socket = within(namespace.as_fd(), || UdpSocket::bind(at).unwrap()).unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            drop(socket.send_to(peer.ip().to_string().as_bytes(), peer));
        }
    });
}

/// What a server at `to` tells a client in `from`; none when it cannot be reached.
fn ask(from: &OwnedFd, to: &str) -> Option<String> {
    let to: SocketAddr = to.parse().unwrap();
    within(from.as_fd(), || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_millis(400)).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    })
    .unwrap()
}

fn ask_udp(from: &OwnedFd, to: &str) -> Option<String> {
    within(from.as_fd(), || {
        let socket = UdpSocket::bind(if to.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" }).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(400))).unwrap();
        socket.send_to(b"?", to).ok()?;
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    })
    .unwrap()
}

/// R31, R32.
#[test]
fn a_published_port_is_reached_from_everywhere_and_nothing_stays() {
    let Some(world) = world("everywhere") else { return };
    let before = census();
    let (one, two) = (fresh(), fresh());
    let specs = ["8080:80", "192.0.2.1:8081:81", "5353:53/udp", "7000-7019:7000-7019", "6000-6001:6100-6101"];
    let got = world.connect(&id('a'), &one, &specs);
    assert_eq!(got.warnings, [""; 0]);
    let endpoint = &got.endpoints[0];
    assert_eq!(endpoint.addresses[0].address.to_string(), "10.88.0.2/16");
    assert_eq!(endpoint.addresses[0].gateway, Some("10.88.0.1".parse().unwrap()));
    assert_eq!(endpoint.interface, "eth0");
    world.connect(&id('b'), &two, &["9090:80"]);
    eprintln!("{}", run("nft list ruleset"));
    for port in ["80", "81", "7005", "6101"] {
        serve(&one, &format!("0.0.0.0:{port}"));
    }
    serve_udp(&one, "0.0.0.0:53");
    serve(&two, "0.0.0.0:80");
    serve(&world.outside, "192.0.2.2:80");

    // The other machine keeps its address; the host is seen as it is.
    assert_eq!(ask(&world.outside, "192.0.2.1:8080").as_deref(), Some("192.0.2.2"));
    assert_eq!(ask(&world.outside, "192.0.2.1:8081").as_deref(), Some("192.0.2.2"));
    assert_eq!(ask(&world.outside, "192.0.2.1:7005").as_deref(), Some("192.0.2.2"));
    assert_eq!(ask(&world.outside, "192.0.2.1:6001").as_deref(), Some("192.0.2.2"));
    assert_eq!(ask_udp(&world.outside, "192.0.2.1:5353").as_deref(), Some("192.0.2.2"));
    assert_eq!(ask(&world.host, "192.0.2.1:8080").as_deref(), Some("192.0.2.1"));
    assert_eq!(ask(&world.host, "10.88.0.2:80").as_deref(), Some("10.88.0.1"));
    assert_eq!(ask_udp(&world.host, "192.0.2.1:5353").as_deref(), Some("192.0.2.1"));
    // Containers reach each other, and each other's published ports by the host's address, and their own.
    assert_eq!(ask(&two, "10.88.0.2:80").as_deref(), Some("10.88.0.3"));
    assert_eq!(ask(&two, "192.0.2.1:8080").as_deref(), Some("10.88.0.1"));
    assert_eq!(ask(&one, "192.0.2.1:8080").as_deref(), Some("10.88.0.1"));
    assert_eq!(ask(&two, "10.88.0.1:8080").as_deref(), Some("10.88.0.1"));
    // The outside sees the host; it cannot route to the container by itself, published or not.
    assert_eq!(ask(&one, "192.0.2.2:80").as_deref(), Some("192.0.2.1"));
    within(world.outside.as_fd(), || run("ip route add 10.88.0.0/16 via 192.0.2.1")).unwrap();
    assert_eq!(ask(&world.outside, "10.88.0.2:80"), None);
    // No IPv6 was asked for.
    let inside = within(one.as_fd(), || run("ip -6 -o addr show dev eth0; ip -o link show eth0")).unwrap();
    assert!(!inside.contains("inet6") && inside.contains("mtu 1400"), "{inside}");
    assert!(!run("ip -6 -o addr show").contains("fe80::") || !run("ip -6 -o addr show dev dhow0").contains("inet6"));

    leave(&world.networks, &id('a'));
    assert_eq!(ask(&world.outside, "192.0.2.1:8080"), None);
    assert_eq!(ask(&world.outside, "192.0.2.1:9090").as_deref(), Some("192.0.2.2"));
    leave(&world.networks, &id('b'));
    leave(&world.networks, &id('b'));
    retire(&world.networks);
    assert_eq!(census(), before);
    // The next address follows the last.
    assert_eq!(world.connect(&id('c'), &fresh(), &[]).endpoints[0].addresses[0].address.ip().to_string(), "10.88.0.4");
    leave(&world.networks, &id('c'));
    retire(&world.networks);
    assert_eq!(census(), before);
}

#[test]
fn ipv6_is_served_where_it_is_configured() {
    let Some(world) = world("ipv6") else { return };
    let before = census();
    world.record("six", "dhow6", &["10.90.0.1/24", "fd00:90::1/64"], false);
    let one = fresh();
    let specs = ports(&["8080:80", "[2001:db8::1]:8081:81", "7000-7019:7000-7019", "53:53/udp"]);
    let got = connect(&world.networks, &id('a'), one.as_fd(), &[Attachment::to("six")], &specs).unwrap();
    assert_eq!(got.endpoints[0].addresses[1].address.to_string(), "fd00:90::2/64");
    for port in ["80", "81", "7005"] {
        serve(&one, &format!("[::]:{port}"));
    }
    serve_udp(&one, "[::]:53");
    serve(&world.outside, "[2001:db8::2]:80");
    eprintln!("{}", run("nft list ruleset"));
    assert_eq!(ask(&world.outside, "[2001:db8::1]:8080").as_deref(), Some("2001:db8::2"));
    assert_eq!(ask(&world.outside, "[2001:db8::1]:8081").as_deref(), Some("2001:db8::2"));
    assert_eq!(ask(&world.outside, "[2001:db8::1]:7005").as_deref(), Some("2001:db8::2"));
    assert_eq!(ask(&world.outside, "192.0.2.1:8080").as_deref(), Some("::ffff:192.0.2.2"));
    assert_eq!(ask_udp(&world.outside, "[2001:db8::1]:53").as_deref(), Some("2001:db8::2"));
    assert_eq!(ask(&one, "[2001:db8::2]:80").as_deref(), Some("2001:db8::1"));
    assert_eq!(ask(&one, "[2001:db8::1]:8080").as_deref(), Some("fd00:90::1"));
    assert_eq!(ask(&world.host, "[fd00:90::2]:80").as_deref(), Some("fd00:90::1"));
    leave(&world.networks, &id('a'));
    retire(&world.networks);
    assert_eq!(census(), before);
}

/// R31.
#[test]
fn networks_are_isolated_and_internal_ones_stay_inside() {
    let Some(world) = world("isolated") else { return };
    let before = census();
    world.record("red", "dhowred", &["10.91.0.1/24"], false);
    world.record("secret", "dhowsec", &["10.92.0.1/24"], true);
    let (red, secret, second, plain) = (fresh(), fresh(), fresh(), fresh());
    for (letter, namespace, network, spec) in [
        ('a', &red, "red", &["8001:80"][..]),
        ('b', &secret, "secret", &["8002:80"]),
        ('c', &second, "secret", &[]),
        ('d', &plain, "podman", &["8004:80"]),
    ] {
        connect(&world.networks, &id(letter), namespace.as_fd(), &[Attachment::to(network)], &ports(spec)).unwrap();
        serve(namespace, "0.0.0.0:80");
    }
    serve(&world.outside, "192.0.2.2:80");
    assert_eq!(ask(&plain, "10.91.0.2:80"), None);
    assert_eq!(ask(&red, "10.88.0.2:80"), None);
    assert_eq!(ask(&plain, "192.0.2.1:8001").as_deref(), Some("10.88.0.2"), "published ports are for all");
    assert_eq!(ask(&second, "10.92.0.2:80").as_deref(), Some("10.92.0.3"));
    assert_eq!(ask(&secret, "192.0.2.2:80"), None);
    within(secret.as_fd(), || run("ip route add default via 10.92.0.1")).unwrap();
    for to in ["192.0.2.2:80", "192.0.2.1:8001", "10.91.0.2:80"] {
        assert_eq!(ask(&secret, to), None, "{to}");
    }
    assert_eq!(ask(&world.outside, "192.0.2.1:8002"), None);
    // Two networks at once.
    let both = fresh();
    let attachments = [Attachment::to("podman"), Attachment::to("red")];
    let got = connect(&world.networks, &id('e'), both.as_fd(), &attachments, &[]).unwrap();
    assert_eq!(got.endpoints[1].interface, "eth1");
    assert_eq!(ask(&both, "10.91.0.2:80").as_deref(), Some("10.91.0.3"));
    assert_eq!(ask(&both, "10.88.0.2:80").as_deref(), Some("10.88.0.3"));
    assert_eq!(ask(&both, "192.0.2.2:80").as_deref(), Some("192.0.2.1"));
    for letter in "abcde".chars() {
        leave(&world.networks, &id(letter));
    }
    retire(&world.networks);
    assert_eq!(census(), before);
}

/// R31.
#[test]
fn a_flushed_firewall_comes_back_and_drop_policies_are_told() {
    let Some(world) = world("flushed") else { return };
    let (one, two) = (fresh(), fresh());
    world.connect(&id('a'), &one, &["8080:80"]);
    serve(&one, "0.0.0.0:80");
    let whole = run("nft list ruleset");
    run("nft flush ruleset");
    assert_eq!(ask(&world.outside, "192.0.2.1:8080"), None);
    // The next container to come repairs it, and so does one that only passes by.
    world.connect(&id('b'), &two, &[]);
    leave(&world.networks, &id('b'));
    assert_eq!(run("nft list ruleset"), whole);
    assert_eq!(ask(&world.outside, "192.0.2.1:8080").as_deref(), Some("192.0.2.2"));
    run(
        "nft flush ruleset; nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; \
         policy drop; }'",
    );
    let got = world.connect(&id('b'), &two, &[]);
    assert_eq!(got.warnings.len(), 1);
    let mut commands = got.warnings[0].split("with: ").nth(1).unwrap().split("; ");
    assert_eq!(ask(&world.outside, "192.0.2.1:8080"), None);
    run(&format!("{}; {}", commands.next().unwrap(), commands.next().unwrap()));
    assert_eq!(ask(&world.outside, "192.0.2.1:8080").as_deref(), Some("192.0.2.2"));
}

#[test]
fn what_the_dead_left_is_healed() {
    let Some(world) = world("healed") else { return };
    let before = census();
    let (one, two) = (fresh(), fresh());
    let leases = || {
        let entries = std::fs::read_dir(world.networks.join("podman/leases")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    world.connect(&id('a'), &one, &["8080:80", "7000-7019:7000-7019"]);
    world.connect(&id('b'), &two, &["8081:80"]);
    // A torn lease: what belongs to the container is found by its id.
    for path in leases().into_iter().filter(|path| path.to_str().unwrap().contains("@a")) {
        std::fs::write(path, b"{").unwrap();
    }
    leave(&world.networks, &id('a'));
    let left = run("nft list ruleset; ip -o link");
    assert!(!left.contains(id('a').as_str()) && left.contains(id('b').as_str()), "{left}");
    assert!(!left.contains("dhowaaaa") && left.contains("dhowbbbb"), "{left}");
    // Elements and links whose lease is gone go with the network.
    for path in leases() {
        std::fs::remove_file(path).unwrap();
    }
    assert!(idle::unattended(&world.networks).unwrap());
    retire(&world.networks);
    assert!(!idle::unattended(&world.networks).unwrap());
    assert_eq!(census(), before);
    // A start that was killed halfway: a lease, a bridge without its alias.
    world.connect(&id('c'), &two, &[]);
    run("ip link set dhow0 alias ''");
    let again = world.connect(&id('c'), &fresh(), &["8082:80"]);
    assert_eq!(again.endpoints.len(), 1);
    leave(&world.networks, &id('c'));
    retire(&world.networks);
    assert_eq!(census(), before);
}

#[test]
fn an_idle_network_stays_while_somebody_comes() {
    let Some(world) = world("idle") else { return };
    let before = census();
    world.connect(&id('a'), &fresh(), &["8080:80"]);
    assert!(!idle::unattended(&world.networks).unwrap(), "it has a container");
    leave(&world.networks, &id('a'));
    assert!(idle::unattended(&world.networks).unwrap());
    assert!(run("ip -o link; nft list ruleset").contains("dhow0"));
    // Somebody comes and goes during the first rest; the second is quiet.
    let mut rests = 0;
    idle::attend(&world.networks, || {
        rests += 1;
        assert!(!idle::unattended(&world.networks)?, "there is an attendant");
        idle::attend(&world.networks, || panic!("a second attendant")).unwrap();
        if rests == 1 {
            world.connect(&id('b'), &fresh(), &[]);
            leave(&world.networks, &id('b'));
        }
        Ok(false)
    })
    .unwrap();
    assert_eq!(rests, 2);
    assert_eq!(census(), before);
    // One that finds a container there leaves, and the network works on.
    let one = fresh();
    idle::announce(&world.networks.join("podman")).unwrap();
    idle::attend(&world.networks, || {
        world.connect(&id('c'), &one, &["8080:80"]);
        Ok(false)
    })
    .unwrap();
    serve(&one, "0.0.0.0:80");
    assert_eq!(ask(&world.outside, "192.0.2.1:8080").as_deref(), Some("192.0.2.2"));
    leave(&world.networks, &id('c'));
    retire(&world.networks);
    assert_eq!(census(), before);
}

#[test]
fn a_link_goes_with_its_namespace() {
    let Some(world) = world("namespace") else { return };
    let one = fresh();
    let endpoint = world.connect(&id('a'), &one, &[]).endpoints.remove(0);
    let link = endpoint.host_interface.as_str();
    // The namespace is held: nothing goes by itself, and who waits does not wait for ever.
    link::wait_gone(&[link], Duration::from_millis(10)).unwrap();
    assert!(link::exists(link));
    drop(one);
    link::wait_gone(&[link], Duration::from_secs(60)).unwrap();
    assert!(!link::exists(link));
    leave(&world.networks, &id('a'));
    retire(&world.networks);
}

#[test]
fn a_link_whose_namespace_is_held_is_removed_by_the_attendant() {
    let Some(world) = world("held") else { return };
    let (held, other) = (fresh(), fresh());
    // Somebody stays: the network does not become idle.
    world.connect(&id('b'), &other, &[]);
    let endpoint = world.connect(&id('a'), &held, &[]).endpoints.remove(0);
    let link = endpoint.host_interface.as_str();
    disconnect(&world.networks, &id('a'), Remaining::Leave).unwrap();
    assert!(link::exists(link) && idle::unattended(&world.networks).unwrap());
    // Who comes back at once makes it anew; nobody removes that one.
    world.connect(&id('a'), &held, &[]);
    assert!(!idle::unattended(&world.networks).unwrap());
    retire(&world.networks);
    assert!(link::exists(link));
    disconnect(&world.networks, &id('a'), Remaining::Leave).unwrap();
    retire(&world.networks);
    assert!(!link::exists(link) && !idle::unattended(&world.networks).unwrap());
    leave(&world.networks, &id('b'));
    retire(&world.networks);
}

#[test]
fn what_cannot_be_given_is_refused_and_changes_nothing() {
    let Some(world) = world("refused") else { return };
    let before = census();
    let namespace = fresh();
    let fails = |attachment: Attachment| {
        let error = connect(&world.networks, &id('a'), namespace.as_fd(), &[attachment], &[]).unwrap_err();
        assert_eq!(census(), before);
        format!("{error:#}")
    };
    let with_ip = |ip: &str| Attachment { static_ips: vec![ip.parse::<IpAddr>().unwrap()], ..Attachment::to("podman") };
    assert!(fails(Attachment::to("nowhere")).contains("network not found"));
    assert!(fails(with_ip("10.1.1.1")).contains("not in any subnet"));
    assert!(fails(with_ip("10.88.0.1")).contains("already allocated"));
    world.record("foreign", "up0", &["10.93.0.1/24"], false);
    assert!(fails(Attachment::to("foreign")).contains("is not ours"));
    world.record("tiny", "dhowtiny", &["10.94.0.1/30"], false);
    let holder = fresh();
    connect(&world.networks, &id('b'), holder.as_fd(), &[Attachment::to("tiny")], &[]).unwrap();
    let error = connect(&world.networks, &id('a'), namespace.as_fd(), &[Attachment::to("tiny")], &[]).unwrap_err();
    assert!(format!("{error:#}").contains("failed to find free IP in range: 10.94.0.1 - 10.94.0.2"), "{error:#}");
    leave(&world.networks, &id('b'));
    retire(&world.networks);
    assert_eq!(census(), before);
}

#[test]
fn ten_thousand_ports_and_many_at_once() {
    let Some(world) = world("many") else { return };
    let before = census();
    let host = &world.host;
    let networks = &world.networks;
    let started = std::time::Instant::now();
    std::thread::scope(|scope| {
        for n in 0..8u32 {
            scope.spawn(move || {
                within(host.as_fd(), || {
                    let container = char::from_digit(n, 16).map(id).unwrap();
                    for _ in 0..4 {
                        let namespace = fresh();
                        let port = ports(&[&format!("{}:80", 8000 + n)]);
                        connect(networks, &container, namespace.as_fd(), &[Attachment::to("podman")], &port).unwrap();
                        leave(networks, &container);
                    }
                })
                .unwrap();
            });
        }
    });
    eprintln!("32 connects and disconnects: {:?}", started.elapsed());
    retire(&world.networks);
    assert_eq!(census(), before);
    let namespace = fresh();
    world.connect(&id('a'), &namespace, &["10000-19999:20000-29999", "30000-39999:30000-39999/udp"]);
    serve(&namespace, "0.0.0.0:25000");
    assert_eq!(ask(&world.outside, "192.0.2.1:15000").as_deref(), Some("192.0.2.2"));
    leave(&world.networks, &id('a'));
    retire(&world.networks);
    assert_eq!(census(), before);
}

#[test]
fn pasta_serves_a_namespace_and_ends_with_its_link() {
    let Some(world) = world("pasta") else { return };
    if !std::path::Path::new("/usr/bin/pasta").exists() {
        eprintln!("skipped: pasta is not installed");
        return;
    }
    // A process that is in a namespace of its own, as a container's init is.
    let mut init = Command::new("unshare").args(["-n", "sleep", "60"]).spawn().unwrap();
    let path = format!("/proc/{}/ns/net", init.id());
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    while std::fs::read_link(&path).unwrap() == own {
        std::thread::sleep(Duration::from_millis(5));
    }
    let namespace: OwnedFd = std::fs::File::open(&path).unwrap().into();
    let started = std::time::Instant::now();
    let files = rootless::Files::of(&world.networks, &world.networks);
    let got = rootless::start(namespace.as_fd(), &[], &ports(&["8080:80"]), &files);
    eprintln!("pasta: {:?} {got:?}", started.elapsed());
    let outcome = got.map(|pasta| {
        serve(&namespace, "0.0.0.0:80");
        (pasta.endpoints, ask(&world.outside, "192.0.2.1:8080"), ask(&world.host, "127.0.0.1:8080"))
    });
    let pasta: i32 =
        std::fs::read_to_string(world.networks.join("pasta.pid")).map_or(0, |text| text.trim().parse().unwrap());
    let started = std::time::Instant::now();
    rootless::stop(&files).unwrap();
    eprintln!("its end: {:?}", started.elapsed());
    rootless::stop(&files).unwrap();
    init.kill().unwrap();
    init.wait().unwrap();
    let (endpoints, outside, host) = outcome.unwrap();
    // Whoever adopted it may not have reaped it yet.
    let left = std::fs::read(format!("/proc/{pasta}/cmdline")).unwrap_or_default();
    assert!(pasta > 0 && left.is_empty());
    assert_eq!(endpoints[0].addresses[0].address.ip().to_string(), "192.0.2.1");
    assert!(outside.is_some() && host.is_some(), "{outside:?} {host:?}");
}

/// Prints what one container costs; the figures are looked at, not asserted.
#[test]
fn the_cost_of_a_container() {
    let Some(world) = world("cost") else { return };
    let keeper = fresh();
    for first in [true, false] {
        if !first {
            world.connect(&id('f'), &keeper, &["9999:80"]);
        }
        let (mut on, mut off) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            let namespace = fresh();
            let port = ports(&["8080:80"]);
            let started = std::time::Instant::now();
            let attachment = [Attachment::to("podman")];
            connect(&world.networks, &id('a'), namespace.as_fd(), &attachment, &port).unwrap();
            on.push(started.elapsed());
            drop(namespace);
            let started = std::time::Instant::now();
            disconnect(&world.networks, &id('a'), Remaining::Leave).unwrap();
            off.push(started.elapsed());
        }
        on.sort();
        off.sort();
        eprintln!(
            "first {first}: connect {:?} (least {:?}), disconnect {:?} (least {:?})",
            on[20], on[0], off[20], off[0]
        );
    }
    leave(&world.networks, &id('f'));
}
