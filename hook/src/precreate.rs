//! podman's `precreate` hook: the configuration comes on stdin and goes to
//! stdout, edited if the container asks for a device and byte for byte the same
//! if it does not.

use std::io::{Read, Write};

use crate::configuration::{Host, edit};
use crate::error::Error;
use crate::request::Route;
use crate::spec::MAX_SIZE;

/// Runs the hook.
pub fn run(host: &Host, input: impl Read, mut output: impl Write) -> Result<(), Error> {
    let mut config = Vec::new();
    input
        .take(MAX_SIZE + 1)
        .read_to_end(&mut config)
        .map_err(Error::io("stdin"))?;
    let edited = edit(host, Route::EveryContainer, &config, None)?;
    output
        .write_all(edited.as_deref().unwrap_or(&config))
        .and_then(|()| output.flush())
        .map_err(Error::io("stdout"))
}
