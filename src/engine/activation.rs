//! What a service manager hands to the process that it starts and a container gets of it: the notification socket
//! (`NOTIFY_SOCKET`, `--sdnotify`), and the listening sockets of socket activation. sd_notify(3), sd_listen_fds(3).

use std::path::Path;

use super::spec::{BoundFile, Facts};
use crate::model::service::NotifyMode;
use crate::monitor::config::NotifyConfig;
use crate::runtime::notify::{INSIDE, OPTIONS, SOCKET};
use crate::sys::notify;

/// The manager that waits to hear of the container that is being started.
pub(crate) struct Manager {
    mode: NotifyMode,
    address: String,
}

impl Manager {
    /// The one that started this process; none where nobody is to be told.
    pub(crate) fn of(mode: NotifyMode) -> Option<Self> {
        let address = std::env::var("NOTIFY_SOCKET").ok().filter(|address| !address.is_empty());
        address.filter(|_| mode != NotifyMode::Ignore).map(|address| Self { mode, address })
    }

    /// Gives the container a socket of its own, if it is the one to speak, and what its monitor is to do with it.
    pub(crate) fn share(&self, run_dir: &Path, facts: &mut Facts) -> Option<NotifyConfig> {
        if self.mode != NotifyMode::Container {
            return None;
        }
        let dir = run_dir.join("notify");
        let options = OPTIONS.map(str::to_owned).into();
        facts.files.push(BoundFile { source: dir.clone(), target: INSIDE.to_owned(), options });
        facts.environment.push(format!("NOTIFY_SOCKET={INSIDE}/{SOCKET}"));
        Some(NotifyConfig { socket: dir.join(SOCKET), to: self.address.clone() })
    }

    /// Where the monitor is to say that the container is ready, once it is healthy.
    pub(crate) fn when_healthy(&self) -> Option<String> {
        (self.mode == NotifyMode::Healthy).then(|| self.address.clone())
    }

    /// Whether the monitor speaks to the manager, which has to know it by then: it may listen to the main process alone.
    pub(crate) fn hears_monitor(&self) -> bool {
        self.mode != NotifyMode::Conmon
    }

    /// Tells who will keep the container and say when it is ready. Before the command runs: it may speak at once.
    pub(crate) fn introduce(&self, monitor: i32) {
        if self.hears_monitor() {
            self.say(&format!("MAINPID={monitor}"));
        }
    }

    /// Tells who keeps the container from now on, and that it is ready, if nobody else says so.
    pub(crate) fn tell(&self, monitor: i32) {
        if !self.hears_monitor() {
            self.say(&format!("MAINPID={monitor}\nREADY=1"));
        }
    }

    fn say(&self, text: &str) {
        // A manager that does not listen is not the container's fault.
        notify::send(&self.address, text).ok();
    }
}

/// How many listening sockets this process has of its service manager.
pub(crate) fn listening() -> u32 {
    notify::listening(true)
}

/// Tells the container's first process of the sockets, if they are the `count` descriptors that it gets.
pub(crate) fn announce(count: usize, environment: &mut Vec<String>) {
    if count > 0 && usize::try_from(listening()).ok() == Some(count) {
        environment.extend(notify::handed_on(count));
    }
}
