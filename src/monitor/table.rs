//! What a monitor does, as one table: state by event. Every pair is decided here, and nothing is left to an `if`.

/// Where the container is, seen from its monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The process exists and waits for the command to start.
    Created,
    /// It waits for another command than the one that made it.
    Kept,
    /// The program runs.
    Running,
    /// It has ended and that is recorded; the foreground client has not yet taken what is left for it.
    Leaving,
    /// Nothing more to do.
    Gone,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The engine says `Start`.
    Start,
    /// The engine says `Keep`.
    Keep,
    /// The program could not be executed.
    StartFailed,
    /// The engine closed its channel, or broke its rules.
    EngineGone,
    /// The process has ended.
    ChildExited,
    /// The foreground client says that it cleans up; or there is nothing to clean.
    Cleaning,
    /// The foreground client hung up.
    ForegroundGone,
    /// The foreground client has everything, `Exit` included, or there is none.
    Delivered,
    /// The time for what we wait for is over.
    Deadline,
    /// The container is to end: its service manager says so, or its health.
    Stop,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Nothing,
    /// Let the process go, and report.
    Start,
    /// Open the gate for a later engine, and report.
    Keep,
    /// Report that it died before its start, and undo.
    Died,
    /// Ask the process to end, and give it a while.
    Stop,
    /// Kill the process: its time is over. That it ended is told as of any other.
    Kill,
    /// Kill the process and undo whatever was made for it.
    Undo,
    /// Close the channel: its work is done.
    Close,
    /// Reap, drain, record, tell the clients.
    Finish,
    /// Give the foreground client a while to say that it cleans up.
    Await,
    /// End without cleaning up.
    Leave,
    /// Become `Cleanup`.
    CleanUp,
}

/// The table.
pub(crate) fn decide(state: State, event: Event) -> (Action, State) {
    use Event as E;
    use State::{Created, Gone, Kept, Leaving, Running};
    match (state, event) {
        (Created, E::Start) => (Action::Start, Running),
        (Created, E::Keep) => (Action::Keep, Kept),
        (Created, E::ChildExited) => (Action::Died, Gone),
        // The engine died, or takes too long: nobody waits for this container any more.
        (Created, E::EngineGone | E::Deadline | E::StartFailed | E::Stop) => (Action::Undo, Gone),
        // Its engine follows it, or starts the container all the same.
        (Created, E::Cleaning | E::ForegroundGone | E::Delivered) => (Action::Nothing, Created),

        (Kept, E::Start) => (Action::Start, Running),
        // The gate could not be opened.
        (Kept, E::StartFailed) => (Action::Undo, Gone),
        // Who made it is done, or who came to start it thought better of it.
        (Kept, E::EngineGone) => (Action::Close, Kept),
        // What others may know of by now ends like any other.
        (Kept, E::ChildExited) => (Action::Finish, Leaving),
        (Kept, E::Deadline | E::Stop) => (Action::Kill, Kept),
        (Kept, E::Keep | E::Cleaning | E::ForegroundGone | E::Delivered) => (Action::Nothing, Kept),

        (Running, E::StartFailed) => (Action::Undo, Gone),
        (Running, E::EngineGone) => (Action::Close, Running),
        (Running, E::ChildExited) => (Action::Finish, Leaving),
        // A second start is as good as the first. Who went, went: the container goes on.
        (Running, E::Start | E::Keep | E::Cleaning | E::ForegroundGone | E::Delivered) => (Action::Nothing, Running),
        (Running, E::Deadline) => (Action::Kill, Running),
        (Running, E::Stop) => (Action::Stop, Running),

        (Leaving, E::Delivered) => (Action::Await, Leaving),
        (Leaving, E::Cleaning) => (Action::Leave, Gone),
        (Leaving, E::ForegroundGone | E::Deadline) => (Action::CleanUp, Gone),
        (Leaving, E::EngineGone) => (Action::Close, Leaving),
        (Leaving, E::Start | E::Keep | E::StartFailed | E::ChildExited | E::Stop) => (Action::Nothing, Leaving),

        (Gone, _) => (Action::Nothing, Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_as_written_here() {
        use Action as A;
        use State::{Created as C, Gone as G, Kept as K, Leaving as L, Running as R};
        const STATES: [State; 5] = [C, K, R, L, G];
        let rows = [
            (Event::Start, [(A::Start, R), (A::Start, R), (A::Nothing, R), (A::Nothing, L), (A::Nothing, G)]),
            (Event::Keep, [(A::Keep, K), (A::Nothing, K), (A::Nothing, R), (A::Nothing, L), (A::Nothing, G)]),
            (Event::StartFailed, [(A::Undo, G), (A::Undo, G), (A::Undo, G), (A::Nothing, L), (A::Nothing, G)]),
            (Event::EngineGone, [(A::Undo, G), (A::Close, K), (A::Close, R), (A::Close, L), (A::Nothing, G)]),
            (Event::ChildExited, [(A::Died, G), (A::Finish, L), (A::Finish, L), (A::Nothing, L), (A::Nothing, G)]),
            (Event::Cleaning, [(A::Nothing, C), (A::Nothing, K), (A::Nothing, R), (A::Leave, G), (A::Nothing, G)]),
            (
                Event::ForegroundGone,
                [(A::Nothing, C), (A::Nothing, K), (A::Nothing, R), (A::CleanUp, G), (A::Nothing, G)],
            ),
            (Event::Delivered, [(A::Nothing, C), (A::Nothing, K), (A::Nothing, R), (A::Await, L), (A::Nothing, G)]),
            (Event::Deadline, [(A::Undo, G), (A::Kill, K), (A::Kill, R), (A::CleanUp, G), (A::Nothing, G)]),
            (Event::Stop, [(A::Undo, G), (A::Kill, K), (A::Stop, R), (A::Nothing, L), (A::Nothing, G)]),
        ];
        for (event, wanted) in rows {
            for (state, want) in STATES.into_iter().zip(wanted) {
                assert_eq!(decide(state, event), want, "{state:?} {event:?}");
            }
        }
    }
}
