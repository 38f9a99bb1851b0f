//! The kill sweep: a command is run once to learn its state-changing calls, then again and again, killed each time at
//! another of them; after each kill the caller checks that the next command heals everything.
//!
//! A sample of the points is enough for every day; `DHOW_TEST_SWEEP=all` takes them all.

use std::process::Command;
use std::time::Duration;

use super::env::TestEnv;
use super::trace::{self, Call, Plan};

/// A command to be killed.
pub(crate) struct Sweep<'a> {
    /// Brings the store to the state that the command needs; before every run, also after a kill and its check.
    pub(crate) prepare: &'a dyn Fn(&TestEnv),
    pub(crate) command: &'a dyn Fn(&TestEnv) -> Command,
    /// Whether the command is right to exit with this code when nobody kills it.
    pub(crate) exits: i32,
    /// How many points to try, evenly spread; None for all.
    pub(crate) sample: Option<usize>,
}

impl Sweep<'_> {
    /// Kills at each chosen point and calls `check` with the call that was not made. Returns all the calls.
    #[track_caller]
    pub(crate) fn run(&self, env: &TestEnv, mut check: impl FnMut(&TestEnv, &Call)) -> Vec<Call> {
        let limit = Duration::from_secs(60);
        let plan = |kill_at| Plan { kill_at, counts: &trace::not_payload, limit };
        (self.prepare)(env);
        let learnt = trace::run((self.command)(env), &plan(None));
        let code = learnt.status.and_then(|status| status.code());
        assert_eq!(code, Some(self.exits), "the command fails without a kill: {learnt:?}");
        for point in points(learnt.calls.len(), self.sample) {
            (self.prepare)(env);
            let traced = trace::run((self.command)(env), &plan(Some(point)));
            // A shorter run: nothing was killed, and there is nothing to heal.
            let Some(call) = traced.killed else {
                assert!(traced.status.is_some(), "the command hung before point {point}: {:?}", traced.calls.last());
                continue;
            };
            // What a check says when it fails is of no use without the point.
            println!("killed at {point} of {}: {call}", learnt.calls.len());
            // It is dead, or one that it made is: then it notices.
            assert!(traced.status.is_some(), "the command waited for the killed one for more than {limit:?}");
            check(env, &call);
        }
        learnt.calls
    }
}

/// The points to kill at, of `count`.
pub(crate) fn points(count: usize, sample: Option<usize>) -> Vec<usize> {
    let all = std::env::var("DHOW_TEST_SWEEP").as_deref() == Ok("all");
    match sample.filter(|sample| !all && *sample < count) {
        None => (1..=count).collect(),
        Some(sample) => (0..sample).map(|n| 1 + n * count / sample).collect(),
    }
}
