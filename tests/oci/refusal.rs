//! Bad bundles: the field and the reason, and nothing left of them.

use serde_json::json;

use super::bundle::{Bundle, Runtime};
use crate::support::isolated;

#[test]
fn a_bad_bundle_is_refused_by_its_field_before_anything_is_made() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let bundle = Bundle::new(env, "b");
        let namespaces = |list: serde_json::Value| json!({"linux": {"namespaces": list}});
        for (change, words) in [
            (json!({"ociVersion": "2.0.0"}), "unsupported version \"2.0.0\""),
            (json!({"root": null}), "no root"),
            (json!({"root": {"path": "nowhere"}}), "root.path"),
            (json!({"process": null}), "no process"),
            (json!({"process": {"args": null}}), "process.args: no command"),
            (json!({"process": {"cwd": "relative"}}), "process.cwd"),
            (json!({"process": {"oomScoreAdj": 2000}}), "process.oomScoreAdj"),
            (json!({"process": {"user": {"uid": 4_294_967_295_u32}}}), "process.user"),
            (json!({"hostname": "a\nb"}), "hostname"),
            (json!({"hooks": {"prestart": [{"path": "x"}]}}), "hooks.prestart[0].path"),
            (namespaces(json!([{"type": "pid"}])), "linux.namespaces: duplicate namespace pid"),
            (json!({"linux": {"rootfsPropagation": "sideways"}}), "linux.rootfsPropagation"),
            (json!({"linux": {"maskedPaths": ["relative"]}}), "mask relative: not an absolute path"),
            (json!({"linux": {"uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}}), "linux.uidMappings"),
            (json!({"linux": {"cgroupsPath": "/../x"}}), "linux.cgroupsPath"),
            (json!({"linux": {"sysctl": {"kernel.panic": "1"}}}), "kernel.panic"),
            (json!({"linux": {"intelRdt": {"closID": "../x"}}}), "linux.intelRdt.closID"),
            (json!({"linux": {"intelRdt": {"schemata": ["L3:0=x"]}}}), "linux.intelRdt: \"L3:0=x\""),
            (json!({"linux": {"netDevices": {"nowhere": {}}}}), "the host has no link \"nowhere\""),
            (json!({"linux": {"netDevices": {"a/b": {}}}}), "is no name of a link"),
            (json!({"mounts": [{"destination": "/proc/self", "type": "tmpfs"}]}), "mount on /proc/self"),
            (json!({"mounts": [{"destination": "/x", "type": "bind", "source": "/nowhere"}]}), "/nowhere"),
        ] {
            bundle.config("true", change.clone());
            let outcome = oci.with(&bundle, &["create", "c1"]);
            assert!(outcome.code == 1 && outcome.stderr.contains(words), "{change}: expected {words:?} of {outcome}");
            assert!(oci.is_empty(), "{change}");
        }
        for (text, words) in [("{", "parse"), ("[]", "ociVersion"), (r#"{"ociVersion": 1}"#, "parse"), ("", "parse")] {
            std::fs::write(bundle.path.join("config.json"), text).unwrap();
            oci.with(&bundle, &["create", "c1"]).fails(1, words);
        }
        std::fs::remove_file(bundle.path.join("config.json")).unwrap();
        oci.with(&bundle, &["create", "c1"]).fails(1, "read ");
        oci.run(&["create", "-b", "/nowhere", "c1"]).fails(1, "bundle /nowhere");
        bundle.config("true", json!({}));
        for id in ["../x", "a/b", ".x", ""] {
            oci.with(&bundle, &["create", id]).fails(1, "invalid container id");
        }
        // Where the processor can divide nothing there is no such file system.
        if !std::path::Path::new("/sys/fs/resctrl/schemata").exists() {
            bundle.config("true", json!({"linux": {"intelRdt": {"closID": "gold", "schemata": ["L3:0=f"]}}}));
            oci.with(&bundle, &["create", "c1"]).fails(1, "linux.intelRdt: no resctrl file system is mounted");
            bundle.config("true", json!({}));
        }
        if !std::path::Path::new("/run/systemd/private").exists() {
            let words = ["--systemd-cgroup", "create", "c1"];
            oci.with(&bundle, &words).fails(1, "the systemd cgroup driver needs a service manager");
        }
        assert!(oci.is_empty());
        // The next one works.
        oci.with(&bundle, &["run", "c1"]).ok();
    });
}

#[test]
fn errors_are_logged_where_callers_read_them() {
    isolated(|env| {
        let oci = Runtime::dhow(env);
        let log = env.place.join("log.json");
        let path = log.display().to_string();
        oci.run(&["--log", &path, "--log-format", "json", "state", "c1"]).fails(1, "does not exist");
        let line: serde_json::Value = serde_json::from_slice(&std::fs::read(&log).unwrap()).unwrap();
        assert_eq!((&line["level"], &line["msg"]), (&json!("error"), &json!("container \"c1\" does not exist")));
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
        oci.run(&["--log", &path, "state", "c1"]).fails(1, "does not exist");
        let text = std::fs::read_to_string(&log).unwrap();
        assert!(text.lines().nth(1).unwrap().contains("level=error msg=\"container"), "{text}");
        std::fs::remove_file(log).unwrap();
    });
}
