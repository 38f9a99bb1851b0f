//! Devices by the names of their vendors: what the files of the administrator say of them is what a container gets.

use std::path::Path;

use super::stage;
use crate::support::{TestEnv, isolated};

const YAML: &str = "
cdiVersion: \"0.6.0\"
kind: vendor.com/device
containerEdits:
  env: [SHARED=yes, ONE=0]
devices:
  - name: one
    containerEdits:
      env: [\"ONE=a=b\"]
      deviceNodes:
        - {path: /dev/one, hostPath: /dev/zero, fileMode: 0o640, gid: 7}
        - {path: /dev/log0, hostPath: /dev/kmsg, permissions: r}
      mounts:
        - {hostPath: PLACE/file, containerPath: /opt/vendor/file, options: [ro, nosuid]}
      hooks:
        - {hookName: createRuntime, path: /bin/sh, args: [sh, -c, \"echo hook >> PLACE/log\"]}
        - {hookName: poststop, path: /bin/sh, args: [sh, -c, \"echo stop >> PLACE/log\"]}
  - name: two
    containerEdits:
      deviceNodes:
        - path: /dev/full
";

fn define(env: &TestEnv, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    std::fs::write(env.place.join("file"), "the driver\n").unwrap();
    std::fs::write(dir.join("vendor.yaml"), YAML.replace("PLACE", env.place.to_str().unwrap())).unwrap();
    let gpu = serde_json::json!({"cdiVersion": "0.7.0", "kind": "nvidia.com/gpu", "devices": [
        {"name": "all", "containerEdits": {"env": ["GPU=all"], "additionalGids": [4321]}}]});
    std::fs::write(dir.join("gpu.json"), gpu.to_string()).unwrap();
}

#[test]
fn a_device_of_a_vendor_brings_what_its_file_says() {
    isolated(|env| {
        stage::busybox(env);
        let dir = env.place.join("cdi");
        define(env, &dir);
        let with = |words: &[&str]| env.run(&[&["--cdi-spec-dir", dir.to_str().unwrap()], words].concat());
        let script = "echo $SHARED $ONE; stat -c '%t:%T %a %g' /dev/one; head -c 3 /dev/one | wc -c; \
                      echo x > /dev/log0; cat /opt/vendor/file; echo x > /opt/vendor/file";
        let outcome = with(&[
            "run",
            "--rm",
            "--device",
            "vendor.com/device=one",
            "busybox",
            "sh",
            "-c",
            &format!("{script}; true"),
        ]);
        outcome.ok();
        assert_eq!(outcome.text(), "yes a=b\n1:5 640 7\n3\nthe driver");
        assert!(outcome.stderr.contains("/dev/log0: Operation not permitted"), "{outcome}");
        assert!(outcome.stderr.contains("/opt/vendor/file: Read-only file system"), "{outcome}");
        assert_eq!(std::fs::read_to_string(env.place.join("log")).unwrap(), "hook\nstop\n");

        let words = ["run", "--rm", "--gpus", "all", "--device", "vendor.com/device=two", "busybox", "sh", "-c"];
        assert_eq!(with(&[&words[..], &["echo $GPU $SHARED; id -G"]].concat()).ok(), "all yes\n0 4321");

        let missing = "setting up CDI devices: unresolvable CDI devices vendor.com/device=x, other.com/a=b";
        let words = ["run", "--rm", "--device", "vendor.com/device=x", "--device", "other.com/a=b", "busybox", "true"];
        with(&words).fails(125, missing);
        with(&["create", "--device", "other.com/=b", "busybox"])
            .fails(125, "a device of a vendor is VENDOR/CLASS=NAME");
        assert_eq!(env.run(&["ps", "-aq"]).ok(), "");
    });
}

#[test]
fn a_later_directory_wins_and_two_of_a_name_are_none() {
    isolated(|env| {
        stage::busybox(env);
        let (early, late, conf) = (env.place.join("early"), env.place.join("late"), env.place.join("containers.conf"));
        define(env, &early);
        std::fs::create_dir_all(&late).unwrap();
        let vendor = |name: &str, env: &str| {
            serde_json::json!({"cdiVersion": "0.6.0", "kind": "vendor.com/device", "devices": [
                {"name": name, "containerEdits": {"env": [env]}}]})
            .to_string()
        };
        std::fs::write(late.join("a.json"), vendor("one", "ONE=late")).unwrap();
        std::fs::write(late.join("broken.yaml"), "kind: [").unwrap();
        let text = format!("[engine]\ncdi_spec_dirs = [{:?}, {:?}]\n", early.display(), late.display());
        std::fs::write(&conf, text).unwrap();
        let run = || {
            let words = ["run", "--rm", "--device", "vendor.com/device=one", "busybox", "sh", "-c", "echo $ONE"];
            let mut command = env.dhow(&words);
            command.env("CONTAINERS_CONF", &conf);
            crate::support::env::finished(command, b"")
        };
        assert_eq!(run().ok(), "late");
        std::fs::write(late.join("b.json"), vendor("one", "ONE=again")).unwrap();
        let outcome = run();
        outcome.fails(125, "unresolvable CDI devices vendor.com/device=one");
        assert!(outcome.stderr.contains("vendor.com/device=one is defined twice"), "{outcome}");
        assert!(outcome.stderr.contains("broken.yaml: line 1 column 7: "), "{outcome}");
        // What strangers can write is not believed.
        std::fs::remove_file(late.join("b.json")).unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        std::fs::set_permissions(late.join("a.json"), open).unwrap();
        assert_eq!(run().ok(), "a=b");
    });
}
