//! Clause by clause of the runtime specification: what each says, tried on dhow, runc and crun with the same bundle.
//!
//! `table.txt` holds the results; a test fails when dhow's column is not all `ok` or not what the file says. The columns
//! of the others are written by `DHOW_TEST_CONFORMANCE=record cargo test --test oci conformance`, on the versions that the
//! file names.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::bundle::{Bundle, Runtime, merge};
use super::clause;
use crate::support::{TestEnv, isolated};

/// What is tried, and what the command in the container must say.
pub(crate) struct Case {
    clause: &'static str,
    name: &'static str,
    change: Value,
    script: &'static str,
    says: &'static str,
}

pub(crate) fn case(
    clause: &'static str,
    name: &'static str,
    change: Value,
    script: &'static str,
    says: &'static str,
) -> Case {
    Case { clause, name, change, script, says }
}

pub(crate) fn tmpfs(destination: &str, options: &[&str]) -> Value {
    json!({"mounts": [{"destination": destination, "type": "tmpfs", "source": "tmpfs", "options": options}]})
}

pub(crate) fn bind(source: &str, destination: &str, options: &[&str]) -> Value {
    json!({"mounts": [{"destination": destination, "type": "bind", "source": source, "options": options}]})
}

pub(crate) fn linux(field: &str, value: Value) -> Value {
    json!({"linux": {field: value}})
}

pub(crate) fn process(field: &str, value: Value) -> Value {
    json!({"process": {field: value}})
}

pub(crate) fn namespace(kind: &str) -> Value {
    linux("namespaces", json!([{"type": kind}]))
}

pub(crate) fn seccomp(calls: Value) -> Value {
    linux("seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": calls}))
}

fn user_namespace() -> Value {
    let map = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    json!({"linux": {"namespaces": [{"type": "user"}], "uidMappings": map, "gidMappings": map}})
}

fn config_cases() -> Vec<Case> {
    vec![
        case("config", "ociVersion: any 1.x", json!({"ociVersion": "1.3.0"}), "echo ok", "ok"),
        case("config", "unknown fields are ignored", json!({"frob": {"x": 1}, "linux": {"frob": 1}}), "echo ok", "ok"),
        case("config#root", "readonly", json!({"root": {"readonly": true}}), "touch /x 2>/dev/null || echo no", "no"),
        case(
            "config#mounts",
            "options of a file system",
            tmpfs("/mnt", &["size=64k", "mode=750"]),
            "grep -o 'size=64k' /proc/mounts; stat -c %a /mnt",
            "size=64k\n750",
        ),
        case(
            "config#mounts",
            "flags",
            tmpfs("/mnt", &["ro", "nosuid", "nodev", "noexec"]),
            "grep ' /mnt ' /proc/mounts | grep -o 'ro,nosuid,nodev,noexec'",
            "ro,nosuid,nodev,noexec",
        ),
        case("config#mounts", "the last option wins", tmpfs("/mnt", &["ro", "rw"]), "touch /mnt/x && echo ok", "ok"),
        case("config#mounts", "a destination is made", tmpfs("/a/b/c", &[]), "touch /a/b/c/x && echo ok", "ok"),
        case(
            "config#mounts",
            "bind of a file",
            bind("/etc/passwd", "/file", &["bind", "ro"]),
            "test -s /file && ! touch /file 2>/dev/null && echo ok",
            "ok",
        ),
        case(
            "config#mounts",
            "bind, read-only with all below",
            bind("/sys", "/mnt", &["rbind", "rro"]),
            "touch /mnt/fs/cgroup/x 2>/dev/null || echo no",
            "no",
        ),
        case(
            "config#mounts",
            "tmpcopyup",
            tmpfs("/etc", &["tmpcopyup"]),
            "touch /etc/new; grep -c web /etc/passwd",
            "1",
        ),
        case(
            "config#mounts",
            "nosymfollow",
            tmpfs("/mnt", &["nosymfollow"]),
            "busybox ln -s /etc /mnt/x; ls /mnt/x/ 2>/dev/null || echo no",
            "no",
        ),
        case(
            "config#mounts",
            "noatime",
            tmpfs("/mnt", &["noatime"]),
            "grep ' /mnt ' /proc/mounts | grep -o noatime",
            "noatime",
        ),
        case("config#process", "cwd", process("cwd", json!("/tmp")), "pwd", "/tmp"),
        case("config#process", "a cwd that is missing", process("cwd", json!("/a/b")), "pwd", "/a/b"),
        case(
            "config#process",
            "env is only what is given",
            process("env", json!(["A=b c"])),
            "echo $A; env | grep -c -v -E '^(A|PATH|PWD|SHLVL|HOME|_)='",
            "b c\n0",
        ),
        case(
            "config#process",
            "user and further groups",
            process("user", json!({"uid": 33, "gid": 34, "additionalGids": [7, 8]})),
            "id | tr -d '()a-z '",
            "=33=34=7,8",
        ),
        case("config#process", "umask", process("user", json!({"umask": 63})), "umask", "0077"),
        case(
            "config#process",
            "rlimits",
            process("rlimits", json!([{"type": "RLIMIT_NOFILE", "soft": 64, "hard": 128}])),
            "ulimit -Sn; ulimit -Hn",
            "64\n128",
        ),
        case(
            "config#process",
            "capabilities are exact",
            json!({}),
            "grep -E 'Cap(Eff|Bnd|Inh|Amb)' /proc/self/status | tr -d '\\n\\t'",
            "CapInh:0000000000000000CapEff:00000000000000e3CapBnd:00000000000000e3CapAmb:0000000000000000",
        ),
        case(
            "config#process",
            "ambient capabilities",
            json!({"process": {"user": {"uid": 33}, "capabilities": {"inheritable": ["CAP_KILL"], "ambient": ["CAP_KILL"]}}}),
            "grep -E 'CapAmb' /proc/self/status | tr -d '\\t'",
            "CapAmb:0000000000000020",
        ),
        case(
            "config#process",
            "noNewPrivileges",
            json!({}),
            "grep NoNewPrivs /proc/self/status | tr -d '\\t'",
            "NoNewPrivs:1",
        ),
        case(
            "config#process",
            "oomScoreAdj",
            process("oomScoreAdj", json!(700)),
            "cat /proc/self/oom_score_adj",
            "700",
        ),
        case(
            "config#process",
            "ioPriority",
            process("ioPriority", json!({"class": "IOPRIO_CLASS_IDLE", "priority": 0})),
            "busybox ionice -p $$",
            "idle",
        ),
        case(
            "config#process",
            "scheduler",
            process("scheduler", json!({"policy": "SCHED_BATCH", "nice": 5})),
            "cat /proc/self/stat | busybox cut -d ' ' -f 19,41",
            "5 3",
        ),
        case("config", "hostname", json!({"hostname": "other"}), "hostname", "other"),
        case("config", "domainname", json!({"domainname": "example"}), "cat /proc/sys/kernel/domainname", "example"),
        case(
            "config#hooks",
            "all kinds succeed",
            json!({"hooks": {"createRuntime": [{"path": "/bin/true"}], "createContainer": [{"path": "/bin/true"}], "startContainer": [{"path": "/bin/true"}], "poststart": [{"path": "/bin/true"}], "poststop": [{"path": "/bin/true"}]}}),
            "echo ok",
            "ok",
        ),
    ]
}

fn linux_cases() -> Vec<Case> {
    let deny = |name: &str| json!([{"names": [name], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]);
    let by_argument = json!([{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]);
    let resources = |field: &str, value: Value| linux("resources", json!({field: value}));
    let device =
        json!([{"path": "/dev/own", "type": "c", "major": 10, "minor": 229, "fileMode": 432, "uid": 5, "gid": 6}]);
    vec![
        case(
            "config-linux#default-filesystems",
            "default devices",
            json!({}),
            "for d in null zero full random urandom tty; do test -c /dev/$d || echo $d; done; echo ok",
            "ok",
        ),
        case(
            "config-linux#default-filesystems",
            "links of /dev",
            json!({}),
            "for l in fd stdin ptmx; do readlink /dev/$l; done",
            "/proc/self/fd\n/proc/self/fd/0\npts/ptmx",
        ),
        case("config-linux#namespaces", "pid", json!({}), "echo $$", "1"),
        case("config-linux#namespaces", "network", json!({}), "ls /sys/class/net", "lo"),
        case("config-linux#namespaces", "cgroup", namespace("cgroup"), "grep -c -v ':/$' /proc/self/cgroup", "0"),
        case(
            "config-linux#namespaces",
            "user with maps",
            user_namespace(),
            "cat /proc/self/uid_map | tr -s ' '; id -u",
            " 0 100000 65536\n0",
        ),
        case(
            "config-linux#namespaces",
            "time with offsets",
            json!({"linux": {"namespaces": [{"type": "time"}], "timeOffsets": {"boottime": {"secs": 864_000}}}}),
            "grep boottime /proc/self/timens_offsets | tr -s ' '; test $(busybox cut -d. -f1 /proc/uptime) -gt 864000 && echo later",
            "boottime 864000 0\nlater",
        ),
        case(
            "config-linux#namespaces",
            "join by path",
            json!({"linux": {"namespaces": [{"type": "cgroup", "path": "/proc/1/ns/cgroup"}]}}),
            "echo ok",
            "ok",
        ),
        case(
            "config-linux#devices",
            "a node with its owner",
            linux("devices", device),
            "stat -c '%a %u %g %t:%T' /dev/own",
            "660 5 6 a:e5",
        ),
        case(
            "config-linux#control-groups",
            "what is not allowed cannot be opened",
            linux("devices", json!([{"path": "/dev/own", "type": "c", "major": 1, "minor": 1}])),
            "head -c 1 /dev/own 2>/dev/null || echo no",
            "no",
        ),
        case(
            "config-linux#control-groups",
            "what is allowed can",
            json!({"linux": {"devices": [{"path": "/dev/own", "type": "c", "major": 1, "minor": 5}], "resources": {"devices": [{"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"}]}}}),
            "head -c 1 /dev/own | wc -c",
            "1",
        ),
        case(
            "config-linux#control-groups",
            "memory",
            resources("memory", json!({"limit": 33_554_432})),
            "echo ok",
            "ok",
        ),
        case(
            "config-linux#control-groups",
            "pids",
            resources("pids", json!({"limit": 3})),
            "(sleep 1 & sleep 1 & sleep 1 & sleep 1 & wait) 2>/dev/null || echo full",
            "full",
        ),
        case(
            "config-linux#control-groups",
            "cpu",
            resources("cpu", json!({"shares": 512, "quota": 50_000, "period": 100_000})),
            "echo ok",
            "ok",
        ),
        case(
            "config-linux#control-groups",
            "cpuset",
            resources("cpu", json!({"cpus": "0"})),
            "grep Cpus_allowed_list /proc/self/status | tr -d '\\t'",
            "Cpus_allowed_list:0",
        ),
        case(
            "config-linux#control-groups",
            "a path",
            linux("cgroupsPath", json!("/conformance/own")),
            "grep -c 'conformance/own' /proc/self/cgroup | tr 1-9 n",
            "n",
        ),
        case(
            "config-linux#sysctl",
            "of the network",
            linux("sysctl", json!({"net.ipv4.ip_forward": "1"})),
            "cat /proc/sys/net/ipv4/ip_forward",
            "1",
        ),
        case(
            "config-linux#seccomp",
            "an error of its own",
            seccomp(deny("mkdir")),
            "mkdir /tmp/x 2>&1 | grep -o 'not implemented'",
            "not implemented",
        ),
        case(
            "config-linux#seccomp",
            "by argument",
            seccomp(by_argument),
            "busybox linux32 uname -m 2>/dev/null || echo no; busybox linux64 true && echo ok",
            "no\nok",
        ),
        case(
            "config-linux#seccomp",
            "kill the process",
            seccomp(json!([{"names": ["mkdir"], "action": "SCMP_ACT_KILL_PROCESS"}])),
            "mkdir /tmp/x; echo $?",
            "159",
        ),
        case(
            "config-linux#rootfs-mount-propagation",
            "shared",
            linux("rootfsPropagation", json!("shared")),
            "grep -c -E ' / / .* shared:| / .* shared:' /proc/self/mountinfo | tr 2-9 1",
            "1",
        ),
        case(
            "config-linux#masked-paths",
            "a file",
            linux("maskedPaths", json!(["/etc/passwd"])),
            "wc -c < /etc/passwd; test -c /etc/passwd && echo ok",
            "0\nok",
        ),
        case(
            "config-linux#masked-paths",
            "a directory",
            linux("maskedPaths", json!(["/bin/../etc", "/etc"])),
            "ls /etc | wc -l",
            "0",
        ),
        case(
            "config-linux#readonly-paths",
            "a directory",
            linux("readonlyPaths", json!(["/tmp"])),
            "touch /tmp/x 2>/dev/null || echo no",
            "no",
        ),
        case(
            "config-linux#personality",
            "32 bits",
            linux("personality", json!({"domain": "LINUX32"})),
            "uname -m",
            "i686",
        ),
        case(
            "config-linux#memory-policy",
            "the local node",
            linux("memoryPolicy", json!({"mode": "MPOL_DEFAULT"})),
            "echo ok",
            "ok",
        ),
    ]
}

/// What a runtime makes of a case: `ok`, or what it said instead.
///
/// Each has a name and a cgroup of its own, and nobody is told to delete what is left: an older runtime that failed early
/// may take the cgroup that the test itself is in for that of the container.
fn verdict(runtime: &Runtime<'_>, bundle: &Bundle, case: &Case, number: usize) -> String {
    // One that fails may have written to the root.
    for file in ["x", "file", "a"] {
        let path = bundle.root().join(file);
        drop(std::fs::remove_dir_all(&path));
        drop(std::fs::remove_file(path));
    }
    let mut change = json!({"linux": {"cgroupsPath": format!("/conformance/c{number}")}});
    merge(&mut change, case.change.clone());
    bundle.config(case.script, change);
    let path = bundle.path.display().to_string();
    let outcome = runtime.run(&["run", "--bundle", &path, &format!("c{number}")]);
    if outcome.text().trim_end() == case.says {
        return "ok".to_owned();
    }
    let said = if outcome.text().is_empty() { outcome.stderr.clone() } else { outcome.text() };
    let last = said.lines().last().unwrap_or("nothing").to_owned();
    // Without what changes from run to run.
    let last = last.replace(&path, "BUNDLE");
    let message = last.split("msg=").nth(1).unwrap_or(&last).trim_matches('"');
    message.chars().filter(|c| !c.is_control() && *c != '|').take(80).collect()
}

/// Takes away the cgroups that the cases were in.
fn clear_cgroups() {
    let directories = std::fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    for top in directories.chain([std::path::PathBuf::from("/sys/fs/cgroup")]) {
        let parent = top.join("conformance");
        for child in std::fs::read_dir(&parent).into_iter().flatten().flatten() {
            drop(std::fs::remove_dir(child.path()));
        }
        drop(std::fs::remove_dir(parent));
    }
}

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oci/table.txt");

/// The rows of the table by name: dhow, runc, crun.
fn table() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(TABLE).unwrap_or_default();
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let mut cells = line.split(" | ").map(|cell| cell.trim().to_owned());
        (format!("{} | {}", cells.next().unwrap_or_default(), cells.next().unwrap_or_default()), cells.collect())
    });
    rows.collect()
}

fn cases() -> Vec<Case> {
    let further = clause::mounts().into_iter().chain(clause::processes()).chain(clause::kernel());
    config_cases().into_iter().chain(linux_cases()).chain(further).collect()
}

#[test]
fn every_clause_holds_as_the_table_says() {
    isolated(|env: &mut TestEnv| {
        crate::require!(cgroup);
        let bundle = Bundle::new(env, "b");
        let dhow = Runtime::dhow(env);
        let record = std::env::var("DHOW_TEST_CONFORMANCE").as_deref() == Ok("record");
        let known = table();
        let mut rows = Vec::new();
        let mut wrong = Vec::new();
        for (number, case) in cases().into_iter().enumerate() {
            let key = format!("{} | {}", case.clause, case.name);
            let mut row = vec![verdict(&dhow, &bundle, &case, number)];
            if row[0] != "ok" {
                wrong.push(format!("{key}: {}", row[0]));
            }
            if record {
                for name in ["runc", "crun"] {
                    row.push(
                        Runtime::other(env, name)
                            .map_or("?".to_owned(), |other| verdict(&other, &bundle, &case, number)),
                    );
                }
            } else if !known.contains_key(&key) {
                wrong.push(format!("{key}: not in the table"));
            }
            println!("{key}: {}", row.join(" | "));
            rows.push(format!("{key} | {}", row.join(" | ")));
        }
        if record {
            let version = |name: &str| {
                let text = Runtime::other(env, name).map(|other| other.run(&["--version"]).text()).unwrap_or_default();
                text.lines().next().unwrap_or("none").to_owned()
            };
            let head = format!(
                "# clause | what | dhow | {} | {}\n# Written by the test conformance::every_clause_holds_as_the_table_says.\n",
                version("runc"),
                version("crun")
            );
            std::fs::write(TABLE, head + &rows.join("\n") + "\n").unwrap();
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
        clear_cgroups();
        for other in ["runc", "crun"].iter().filter(|_| record) {
            drop(std::fs::remove_dir_all(env.root.runtime.join(other)));
        }
        assert!(dhow.is_empty());
    });
}
