//! Container engines as a tracer meets them: an option that puts a variable into
//! a new process's environment, and the question which process a container has.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{TraceError, VARIABLE};

/// An engine with podman's and Docker's command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Engine(&'static str);

/// Every program that takes `run --env` and `exec --env`.
const ENGINES: [&str; 4] = ["podman", "docker", "nerdctl", "podman-remote"];
/// Those that are asked for a container; the others answer for the same ones.
const ASKED: [&str; 2] = ["podman", "docker"];
/// The sub-commands that start a process in a container, or prepare one.
const STARTING: [&str; 3] = ["run", "create", "exec"];

impl Engine {
    /// The engine that `program` is, by its name.
    pub fn of(program: &OsStr) -> Option<Engine> {
        let name = Path::new(program).file_name()?;
        ENGINES
            .into_iter()
            .find(|engine| name == *engine)
            .map(Engine)
    }
}

/// The arguments of an engine with the option that sets the variable in the
/// container, behind the sub-command.
pub fn with_variable(
    program: &OsStr,
    args: &[OsString],
    value: &OsStr,
) -> Result<Vec<OsString>, TraceError> {
    let at = sub_command(args).ok_or_else(|| {
        let words = std::iter::once(program).chain(args.iter().map(OsString::as_os_str));
        let words: Vec<_> = words.map(|word| word.display().to_string()).collect();
        TraceError::NoProcess(words.join(" "))
    })?;
    let mut option = OsString::from(format!("--env={VARIABLE}="));
    option.push(value);
    let mut all = args.to_vec();
    all.insert(at + 1, option);
    Ok(all)
}

/// Where the sub-command is that starts a process. Before it come options, whose
/// values may be words of their own, and `container`, which may go before it.
fn sub_command(args: &[OsString]) -> Option<usize> {
    let mut may_be_a_value = false;
    for (index, word) in args.iter().enumerate() {
        if STARTING.iter().any(|name| word == name) {
            return Some(index);
        }
        let is_option = word.as_encoded_bytes().starts_with(b"-");
        if !is_option && !may_be_a_value && word != "container" {
            return None;
        }
        may_be_a_value = is_option && !word.as_encoded_bytes().contains(&b'=');
    }
    None
}

/// The first process of the running container `name`, as its engine says.
pub fn process_of(name: &str) -> Result<i64, TraceError> {
    let mut found = Vec::new();
    let mut reasons = Vec::new();
    for engine in ASKED {
        match ask(engine, name) {
            Some(Ok(pid)) => found.push(pid),
            Some(Err(reason)) => reasons.push(format!("{engine}: {reason}")),
            None => {}
        }
    }
    found.dedup();
    match found[..] {
        [pid] => Ok(pid),
        [_, _, ..] => Err(TraceError::Ambiguous(name.to_owned())),
        [] if reasons.is_empty() => Err(TraceError::NoEngine(name.to_owned())),
        [] => Err(TraceError::NoContainer {
            name: name.to_owned(),
            reasons: reasons.join("; "),
        }),
    }
}

/// What one engine says; nothing where it is not installed.
fn ask(engine: &str, name: &str) -> Option<Result<i64, String>> {
    let output = Command::new(engine)
        .args(["container", "inspect", "--format", "{{.State.Pid}}", "--"])
        .arg(name)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().replace('\n', " ");
    if !output.status.success() {
        return Some(Err(text(&output.stderr)));
    }
    // A container that does not run has process 0.
    let pid = text(&output.stdout).parse().ok().filter(|pid| *pid > 0);
    Some(pid.ok_or_else(|| "it does not run".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(line: &str) -> Result<String, String> {
        let mut words = line.split(' ').map(OsString::from);
        let program = words.next().unwrap();
        let args: Vec<OsString> = words.collect();
        with_variable(&program, &args, OsStr::new("1"))
            .map(|args| args.join(OsStr::new(" ")).into_string().unwrap())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_variable_goes_behind_the_sub_command() {
        for (line, expected) in [
            ("podman run image", "run --env=PUMICE_TRACE=1 image"),
            (
                "docker -H unix:///x run --rm image run",
                "-H unix:///x run --env=PUMICE_TRACE=1 --rm image run",
            ),
            (
                "/usr/bin/podman --log-level=debug --remote container exec one run",
                "--log-level=debug --remote container exec --env=PUMICE_TRACE=1 one run",
            ),
            ("nerdctl create i", "create --env=PUMICE_TRACE=1 i"),
        ] {
            assert_eq!(traced(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_starts_no_process_is_refused() {
        for line in [
            "podman ps",
            "podman",
            "docker compose run x",
            "podman logs run",
        ] {
            let error = traced(line).unwrap_err();
            assert!(
                error.starts_with(&format!("`{line}` does not start")),
                "{error}"
            );
        }
    }

    #[test]
    fn engines_are_known_by_their_names() {
        assert!(Engine::of(OsStr::new("/usr/local/bin/docker")).is_some());
        for other in ["llama-server", "podman-compose", "/podman/x", ""] {
            assert_eq!(Engine::of(OsStr::new(other)), None, "{other}");
        }
    }
}
