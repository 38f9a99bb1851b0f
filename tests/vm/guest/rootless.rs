//! A day of an ordinary user with real sessions: a registry, volumes, maps of ids, a network by pasta.

use super::{USER, archive, command, eventually, load_as_user, login, says, shell};
use crate::support::image::{Flavor, Image};
use crate::support::registry::Registry;

#[test]
#[ignore = "runs in the guest"]
fn from_the_registry_to_its_removal() {
    archive();
    let registry = Registry::start();
    registry.add("day", "latest", &Image::busybox(), Flavor::Oci);
    let name = registry.reference("day");
    let script = format!(
        "set -e
        dhow rmi -a -f >/dev/null
        dhow pull -q --tls-verify=false {name} >/dev/null
        dhow run --rm --network none {name} id -u
        script -qec 'dhow run -it --rm --network none {name} tty' /dev/null </dev/null | tr -d '\\000\\004\\r\\b^D@'
        dhow volume create data
        dhow run -d --name box --network none -v data:/data -v $PWD:/home/me:ro {name} sh -c 'echo kept > /data/file; exec sleep 1000'
        dhow exec box cat /data/file
        dhow stop -t 0 box
        dhow rm box
        dhow run --rm --network none -v data:/data {name} cat /data/file
        dhow volume rm data
        dhow rmi {name} >/dev/null
        dhow images -q"
    );
    let said = login(USER, &script).ok();
    let lines: Vec<&str> = said.lines().filter(|line| line.len() != 64).collect();
    assert_eq!(lines, ["0", "/dev/pts/0", "data", "kept", "box", "box", "kept", "data"]);
}

#[test]
#[ignore = "runs in the guest"]
fn ids_are_mapped_as_asked() {
    load_as_user();
    let run = |flags: &str, script: &str| {
        login(USER, &format!("dhow run --rm --network none {flags} busybox sh -c '{script}'"))
    };
    assert_eq!(run("--userns keep-id -v $PWD:/mine", "id -u; stat -c %u /mine /bin/busybox").ok(), "1000\n1000\n0");
    assert_eq!(run("--userns keep-id:uid=33,gid=33 -v $PWD:/mine", "id -u; stat -c %u /mine").ok(), "33\n33");
    let auto = run("--userns auto:size=300", "cat /proc/self/uid_map").ok();
    assert_eq!(auto.split_whitespace().collect::<Vec<_>>()[2], "300", "{auto}");
    let nomap = run("--userns nomap", "cat /proc/self/uid_map").ok();
    assert_eq!(nomap.split_whitespace().collect::<Vec<_>>(), ["0", "1", "65536"], "{nomap}");
    // A file that the container's root makes is the user's; one of another is of a subordinate id.
    login(USER, "mkdir -p out && dhow run --rm --network none -v $PWD/out:/out busybox sh -c 'touch /out/root; touch /out/other; chown 5:5 /out/other'").ok();
    assert_eq!(shell("stat -c %u /home/tester/out/root /home/tester/out/other").ok(), "1000\n100004");
    shell("rm -r /home/tester/out").ok();
}

#[test]
#[ignore = "runs in the guest"]
fn who_has_one_id_is_told_so() {
    let archive = archive();
    let script =
        format!("dhow ps; dhow load -q -i {archive}; dhow run --rm --network none busybox id -u; dhow rmi -a -f");
    let outcome = login("single", &script);
    assert_eq!(outcome.stderr.matches("one id only").count(), 1, "{outcome}");
    assert!(outcome.text().contains("\n0\n"), "{outcome}");
    assert!(outcome.stderr.contains("add to /etc/subuid: single:"), "{outcome}");
}

#[test]
#[ignore = "runs in the guest"]
fn without_newuidmap_there_is_one_id_and_a_warning() {
    load_as_user();
    shell("loginctl terminate-user tester || true; for i in newuidmap newgidmap; do mv /usr/bin/$i /usr/bin/$i.away; done").ok();
    let outcome = login(USER, "dhow ps");
    shell("for i in newuidmap newgidmap; do mv /usr/bin/$i.away /usr/bin/$i; done; loginctl terminate-user tester || true").ok();
    assert_eq!(outcome.code, 0, "{outcome}");
    assert_eq!(outcome.stderr.matches("one id only").count(), 1, "{outcome}");
    assert!(outcome.stderr.contains("newuidmap"), "{outcome}");
}

#[test]
#[ignore = "runs in the guest"]
fn pasta_connects_and_publishes() {
    load_as_user();
    // pasta takes the address and the route of the host's uplink.
    shell("modprobe dummy; ip link add up0 type dummy && ip addr add 192.0.2.2/24 dev up0 && ip link set up0 up && ip route add default via 192.0.2.1").ok();
    let serve = "mkdir /www && echo served > /www/index.html && exec httpd -f -p 80 -h /www";
    let start =
        format!("dhow run -d --name web --network pasta -p 8080:80 -p 127.0.0.1:9053:53/udp busybox sh -c '{serve}'");
    login(USER, &start).ok();
    let get = |address: &str| {
        let request = "printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; timeout 5 tail -n 1 <&3";
        command(&["bash", "-c", &format!("exec 3<>/dev/tcp/{address}/8080 && {request} || ss -ltnp >&2")])
    };
    says("served", || get("127.0.0.1"));
    says("served", || get("192.0.2.2"));
    assert_eq!(login(USER, "dhow port web").ok(), "80/tcp -> 0.0.0.0:8080\n53/udp -> 127.0.0.1:9053");
    let inside = login(USER, "dhow exec web ip -o -4 addr show").ok();
    assert!(inside.contains("192.0.2.2"), "{inside}");
    login(USER, "dhow run --rm --network pasta -p 8080:80 busybox true").fails(126, "8080");
    assert_ne!(shell("pgrep '^pas(st|ta)' || true").ok(), "");
    login(USER, "dhow rm -f -t 0 web").ok();
    eventually("pasta has ended", || shell("pgrep '^pas(st|ta)' || true").ok().is_empty());
    assert_ne!(get("127.0.0.1").text(), "served");
    command(&["ip", "link", "del", "up0"]).ok();
}
