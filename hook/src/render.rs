//! Writes edits into an OCI configuration.

use serde_json::{Value, json};

use crate::discover::DeviceNode;
use crate::edits::{ContainerEdits, Mount};
use crate::spec::Spec;

/// Applies `edits` to `spec`. Doing it twice changes nothing more.
pub fn apply(edits: &ContainerEdits, spec: &mut Spec) {
    for node in &edits.device_nodes {
        let user_namespace = spec.has_user_namespace();
        spec.add_device(device(node, user_namespace), device_rule(node));
    }
    for mount in &edits.mounts {
        spec.add_mount(bind_mount(mount));
    }
    for gid in &edits.additional_gids {
        if spec.maps_gid(*gid) {
            spec.add_gid(*gid);
        }
    }
    if let Some(library) = &edits.preload {
        let library = library.display().to_string();
        spec.change_env("LD_PRELOAD", |old| append(old, &library));
    }
}

/// The list of libraries `old` with `library` at its end, once.
fn append(old: Option<&str>, library: &str) -> String {
    match old {
        None | Some("") => library.to_owned(),
        Some(old) if old.split([':', ' ']).any(|entry| entry == library) => old.to_owned(),
        Some(old) => format!("{old}:{library}"),
    }
}

fn device(node: &DeviceNode, user_namespace: bool) -> Value {
    let mut device = json!({
        "path": node.path, "type": "c", "major": node.major, "minor": node.minor, "fileMode": node.mode, "uid": node.uid, "gid": node.gid,
    });
    // In a user namespace the runtime binds the host's node, whose owner it
    // cannot change.
    if let (true, Some(device)) = (user_namespace, device.as_object_mut()) {
        device.remove("uid");
        device.remove("gid");
    }
    device
}

fn device_rule(node: &DeviceNode) -> Value {
    json!({"allow": true, "type": "c", "major": node.major, "minor": node.minor, "access": "rw"})
}

fn bind_mount(mount: &Mount) -> Value {
    json!({"destination": mount.destination, "type": "bind", "source": mount.source, "options": ["bind", "ro", "nosuid", "nodev", "rprivate"]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_own_preload_list_is_kept() {
        assert_eq!(append(None, "/a.so"), "/a.so");
        assert_eq!(append(Some(""), "/a.so"), "/a.so");
        assert_eq!(append(Some("/b.so /c.so"), "/a.so"), "/b.so /c.so:/a.so");
        assert_eq!(append(Some("/b.so:/a.so"), "/a.so"), "/b.so:/a.so");
    }

    #[test]
    fn applying_twice_changes_nothing_more() {
        let edits = ContainerEdits {
            device_nodes: vec![DeviceNode {
                host_path: "/dev/dri/renderD128".into(),
                path: "/dev/dri/renderD128".into(),
                major: 226,
                minor: 128,
                mode: 0o660,
                uid: 0,
                gid: 104,
            }],
            mounts: vec![Mount {
                source: "/a".into(),
                destination: "/b".into(),
            }],
            additional_gids: vec![104],
            preload: Some("/p.so".into()),
        };
        let mut once = Spec::parse(b"{}").unwrap();
        apply(&edits, &mut once);
        let mut twice = once.clone();
        apply(&edits, &mut twice);
        assert_eq!(once.to_bytes(), twice.to_bytes());
    }
}
