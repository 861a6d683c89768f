//! podman's `precreate` hook: the configuration comes on stdin and goes to
//! stdout, edited if the container asks for a device and byte for byte the same
//! if it does not.

use std::io::{Read, Write};
use std::path::Path;

use pathrs::Root;

use crate::error::Error;
use crate::inject;
use crate::layout::Layout;
use crate::log::Log;
use crate::policy::Policy;
use crate::render;
use crate::request::{Request, Route, Source, request};
use crate::spec::{MAX_SIZE, Spec, SpecError};

/// Runs the hook. The policy is read first: a wrong one must not pass unnoticed.
pub fn run(layout: &Layout, policy: &Policy, log: &Log, input: impl Read, mut output: impl Write) -> Result<(), Error> {
    let mut config = Vec::new();
    input.take(MAX_SIZE + 1).read_to_end(&mut config).map_err(Error::io("stdin"))?;
    let edited = edit(layout, policy, log, Route::EveryContainer, &config, None)?;
    output.write_all(edited.as_deref().unwrap_or(&config)).and_then(|()| output.flush()).map_err(Error::io("stdout"))
}

/// The edited configuration, or nothing if it is to stay as it is. A relative
/// root is looked up in `bundle`.
pub fn edit(layout: &Layout, policy: &Policy, log: &Log, route: Route, config: &[u8], bundle: Option<&Path>) -> Result<Option<Vec<u8>>, Error> {
    let bad = |source: SpecError| Error::Spec { from: "config.json".into(), source };
    let mut spec = Spec::parse(config).map_err(bad)?;
    let Some(request) = request(&spec, policy, route) else { return Ok(None) };
    match inject(layout, policy, log, &request, &mut spec, bundle) {
        Ok(()) => Ok(Some(spec.to_bytes())),
        Err(error) if request.source == Source::Environment => {
            log.note(&format!("NVIDIA_VISIBLE_DEVICES is set but the container gets no GPU: {error}"));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn inject(layout: &Layout, policy: &Policy, log: &Log, request: &Request, spec: &mut Spec, bundle: Option<&Path>) -> Result<(), Error> {
    let root = open_root(spec, bundle)?;
    let host = inject::host_part(layout, policy, &request.devices)?;
    let (for_image, image) = inject::image_part(layout, &host, &root, spec)?;
    for note in &image.notes {
        log.note(note);
    }
    // What CDI's hook would do is done here, where it survives.
    spec.remove_hooks(is_our_hook);
    render::apply(&host.edits.and(for_image), spec);
    Ok(())
}

/// Whether a hook entry is the one of our CDI specification.
fn is_our_hook(hook: &serde_json::Value) -> bool {
    let args: Vec<&str> = hook.get("args").and_then(|args| args.as_array()).into_iter().flatten().filter_map(|arg| arg.as_str()).collect();
    args.first().is_some_and(|name| *name == "pumice") && args.contains(&"hook")
}

/// Opens the container's root filesystem, which is never the host's.
fn open_root(spec: &Spec, bundle: Option<&Path>) -> Result<Root, Error> {
    let path = spec.root().ok_or(Error::NoRoot)?;
    let path = match bundle {
        _ if path.is_absolute() => path.to_owned(),
        Some(bundle) => bundle.join(path),
        None => return Err(Error::RelativeRoot(path.to_owned())),
    };
    let root = Root::open(&path).map_err(|error| Error::Io { what: path.display().to_string(), source: std::io::Error::other(error) })?;
    if is_host_root(&root)? {
        return Err(Error::HostRoot);
    }
    Ok(root)
}

fn is_host_root(root: &Root) -> Result<bool, Error> {
    let what = "the root filesystem";
    let theirs = rustix::fs::fstat(root).map_err(|error| Error::io(what)(error.into()))?;
    let ours = rustix::fs::stat("/").map_err(|error| Error::io(what)(error.into()))?;
    Ok((theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino))
}
