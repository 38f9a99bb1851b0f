//! Further clauses for the table of `conformance`: mounts, hooks, limits, namespaces and calls.

use serde_json::{Value, json};

use super::conformance::{Case, bind, case, linux, namespace, process, seccomp, tmpfs};

/// Says the optional fields of a mount's line in mountinfo.
const PROPAGATION: &str = "grep ' /mnt ' /proc/self/mountinfo | tail -n 1 | busybox sed 's/.* \\(shared\\|master\\|unbindable\\)\\(:[0-9]*\\)\\? .*/\\1/; s/^[0-9].*/private/'";
/// Where the container's cgroup of v1 has a file: by the place of the test, found on the host through a bind.
fn cgroup_file(controller: &str, file: &str) -> String {
    format!(
        "cat /cg/{controller}$(grep '[:,]{controller}[,:]' /proc/self/cgroup | busybox cut -d: -f3)/{file} 2>/dev/null || echo none"
    )
}

/// The host's cgroups in the container, to be read.
fn with_cgroups(change: Value) -> Value {
    let mut all = bind("/sys/fs/cgroup", "/cg", &["rbind", "ro"]);
    super::bundle::merge(&mut all, change);
    all
}

fn limits(field: &str, value: Value) -> Value {
    with_cgroups(linux("resources", json!({field: value})))
}

pub(crate) fn mounts() -> Vec<Case> {
    let clause = "config#mounts";
    let seen = |option: &'static str| -> &'static str {
        match option {
            "nodiratime" => "grep ' /mnt ' /proc/mounts | grep -o nodiratime",
            "relatime" => "grep ' /mnt ' /proc/mounts | grep -o relatime",
            "sync" => "grep ' /mnt ' /proc/mounts | grep -o -w sync",
            "dirsync" => "grep ' /mnt ' /proc/mounts | grep -o dirsync",
            _ => "grep ' /mnt ' /proc/mounts | grep -o -w lazytime",
        }
    };
    let mut cases: Vec<Case> = ["nodiratime", "relatime", "sync", "dirsync", "lazytime"]
        .into_iter()
        .map(|option| case(clause, option, tmpfs("/mnt", &[option]), seen(option), option))
        .collect();
    for (name, says) in
        [("rshared", "shared"), ("rslave", "master"), ("rprivate", "private"), ("runbindable", "unbindable")]
    {
        let options = if name == "rslave" { &["rbind", "rslave"][..] } else { &["rbind", name] };
        cases.push(case(clause, name, bind("/usr", "/mnt", options), PROPAGATION, says));
    }
    cases.extend([
        case(clause, "strictatime", tmpfs("/mnt", &["strictatime"]), "grep ' /mnt ' /proc/mounts | grep -c atime", "0"),
        case(
            clause,
            "noexec is in force",
            tmpfs("/mnt", &["noexec", "mode=755"]),
            "busybox cp /bin/busybox /mnt/true; /mnt/true 2>/dev/null || echo no",
            "no",
        ),
        case(
            clause,
            "nodev is in force",
            bind("/dev", "/mnt", &["bind", "nodev"]),
            "head -c 1 /mnt/zero 2>/dev/null || echo no",
            "no",
        ),
        case(
            clause,
            "recursive: rnosuid, rnodev, rnoexec",
            bind("/sys", "/mnt", &["rbind", "rnosuid", "rnodev", "rnoexec"]),
            "grep -E ' /mnt(/[^ ]*)? ' /proc/mounts | grep -v -c 'nosuid,nodev,noexec'",
            "0",
        ),
        case(
            clause,
            "a type of none with bind",
            json!({"mounts": [{"destination": "/mnt", "type": "none", "source": "/etc", "options": ["bind"]}]}),
            "test -s /mnt/passwd && echo ok",
            "ok",
        ),
        case(
            clause,
            "without a type, rbind",
            json!({"mounts": [{"destination": "/mnt", "source": "/etc", "options": ["rbind"]}]}),
            "test -s /mnt/passwd && echo ok",
            "ok",
        ),
        case(
            clause,
            "a source relative to the bundle",
            bind("rootfs/etc", "/mnt", &["bind"]),
            "test -s /mnt/passwd && echo ok",
            "ok",
        ),
        case(
            clause,
            "in the order of the list",
            json!({"mounts": [
                {"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/mnt/a", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]},
                {"destination": "/mnt/a", "type": "tmpfs", "source": "tmpfs"}
            ]}),
            "touch /mnt/a/x && grep -c ' /mnt/a ' /proc/mounts",
            "2",
        ),
        case(
            clause,
            "mapped ids of a bind",
            json!({"mounts": [{
                "destination": "/mnt", "type": "bind", "source": "/usr", "options": ["bind"],
                "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
                "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}]
            }]}),
            "stat -c '%u %g' /mnt/share",
            "1000 1000",
        ),
        case(
            clause,
            "a destination with links stays inside",
            bind("/usr", "/bin/../../mnt", &["bind"]),
            "test -d /mnt/share && echo ok",
            "ok",
        ),
    ]);
    cases
}

pub(crate) fn processes() -> Vec<Case> {
    let hook = |script: &str| json!([{"path": "/bin/sh", "args": ["sh", "-c", script]}]);
    vec![
        case(
            "config#process",
            "args are found by PATH of env",
            process("env", json!(["PATH=/nowhere:/bin"])),
            "echo ok",
            "ok",
        ),
        case(
            "config#process",
            "HOME of the user's passwd",
            process("user", json!({"uid": 33, "gid": 34})),
            "echo $HOME",
            "/srv",
        ),
        case(
            "config#process",
            "all rlimits by name",
            process(
                "rlimits",
                json!([{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, {"type": "RLIMIT_STACK", "soft": 1_048_576, "hard": 2_097_152}]),
            ),
            "ulimit -c; ulimit -s",
            "0\n1024",
        ),
        case(
            "config#process",
            "capabilities that are absent are none",
            json!({"process": {"capabilities": null}}),
            "grep -E 'Cap(Eff|Bnd)' /proc/self/status | tr -d '\\n\\t'",
            "CapEff:0000000000000000CapBnd:0000000000000000",
        ),
        case(
            "config#process",
            "noNewPrivileges false",
            process("noNewPrivileges", json!(false)),
            "grep NoNewPrivs /proc/self/status | tr -d '\\t'",
            "NoNewPrivs:0",
        ),
        case(
            "config#process",
            "a realtime class of ioPriority",
            process("ioPriority", json!({"class": "IOPRIO_CLASS_BE", "priority": 6})),
            "busybox ionice -p $$",
            "best-effort: prio 6",
        ),
        case(
            "config#process",
            "scheduler SCHED_IDLE",
            process("scheduler", json!({"policy": "SCHED_IDLE"})),
            "busybox cut -d ' ' -f 41 < /proc/self/stat",
            "5",
        ),
        case(
            "config#process",
            "execCPUAffinity is of exec alone",
            process("execCPUAffinity", json!({"initial": "0", "final": "0"})),
            "echo ok",
            "ok",
        ),
        case(
            "config#hooks",
            "createContainer is in the container's mounts",
            json!({"hooks": {"createContainer": hook("grep -c ' /proc ' /proc/self/mountinfo >/dev/null")}}),
            "echo ok",
            "ok",
        ),
        case(
            "config#hooks",
            "startContainer runs inside",
            json!({"hooks": {"startContainer": hook("echo made > /tmp/hooked")}}),
            "cat /tmp/hooked",
            "made",
        ),
        case(
            "config#hooks",
            "the state is on standard input",
            json!({"hooks": {"startContainer": hook("cat > /tmp/state")}}),
            "grep -o '\"ociVersion\"' /tmp/state; grep -o '\"status\"' /tmp/state",
            "\"ociVersion\"\n\"status\"",
        ),
        case(
            "config#hooks",
            "an environment of their own",
            json!({"hooks": {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo $A > /tmp/hooked"], "env": ["A=b"]}]}}),
            "cat /tmp/hooked",
            "b",
        ),
        case(
            "config#hooks",
            "in the order of the list",
            json!({"hooks": {"startContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "echo 1 > /tmp/hooked"]}, {"path": "/bin/sh", "args": ["sh", "-c", "echo 2 >> /tmp/hooked"]}]}}),
            "cat /tmp/hooked",
            "1\n2",
        ),
        case(
            "config#annotations",
            "any text",
            json!({"annotations": {"com.example/key": "", "x": "ä\n"}}),
            "echo ok",
            "ok",
        ),
        case(
            "config#platform",
            "fields of other systems are ignored",
            json!({"windows": {"layerFolders": []}, "solaris": {}}),
            "echo ok",
            "ok",
        ),
    ]
}

pub(crate) fn kernel() -> Vec<Case> {
    let groups = "config-linux#control-groups";
    let file =
        |controller: &str, name: &str| -> &'static str { Box::leak(cgroup_file(controller, name).into_boxed_str()) };
    vec![
        case("config-linux#namespaces", "ipc: no queues of others", json!({}), "cat /proc/sysvipc/msg | wc -l", "1"),
        case("config-linux#namespaces", "uts: a name of its own", json!({"hostname": "inner"}), "hostname", "inner"),
        case(
            "config-linux#namespaces",
            "mount: only what is asked for",
            json!({}),
            "grep -c -v -E ' / | /(proc|dev|sys)' /proc/self/mountinfo",
            "0",
        ),
        case(
            "config-linux#namespaces",
            "cgroup hides what is above",
            namespace("cgroup"),
            "cat /proc/self/cgroup | busybox cut -d: -f3 | busybox sort -u",
            "/",
        ),
        case(
            "config-linux#devices",
            "a FIFO",
            linux("devices", json!([{"path": "/dev/pipe", "type": "p", "fileMode": 384}])),
            "test -p /dev/pipe && stat -c %a /dev/pipe",
            "600",
        ),
        case(
            "config-linux#devices",
            "a block device",
            linux("devices", json!([{"path": "/dev/blk", "type": "b", "major": 7, "minor": 77}])),
            "stat -c '%F %t:%T' /dev/blk",
            "block special file 7:4d",
        ),
        case(
            "config-linux#devices",
            "an unbuffered character device",
            linux("devices", json!([{"path": "/dev/u", "type": "u", "major": 1, "minor": 3}])),
            "stat -c '%F' /dev/u",
            "character special file",
        ),
        case(
            groups,
            "devices: the last rule wins",
            json!({"linux": {"devices": [{"path": "/dev/own", "type": "c", "major": 1, "minor": 5}], "resources": {"devices": [{"allow": false, "access": "rwm"}, {"allow": true, "type": "c", "major": 1, "access": "r"}]}}}),
            "head -c 1 /dev/own | wc -c",
            "1",
        ),
        case(
            groups,
            "memory: reservation",
            limits("memory", json!({"reservation": 33_554_432})),
            file("memory", "memory.soft_limit_in_bytes"),
            "33554432",
        ),
        case(
            groups,
            "memory: limit",
            limits("memory", json!({"limit": 67_108_864})),
            file("memory", "memory.limit_in_bytes"),
            "67108864",
        ),
        case(
            groups,
            "memory: swappiness",
            limits("memory", json!({"swappiness": 10})),
            file("memory", "memory.swappiness"),
            "10",
        ),
        case(
            groups,
            "memory: disableOOMKiller",
            limits("memory", json!({"disableOOMKiller": true})),
            file("memory", "memory.oom_control | head -n 1"),
            "oom_kill_disable 1",
        ),
        case(groups, "cpu: shares", limits("cpu", json!({"shares": 512})), file("cpu", "cpu.shares"), "512"),
        case(
            groups,
            "cpu: quota and period",
            limits("cpu", json!({"quota": 20_000, "period": 50_000})),
            file("cpu", "cpu.cfs_quota_us"),
            "20000",
        ),
        case(
            groups,
            "cpu: burst",
            limits("cpu", json!({"quota": 20_000, "period": 50_000, "burst": 10_000})),
            file("cpu", "cpu.cfs_burst_us"),
            "10000",
        ),
        case(groups, "cpu: idle", limits("cpu", json!({"idle": 1})), file("cpu", "cpu.idle"), "1"),
        case(groups, "cpuset: mems", limits("cpu", json!({"mems": "0"})), file("cpuset", "cpuset.mems"), "0"),
        case(groups, "pids: limit", limits("pids", json!({"limit": 77})), file("pids", "pids.max"), "77"),
        case(groups, "pids: -1 is no limit", limits("pids", json!({"limit": -1})), file("pids", "pids.max"), "max"),
        case(
            "config-linux#sysctl",
            "of ipc",
            linux("sysctl", json!({"kernel.msgmax": "4096"})),
            "cat /proc/sys/kernel/msgmax",
            "4096",
        ),
        case(
            "config-linux#sysctl",
            "with slashes",
            linux("sysctl", json!({"net/ipv4/ip_forward": "1"})),
            "cat /proc/sys/net/ipv4/ip_forward",
            "1",
        ),
        case(
            "config-linux#seccomp",
            "the default's errno",
            json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}}}),
            "mkdir /tmp/x 2>&1 | grep -o 'not permitted'",
            "not permitted",
        ),
        case(
            "config-linux#seccomp",
            "SCMP_ACT_LOG lets pass",
            seccomp(json!([{"names": ["mkdir"], "action": "SCMP_ACT_LOG"}])),
            "mkdir /tmp/logged && echo ok; busybox rmdir /tmp/logged",
            "ok",
        ),
        case(
            "config-linux#seccomp",
            "SCMP_ACT_TRAP",
            seccomp(json!([{"names": ["mkdir"], "action": "SCMP_ACT_TRAP"}])),
            "mkdir /tmp/x; echo $?",
            "159",
        ),
        case(
            "config-linux#seccomp",
            "flags",
            json!({"linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]}}}),
            "grep Seccomp: /proc/self/status | tr -d '\\t'",
            "Seccomp:2",
        ),
        case(
            "config-linux#seccomp",
            "names that no kernel knows",
            seccomp(json!([{"names": ["no_such_call", "mkdir"], "action": "SCMP_ACT_ERRNO"}])),
            "mkdir /tmp/x 2>/dev/null || echo no",
            "no",
        ),
        case(
            "config-linux#seccomp",
            "masked comparison",
            seccomp(
                json!([{"names": ["personality"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 8, "valueTwo": 8, "op": "SCMP_CMP_MASKED_EQ"}]}]),
            ),
            "busybox linux32 uname -m 2>/dev/null || echo no",
            "no",
        ),
        case(
            "config-linux#rootfs-mount-propagation",
            "private",
            linux("rootfsPropagation", json!("private")),
            "grep ' / / ' /proc/self/mountinfo | grep -c -E 'shared:|master:'",
            "0",
        ),
        case(
            "config-linux#rootfs-mount-propagation",
            "unbindable",
            linux("rootfsPropagation", json!("unbindable")),
            "grep -E ' / / | / .* unbindable' /proc/self/mountinfo | grep -c unbindable | tr 2-9 1",
            "1",
        ),
        case(
            "config-linux#masked-paths",
            "what is not there",
            linux("maskedPaths", json!(["/no/such/file"])),
            "echo ok",
            "ok",
        ),
        case(
            "config-linux#readonly-paths",
            "a file",
            linux("readonlyPaths", json!(["/etc/passwd"])),
            "echo x 2>/dev/null >> /etc/passwd || echo no",
            "no",
        ),
        case(
            "config-linux#readonly-paths",
            "what is not there",
            linux("readonlyPaths", json!(["/no/such/file"])),
            "echo ok",
            "ok",
        ),
        case(
            "config-linux#personality",
            "LINUX",
            linux("personality", json!({"domain": "LINUX"})),
            "uname -m",
            "x86_64",
        ),
        case(
            "config-linux#memory-policy",
            "bind to a node",
            linux("memoryPolicy", json!({"mode": "MPOL_BIND", "nodes": "0"})),
            "grep -o -m 1 bind:0 /proc/self/numa_maps",
            "bind:0",
        ),
        case(
            "config-linux#memory-policy",
            "interleave with a flag",
            linux("memoryPolicy", json!({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]})),
            "grep -o -m 1 interleave=static:0 /proc/self/numa_maps",
            "interleave=static:0",
        ),
        case(
            "config-linux#network-devices",
            "none is an empty list",
            linux("netDevices", json!({})),
            "ls /sys/class/net",
            "lo",
        ),
    ]
}
