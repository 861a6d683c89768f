//! Running a program with a limit on its time, and what it printed.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a program did.
pub struct Output {
    pub command: String,
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
    /// What pumice logged lately, which engines do not show: for who reads of a
    /// failure, and for no test.
    pub log: String,
    pub elapsed: Duration,
}

impl Output {
    /// Runs `command`, which is ended after `limit`.
    pub fn of(command: &Command, limit: Duration) -> Output {
        let mut limited = Command::new("timeout");
        limited
            .arg("--kill-after=10")
            .arg(limit.as_secs().to_string())
            .arg(command.get_program());
        limited.args(command.get_args()).stdin(Stdio::null());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        let started = Instant::now();
        let output = limited.output().expect("timeout(1) can be run");
        Output {
            command: format!("{command:?}"),
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            log: String::new(),
            elapsed: started.elapsed(),
        }
    }

    /// What it printed, if it succeeded.
    #[track_caller]
    pub fn expect_success(self) -> Output {
        assert!(self.success, "{self}");
        self
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.success { "succeeded" } else { "failed" };
        writeln!(f, "{} {how} after {:?}", self.command, self.elapsed)?;
        write!(f, "--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)?;
        match self.log.as_str() {
            "" => Ok(()),
            log => write!(f, "--- pumice's log\n{log}"),
        }
    }
}
