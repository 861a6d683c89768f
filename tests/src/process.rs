//! Processes of a test's own: for environments, exits and forks that would
//! disturb the process the test runs in.

use std::ffi::{CStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

/// Set in a child to the name of the test whose body it shall run.
const CHILD: &str = "API_TEST_CHILD";
/// The line on standard output that carries the body's answer.
const ANSWER: &str = "child-answer: ";
/// Variables that would change what a child sees of the devices.
const DEVICE_VARIABLES: [&str; 5] = [
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "PUMICE_COMPUTE_CAPABILITY",
    "PUMICE_EXACT",
    "PUMICE_TRACE",
];

/// What a child process left behind.
#[derive(Debug)]
pub struct Answer {
    /// What the body returned.
    pub value: String,
    /// Everything on standard output, the test harness' own lines included.
    pub stdout: String,
    /// Everything on standard error.
    pub stderr: String,
}

/// Runs `body` in a new process with `variables` in its environment, and none
/// of the variables that choose devices unless they are given.
///
/// The child is the running test executable again, told to run only the calling
/// test: so the call works wherever the executable was carried. All such calls
/// of one test have the same body, because the child runs the first it meets.
///
/// # Panics
/// If the child does not end with an answer; the message holds its output.
pub fn in_child(variables: &[(&str, &str)], body: impl Fn() -> String) -> Answer {
    in_child_of(&[], variables, body)
}

/// As [`in_child`], with `launcher` in front of the child's command: a program that
/// prepares something and then becomes what its last arguments say.
///
/// # Panics
/// As [`in_child`].
pub fn in_child_of(
    launcher: &[&str],
    variables: &[(&str, &str)],
    body: impl Fn() -> String,
) -> Answer {
    let name = test_name();
    if is_child() {
        println_answer(&body());
        std::process::exit(0);
    }
    let output = spawn(&name, launcher, variables);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let value = stdout
        .lines()
        .find_map(|line| Some(line.split_once(ANSWER)?.1.to_owned()));
    match value {
        Some(value) if output.status.success() => Answer {
            value,
            stdout,
            stderr,
        },
        _ => panic!(
            "the child of {name} with {variables:?} ended with {} (signal {:?})\n{stdout}\n{stderr}",
            output.status,
            output.status.signal()
        ),
    }
}

/// Whether this is a child that shall run a body.
#[must_use]
pub fn is_child() -> bool {
    std::env::var(CHILD).is_ok_and(|child| child == test_name())
}

#[allow(
    clippy::print_stdout,
    reason = "standard output is the channel to the parent"
)]
fn println_answer(answer: &str) {
    assert!(!answer.contains('\n'), "an answer is one line");
    println!("{ANSWER}{answer}");
}

fn spawn(name: &str, launcher: &[&str], variables: &[(&str, &str)]) -> Output {
    let executable = std::env::current_exe().expect("a process knows its executable");
    let mut words = launcher.iter().map(OsString::from).collect::<Vec<_>>();
    words.push(executable.into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    for variable in DEVICE_VARIABLES {
        command.env_remove(variable);
    }
    command.env(CHILD, name).envs(variables.iter().copied());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    command
        .output()
        .expect("the test executable can be started again")
}

/// The running test: the harness names its thread for it, or runs the one test
/// that `--exact` names on the main thread.
fn test_name() -> String {
    let thread = std::thread::current();
    match thread.name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => {
            let mut arguments = std::env::args()
                .skip_while(|argument| argument != "--exact")
                .skip(1);
            arguments
                .find(|argument| !argument.starts_with('-'))
                .expect("one test by --exact, or threads")
        }
    }
}

/// Kills the calling process after `seconds` by `SIGALRM`.
pub fn limit_seconds(seconds: u32) {
    // SAFETY: alarm has no preconditions.
    unsafe { libc::alarm(seconds) };
}

/// Forks and runs `body` in the new process; returns its exit status, or the
/// negative number of the signal that ended it.
///
/// # Panics
/// If the system cannot fork.
pub fn in_fork(body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the tests that fork have started no thread that holds a lock the
    // body needs.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        limit_seconds(60);
        let status = body();
        // SAFETY: ends the forked process without running the harness' exit
        // handlers a second time.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: `child` is this process' child and `status` a place to write.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        -libc::WTERMSIG(status)
    }
}

/// Registers a function that runs at exit, after every function that is
/// registered later.
///
/// # Panics
/// If the C library has no room for it.
pub fn at_exit(function: extern "C" fn()) {
    // SAFETY: the function is static and takes no argument.
    assert_eq!(unsafe { libc::atexit(function) }, 0);
}

/// Writes a line to standard output without the standard library, whose own
/// exit handler may have run.
pub fn write_line(text: &str) {
    let line = format!("{text}\n");
    // SAFETY: the buffer holds `len` bytes. A closed pipe loses the line, and
    // the parent's assertion then fails.
    unsafe { libc::write(1, line.as_ptr().cast(), line.len()) };
}

/// The file that an address was loaded from.
#[must_use]
pub fn file_of(address: usize) -> Option<PathBuf> {
    // SAFETY: all-zero is a valid `Dl_info`.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    let address = std::ptr::with_exposed_provenance(address);
    // SAFETY: `info` is a place to write; any address may be asked for.
    if unsafe { libc::dladdr(address, &raw mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: `dli_fname` is a string that lives as long as the library.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(name.to_string_lossy().as_ref()))
}
