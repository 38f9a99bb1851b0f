//! Health checks of an ordinary user's containers.

use crate::support::env::eventually;
use crate::support::isolated;
use crate::{require, user};

#[test]
fn a_users_container_is_checked_and_started_again() {
    require!(root, newuidmap, busybox);
    isolated(|env| {
        user::busybox(env);
        // Well from its second run on.
        let script = "test -e /again && touch /well; touch /again; exec sleep 1000";
        let checks = ["--health-cmd", "test -e /well", "--health-interval", "50ms", "--health-retries", "1"];
        let words = ["run", "-d", "--name", "box", "--network", "none", "--stop-timeout", "0"];
        let on_failure = ["--health-on-failure", "restart", "busybox", "sh", "-c", script];
        env.user.run(&[&words[..], &checks, &on_failure].concat()).ok();
        env.user.run(&["wait", "--condition", "healthy", "box"]).ok();
        assert!(user::inspect(env, "box")["RestartCount"].as_u64() >= Some(1));
        env.user
            .run(&["update", "--health-cmd", "test $(id -u) = 0 && echo said", "--health-on-failure", "none", "box"])
            .ok();
        env.user.run(&["healthcheck", "run", "box"]).ok();
        let log = || user::inspect(env, "box")["State"]["Health"]["Log"].as_array().cloned().unwrap_or_default();
        eventually("the new check speaks", || log().last().is_some_and(|entry| entry["Output"] == "said\n"));
        env.user.run(&["update", "--health-cmd", "false", "box"]).ok();
        env.user.run(&["wait", "--condition", "unhealthy", "box"]).ok();
        let words = ["events", "--stream=false", "--filter", "event=health_status", "--format", "{{.HealthStatus}}"];
        assert_eq!(env.user.run(&words).lines(), ["unhealthy", "healthy", "unhealthy"]);
        user::remove(env, "box");
    });
}
