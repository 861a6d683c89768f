//! Messages for whoever runs the container. Engines discard a hook's stderr or
//! show it only on failure, so each line also goes to the system log or to the
//! file that the policy names.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;

/// Where messages go besides stderr.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// A file that lines are appended to, instead of the system log.
    pub file: Option<PathBuf>,
}

/// Syslog severities (RFC 5424), of the facility "daemon".
const ERROR: u8 = 3 * 8 + 3;
const NOTICE: u8 = 3 * 8 + 5;

impl Log {
    /// Something that went as it should but is worth knowing.
    pub fn note(&self, message: &str) {
        self.write(NOTICE, message);
    }

    /// Something that failed.
    pub fn error(&self, message: &str) {
        self.write(ERROR, message);
    }

    /// Nothing is reported when a message cannot be delivered: there is nobody
    /// left to report it to.
    fn write(&self, priority: u8, message: &str) {
        let message = message.replace(char::is_control, " ");
        let _ = writeln!(std::io::stderr(), "pumice: {message}");
        let pid = std::process::id();
        let _ = match &self.file {
            Some(path) => std::fs::File::options()
                .create(true)
                .append(true)
                // A pipe without a reader must not hold up a container.
                .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW)
                .open(path)
                .and_then(|mut file| writeln!(file, "pumice[{pid}]: {message}")),
            None => UnixDatagram::unbound()
                .and_then(|socket| {
                    socket.set_nonblocking(true).and_then(|()| {
                        socket.send_to(
                            format!("<{priority}>pumice[{pid}]: {message}").as_bytes(),
                            "/dev/log",
                        )
                    })
                })
                .map(|_| ()),
        };
    }
}
