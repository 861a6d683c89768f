//! Edits `config.json`: what podman's precreate hook and the runtime wrapper
//! have in common. Everything that a configuration can say survives a reload
//! of the service manager, which is why these routes are preferred.

use std::path::Path;

use crate::error::Error;
use crate::inject;
use crate::layout::Layout;
use crate::log::Log;
use crate::policy::Policy;
use crate::render;
use crate::request::{Request, Route, Source, request};
use crate::root::Root;
use crate::spec::{Spec, SpecError};

/// What a route needs to know of the host.
#[derive(Debug)]
pub struct Host {
    pub layout: Layout,
    /// The administrator's policy, or the default one where that is unusable.
    pub policy: Policy,
    pub log: Log,
    /// Why the administrator's policy is unusable.
    fault: Option<String>,
}

impl Host {
    /// Reads the policy. One that is wrong fails whoever asks for a device, and
    /// nobody else.
    pub fn load(layout: Layout) -> Host {
        let (policy, fault) = match Policy::load(&layout.config) {
            Ok(policy) => (policy, None),
            Err(error) => (Policy::default(), Some(error.to_string())),
        };
        let log = Log {
            file: policy.log.file.clone(),
        };
        Host {
            layout,
            policy,
            log,
            fault,
        }
    }

    /// Fails where the policy is the default one only because the
    /// administrator's is unusable.
    pub fn check_policy(&self) -> Result<(), Error> {
        self.fault
            .clone()
            .map_or(Ok(()), |fault| Err(Error::Policy(fault)))
    }
}

/// The edited configuration, or nothing if it is to stay as it is. A relative
/// root is looked up in `bundle`.
pub fn edit(
    host: &Host,
    route: Route,
    config: &[u8],
    bundle: Option<&Path>,
) -> Result<Option<Vec<u8>>, Error> {
    let bad = |source: SpecError| Error::Spec {
        from: "config.json".into(),
        source,
    };
    let mut spec = Spec::parse(config).map_err(bad)?;
    let Some(request) = request(&spec, &host.policy, route) else {
        return Ok(None);
    };
    match inject(host, &request, &mut spec, bundle) {
        Ok(()) => Ok(Some(spec.to_bytes())),
        Err(error) if request.source == Source::Environment => {
            host.log.note(&format!(
                "NVIDIA_VISIBLE_DEVICES is set but the container gets no GPU: {error}"
            ));
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn inject(
    host: &Host,
    request: &Request,
    spec: &mut Spec,
    bundle: Option<&Path>,
) -> Result<(), Error> {
    host.check_policy()?;
    let root = open_root(spec, bundle)?;
    // Our own libraries of an earlier edit are no volumes of the user's.
    spec.remove_mounts_from(&host.layout.library_dir);
    let host_part = inject::host_part(&host.layout, &host.policy, &request.devices)?;
    let (for_image, image) = inject::image_part(&host.layout, &host_part, &root, spec)?;
    for note in &image.notes {
        host.log.note(note);
    }
    for gid in host_part
        .edits
        .additional_gids
        .iter()
        .filter(|gid| !spec.maps_gid(**gid))
    {
        host.log.note(&format!("the device's group {gid} has no meaning in the container's user namespace: only the node's owner and others may use it"));
    }
    // What a hook would do later is done here, where it survives.
    spec.remove_hooks(|hook| hook.is_ours() || hook.is_nvidias());
    render::apply(&host_part.edits.and(for_image), spec);
    Ok(())
}

/// Opens the container's root filesystem, which is never the host's.
fn open_root(spec: &Spec, bundle: Option<&Path>) -> Result<Root, Error> {
    let path = spec.root().ok_or(Error::NoRoot)?;
    let path = match bundle {
        _ if path.is_absolute() => path.to_owned(),
        Some(bundle) => bundle.join(path),
        None => return Err(Error::RelativeRoot(path.to_owned())),
    };
    Root::open(&path)
}
