//! Limits that change while a container runs, and what it uses.

use super::stage::{self, inspect};
use crate::require;
use crate::support::isolated;

#[test]
fn limits_change_under_a_running_container() {
    require!(root, cgroup, busybox);
    isolated(|env| {
        stage::busybox(env);
        let words = ["run", "-d", "--name", "box", "--network", "none", "-m", "64m", "busybox", "sleep", "1000"];
        let id = env.run(&words).ok();
        let more = ["-m", "96m", "--pids-limit", "77", "--cpus", "0.5", "--restart", "on-failure:3"];
        assert_eq!(env.run(&[&["update"][..], &more, &["box"]].concat()).ok(), id);
        let host = inspect(env, "box")["HostConfig"].clone();
        assert_eq!((&host["Memory"], &host["PidsLimit"]), (&(96 << 20).into(), &77.into()), "{host}");
        assert_eq!((&host["CpuQuota"], &host["CpuPeriod"]), (&50_000.into(), &100_000.into()));
        assert_eq!(host["RestartPolicy"]["MaximumRetryCount"], 3);
        // The kernel was told, too.
        let usage = env.run(&["stats", "--no-stream", "--format", "{{.MemLimit}} {{.PIDs}} {{.Name}}", "box"]).ok();
        assert_eq!(usage, format!("{} 1 box", 96 << 20));
        env.run(&["update", "-m", "10b", "box"]).exits(125);
        assert_eq!(inspect(env, "box")["HostConfig"]["Memory"], 96 << 20, "what was refused is not remembered");
        env.run(&["update", "--restart", "sometimes", "box"]).fails(125, "is not a valid restart policy");
        env.run(&["update", "none"]).fails(125, "no container with name or ID \"none\" found: no such container");
        // What is set before a start holds after it.
        env.run(&["stop", "-t", "0", "box"]).ok();
        env.run(&["update", "-m", "80m", "box"]).ok();
        env.run(&["start", "box"]).ok();
        let usage = env.run(&["stats", "--no-stream", "--format", "{{.MemLimit}}", "box"]).ok();
        assert_eq!(usage, (80 << 20).to_string());
        env.run(&["rm", "-f", "-t", "0", "box"]).ok();
    });
}

#[test]
fn stats_are_a_table_or_json() {
    require!(root, cgroup, busybox);
    isolated(|env| {
        stage::busybox(env);
        let id = env.run(&["run", "-d", "--name", "box", "busybox", "sleep", "1000"]).ok();
        env.run(&["create", "--name", "idle", "--network", "none", "busybox"]).ok();
        let lines = env.run(&["stats", "--no-stream"]).lines();
        let words: Vec<&str> = lines[0].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect();
        let expected = [
            "ID",
            "NAME",
            "CPU %",
            "MEM USAGE / LIMIT",
            "MEM %",
            "NET IO",
            "BLOCK IO",
            "PIDS",
            "CPU TIME",
            "AVG CPU %",
        ];
        assert_eq!(words, expected);
        assert!(lines.len() == 2 && lines[1].starts_with(&id[..12]), "{lines:?}");
        let rows = env.run(&["stats", "--no-stream", "--format", "json"]).json();
        let keys: Vec<&String> = rows[0].as_object().unwrap().keys().collect();
        let expected = [
            "id",
            "name",
            "cpu_time",
            "cpu_percent",
            "avg_cpu",
            "mem_usage",
            "mem_percent",
            "net_io",
            "block_io",
            "pids",
        ];
        assert_eq!(keys, expected);
        assert_eq!((&rows[0]["name"], &rows[0]["pids"]), (&"box".into(), &"1".into()));
        let names = env.run(&["stats", "--no-stream", "-a", "--format", "{{.Name}} {{.PIDS}}"]).lines();
        assert_eq!(names, ["box 1", "idle 0"]);
        env.run(&["stats", "--no-stream", "none"]).fails(125, "no such container");
        env.run(&["stats", "-a", "box"]).fails(125, "--all, --latest and containers cannot be used together");
        env.run(&["rm", "-f", "-t", "0", "box", "idle"]).ok();
    });
}
