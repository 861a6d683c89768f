//! `pumice runtime`: a wrapper around runc or crun, for Docker and every engine
//! that can be told which runtime to start. `create` and `run` have their
//! bundle's configuration edited first; then, as for all other commands, the
//! real runtime takes over this process with the same arguments.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::configuration::{Host, edit};
use crate::error::Error;
use crate::request::Route;
use crate::spec::MAX_SIZE;

/// Options of runc and crun before the command that take the next argument as
/// their value.
const GLOBAL_WITH_VALUE: [&str; 6] = [
    "--root",
    "--log",
    "--log-format",
    "--criu",
    "--rootless",
    "--cgroup-manager",
];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Edits what is to be edited and becomes the real runtime. Returns only if
/// that fails.
pub fn run(host: &Host, args: &[OsString]) -> Error {
    let invocation = Invocation::parse(args);
    let edited = match &invocation.config {
        Some(config) => edit_bundle(host, &invocation.bundle, config),
        None => Ok(()),
    };
    let error = match edited.and_then(|()| find_runtime(&host.policy.runtime.runtimes)) {
        Ok(runtime) => {
            let source = Command::new(&runtime).args(args).exec();
            Error::Io {
                what: runtime.display().to_string(),
                source,
            }
        }
        Err(error) => error,
    };
    invocation.report(&error);
    error
}

/// What of a runtime's command line concerns us.
#[derive(Debug, Default, PartialEq, Eq)]
struct Invocation {
    bundle: PathBuf,
    /// The configuration's path, for the commands that read one.
    config: Option<PathBuf>,
    /// The file that the engine reads errors from.
    log: Option<PathBuf>,
    log_is_json: bool,
}

impl Invocation {
    fn parse(args: &[OsString]) -> Invocation {
        let command = command_position(args);
        let (global, rest) = args.split_at(command.unwrap_or(args.len()));
        let creates = rest
            .first()
            .is_some_and(|command| command == "create" || command == "run");
        let bundle = PathBuf::from(option(rest, &["--bundle", "-b"]).unwrap_or(OsStr::new(".")));
        let config = creates.then(|| {
            bundle.join(option(rest, &["--config", "-f"]).unwrap_or(OsStr::new("config.json")))
        });
        Invocation {
            bundle,
            config,
            log: option(global, &["--log"]).map(PathBuf::from),
            log_is_json: option(global, &["--log-format"]).is_some_and(|format| format == "json"),
        }
    }

    /// Tells the engine what went wrong where it expects the runtime to.
    fn report(&self, error: &Error) {
        let Some(log) = &self.log else { return };
        let message = format!("pumice: {error}");
        let line = if self.log_is_json {
            serde_json::json!({"level": "error", "msg": message}).to_string()
        } else {
            format!("level=error msg={message:?}")
        };
        // The message is on stderr as well: a log that cannot be written loses nothing.
        let _ = File::options()
            .create(true)
            .append(true)
            .open(log)
            .and_then(|mut log| writeln!(log, "{line}"));
    }
}

/// Where the command stands: the first argument that is neither an option nor
/// an option's value.
fn command_position(args: &[OsString]) -> Option<usize> {
    let mut at = 0;
    while let Some(arg) = args.get(at) {
        if !arg.as_bytes().starts_with(b"-") {
            return Some(at);
        }
        let takes_value = GLOBAL_WITH_VALUE.iter().any(|option| arg == option);
        at += if takes_value { 2 } else { 1 };
    }
    None
}

/// The value of an option in any of the forms `--name value`, `--name=value`,
/// `-n value`, `-n=value`, `-nvalue`; of two, the last.
fn option<'args>(args: &'args [OsString], names: &[&str]) -> Option<&'args OsStr> {
    let mut value = None;
    for (at, arg) in args.iter().enumerate() {
        for name in names {
            let Some(rest) = arg.as_bytes().strip_prefix(name.as_bytes()) else {
                continue;
            };
            let short = !name.starts_with("--");
            match rest {
                [] => value = args.get(at + 1).map(OsString::as_os_str),
                [b'=', inline @ ..] => value = Some(OsStr::from_bytes(inline)),
                inline if short => value = Some(OsStr::from_bytes(inline)),
                _ => {}
            }
        }
    }
    value
}

fn edit_bundle(host: &Host, bundle: &Path, config: &Path) -> Result<(), Error> {
    let what = || config.display().to_string();
    let mut file = File::open(config).map_err(Error::io(what()))?;
    let mut text = Vec::new();
    (&mut file)
        .take(MAX_SIZE + 1)
        .read_to_end(&mut text)
        .map_err(Error::io(what()))?;
    match edit(host, Route::Runtime, &text, Some(bundle))? {
        Some(edited) => replace(config, &file, &edited).map_err(Error::io(what())),
        None => Ok(()),
    }
}

/// Gives `path` new contents in one step, with the owner and mode of `old`.
fn replace(path: &Path, old: &File, contents: &[u8]) -> std::io::Result<()> {
    let meta = old.metadata()?;
    let scratch = path.with_extension(format!("json.pumice-{}", std::process::id()));
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(meta.mode() & 0o777)
        .open(&scratch)?;
    chown(&scratch, Some(meta.uid()), Some(meta.gid()))?;
    file.write_all(contents)?;
    fs::rename(&scratch, path)
}

/// The first of `names` that exists and is not this very program.
pub fn find_runtime(names: &[String]) -> Result<PathBuf, Error> {
    let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.into());
    let own = fs::metadata("/proc/self/exe")
        .map(|meta| (meta.dev(), meta.ino()))
        .ok();
    let usable = |candidate: &PathBuf| {
        fs::metadata(candidate).is_ok_and(|meta| {
            meta.is_file() && meta.mode() & 0o111 != 0 && Some((meta.dev(), meta.ino())) != own
        })
    };
    let candidates = names.iter().flat_map(|name| {
        let dirs = if name.contains('/') {
            vec![PathBuf::new()]
        } else {
            std::env::split_paths(&path).collect()
        };
        dirs.into_iter().map(move |dir| dir.join(name))
    });
    candidates
        .into_iter()
        .find(usable)
        .ok_or_else(|| Error::NoRuntime(names.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Invocation {
        Invocation::parse(
            &line
                .split_whitespace()
                .map(OsString::from)
                .collect::<Vec<_>>(),
        )
    }

    #[test]
    fn create_and_run_are_found_behind_every_form_of_option() {
        for line in [
            "--root /run/x --log /l.json --log-format json create --bundle /b --pid-file /p id",
            "--root=/run/x --systemd-cgroup --log=/l.json --log-format=json run -b /b id",
            "--log /l.json --log-format json create -b=/b id",
            "--log /l.json --log-format json create -b/b id",
        ] {
            let invocation = parse(line);
            assert_eq!(
                invocation.config.as_deref(),
                Some(Path::new("/b/config.json")),
                "{line}"
            );
            assert_eq!(
                invocation.log.as_deref(),
                Some(Path::new("/l.json")),
                "{line}"
            );
            assert!(invocation.log_is_json, "{line}");
        }
        assert_eq!(
            parse("create id").config.as_deref(),
            Some(Path::new("./config.json"))
        );
        assert_eq!(
            parse("create -f other.json -b /b id").config.as_deref(),
            Some(Path::new("/b/other.json"))
        );
    }

    #[test]
    fn other_commands_are_not_edited() {
        for line in [
            "state create",
            "--root create state x",
            "delete --force run",
            "--version",
            "",
            "exec id create",
        ] {
            assert_eq!(parse(line).config, None, "{line}");
        }
    }
}
