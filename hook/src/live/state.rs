//! The state that a runtime gives a hook on stdin. Runtimes differ (crun adds
//! `root` and has a status of its own), so only what is needed is read, and the
//! rest is let through.

use std::io::Read;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{LiveError, MAX_STATE};

/// The parts of the OCI state that matter here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The container's first process, in the runtime's pid namespace.
    pub pid: i64,
    /// Absolute path of the bundle.
    pub bundle: PathBuf,
    /// The root filesystem, which only crun tells.
    #[serde(default)]
    pub root: Option<PathBuf>,
}

impl State {
    /// Reads at most 1 MiB of JSON; the parser limits its depth.
    pub fn read(input: impl Read) -> Result<State, LiveError> {
        let mut text = Vec::new();
        input
            .take(MAX_STATE + 1)
            .read_to_end(&mut text)
            .map_err(|error| LiveError::State(error.to_string()))?;
        if text.len() as u64 > MAX_STATE {
            return Err(LiveError::State(format!(
                "it is larger than {} MiB",
                MAX_STATE >> 20
            )));
        }
        let state: State =
            serde_json::from_slice(&text).map_err(|error| LiveError::State(error.to_string()))?;
        state.check()
    }

    fn check(self) -> Result<State, LiveError> {
        if self.pid <= 1 {
            let reason = "a container's process is neither 0 nor 1 outside its pid namespace: the hook runs at the wrong stage".into();
            return Err(LiveError::Process {
                pid: self.pid,
                reason,
            });
        }
        if i32::try_from(self.pid).is_err() {
            return Err(LiveError::Process {
                pid: self.pid,
                reason: "it is out of range".into(),
            });
        }
        if !self.bundle.is_absolute() || self.root.as_ref().is_some_and(|root| !root.is_absolute())
        {
            return Err(LiveError::State("its paths are not absolute".into()));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_both_runtimes_are_read() {
        let runc = r#"{"ociVersion":"1.0.2-dev","id":"x","status":"creating","pid":4711,"bundle":"/b","annotations":null}"#;
        assert_eq!(
            State::read(runc.as_bytes()).unwrap(),
            State {
                pid: 4711,
                bundle: "/b".into(),
                root: None
            }
        );
        let crun = r#"{"ociVersion":"1.0","id":"x","pid":4711,"root":"/b/rootfs","bundle":"/b","status":"starting","annotations":{"a":"b"}}"#;
        assert_eq!(
            State::read(crun.as_bytes()).unwrap().root,
            Some("/b/rootfs".into())
        );
    }

    #[test]
    fn the_pids_of_createcontainer_are_refused() {
        for pid in ["0", "1", "-1", "99999999999"] {
            let state = format!(r#"{{"pid":{pid},"bundle":"/b"}}"#);
            assert!(
                matches!(
                    State::read(state.as_bytes()),
                    Err(LiveError::Process { .. })
                ),
                "{pid}"
            );
        }
    }

    #[test]
    fn huge_deep_and_malformed_states_are_errors() {
        let limit = usize::try_from(MAX_STATE).unwrap();
        for text in [
            " ".repeat(limit + 1),
            "[".repeat(10_000),
            "{".into(),
            "{}".into(),
            String::new(),
            r#"{"pid":2,"bundle":"b"}"#.into(),
        ] {
            assert!(matches!(
                State::read(text.as_bytes()),
                Err(LiveError::State(_))
            ));
        }
    }
}
