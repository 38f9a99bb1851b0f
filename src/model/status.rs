//! What state a container is in, and which actions that allows. Every pair is decided in one table.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::id::Id;

/// The states of a container, podman's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Created,
    Initialized,
    Running,
    Paused,
    Stopping,
    Exited,
    Removing,
}

impl Status {
    pub(crate) const ALL: [Self; 7] =
        [Self::Created, Self::Initialized, Self::Running, Self::Paused, Self::Stopping, Self::Exited, Self::Removing];

    /// podman's word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Initialized => "initialized",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Exited => "exited",
            Self::Removing => "removing",
        }
    }

    /// Whether its init lives.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Initialized | Self::Running | Self::Paused | Self::Stopping)
    }

    /// The state of container `id` after `action`, or podman's refusal. An action that finds its work done gives the
    /// same state.
    pub(crate) fn after(self, action: Action, id: &Id) -> Result<Self, Error> {
        use Action as A;
        use Status as S;
        let refuse = |message: String| Err(Error::state(message));
        match (self, action) {
            (S::Created | S::Exited | S::Initialized, A::Start) => Ok(S::Running),
            (S::Created | S::Exited, A::Init) => Ok(S::Initialized),
            (S::Running, A::Start) => Ok(S::Running),
            (S::Running | S::Stopping, A::Stop) => Ok(S::Stopping),
            (S::Paused, A::Stop) => Ok(S::Stopping),
            (S::Created | S::Exited | S::Initialized, A::Stop) => Ok(self),
            (S::Running | S::Paused | S::Stopping, A::Kill) => Ok(self),
            (S::Running, A::Pause) => Ok(S::Paused),
            (S::Paused, A::Unpause) => Ok(S::Running),
            (S::Running, A::Exec | A::Attach) => Ok(self),
            (S::Initialized | S::Running | S::Paused | S::Stopping, A::Exit) => Ok(S::Exited),
            (S::Created | S::Exited | S::Removing, A::Exit) => Ok(self),
            (S::Created | S::Exited | S::Initialized | S::Removing, A::Remove) => Ok(S::Removing),
            (_, A::RemoveForce) => Ok(S::Removing),
            (S::Removing, A::Init | A::Start | A::Stop | A::Pause | A::Unpause | A::Kill | A::Exec | A::Attach) => {
                refuse("container is being removed: container state improper".to_owned())
            }
            (_, A::Init) => {
                refuse(format!("container {id} has already been created in runtime: container state improper"))
            }
            (S::Paused, A::Start) => {
                refuse("cannot start a paused container, try unpause instead: container state improper".to_owned())
            }
            (S::Stopping, A::Start) => refuse("container is stopping: container state improper".to_owned()),
            (_, A::Kill) => refuse(format!(
                "can only kill running containers. {id} is in state {}: container state improper",
                self.as_str()
            )),
            (S::Paused, A::Pause) => refuse(format!("\"{id}\" is already paused: container state improper")),
            (_, A::Pause) => {
                refuse(format!("\"{}\" is not running, can't pause: container state improper", self.as_str()))
            }
            (_, A::Unpause) => {
                refuse(format!("\"{id}\" is not paused, can't unpause: container state improper"))
            }
            (_, A::Exec) => {
                refuse("can only create exec sessions on running containers: container state improper".to_owned())
            }
            (_, A::Attach) => refuse("you can only attach to running containers".to_owned()),
            (S::Running | S::Paused | S::Stopping, A::Remove) => Err(Error::state(format!(
                "cannot remove container {id} as it is {} - running or paused containers cannot be removed without force: container state improper",
                self.as_str()
            ))
            .hint("stop it first, or give --force")),
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is done to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// All that comes before its command is executed.
    Init,
    Start,
    Stop,
    Kill,
    Pause,
    Unpause,
    Exec,
    Attach,
    /// Its init ended.
    Exit,
    Remove,
    RemoveForce,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> Id {
        Id::from_random([7; 32])
    }

    #[test]
    fn only_what_has_no_live_process_is_removed_without_force() {
        for status in Status::ALL {
            // What was initialized has run nothing yet that a removal could interrupt.
            let idle = !status.is_alive() || status == Status::Initialized;
            assert_eq!(status.after(Action::Remove, &id()).is_ok(), idle, "{status}");
            assert_eq!(status.after(Action::RemoveForce, &id()), Ok(Status::Removing));
        }
    }

    #[test]
    fn a_paused_container_is_stopped_but_not_started() {
        assert_eq!(Status::Paused.after(Action::Stop, &id()), Ok(Status::Stopping));
        assert!(Status::Paused.after(Action::Start, &id()).is_err());
    }
}
