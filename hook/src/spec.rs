//! An OCI runtime configuration (`config.json`). It is kept as a JSON value:
//! what we do not know passes through unchanged. The accessors are tolerant,
//! because the engine has judged the file already.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// Larger than any engine writes; what comes is refused beyond it.
pub const MAX_SIZE: u64 = 16 << 20;

/// A configuration.
#[derive(Debug, Clone)]
pub struct Spec {
    value: Value,
}

/// Why text is not a configuration.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error("it is larger than {} MiB", MAX_SIZE >> 20)]
    TooLarge,
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is not a JSON object")]
    NotAnObject,
}

impl Spec {
    /// Parses `bytes`; nesting is limited by the parser (128 levels).
    pub fn parse(bytes: &[u8]) -> Result<Spec, SpecError> {
        if bytes.len() as u64 > MAX_SIZE {
            return Err(SpecError::TooLarge);
        }
        let value: Value = serde_json::from_slice(bytes)?;
        if value.is_object() {
            Ok(Spec { value })
        } else {
            Err(SpecError::NotAnObject)
        }
    }

    /// The configuration as JSON text.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.value.to_string().into_bytes()
    }

    /// The value of `name` in the container's environment; of two, the last,
    /// which is what an engine appends.
    pub fn env(&self, name: &str) -> Option<&str> {
        let entries = self.value.pointer("/process/env")?.as_array()?;
        entries
            .iter()
            .rev()
            .filter_map(Value::as_str)
            .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
    }

    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.value.get("annotations")?.get(name)?.as_str()
    }

    /// Whether an annotation's key begins with `prefix`.
    pub fn has_annotation_prefix(&self, prefix: &str) -> bool {
        let annotations = self.value.get("annotations").and_then(Value::as_object);
        annotations.is_some_and(|annotations| annotations.keys().any(|key| key.starts_with(prefix)))
    }

    /// `root.path`: relative to the bundle, or absolute.
    pub fn root(&self) -> Option<&Path> {
        self.value
            .pointer("/root/path")
            .and_then(Value::as_str)
            .map(Path::new)
    }

    /// The program that the container runs.
    pub fn program(&self) -> Option<&str> {
        self.value
            .pointer("/process/args/0")
            .and_then(Value::as_str)
    }

    /// Destinations of the mounts, in order.
    pub fn mount_destinations(&self) -> impl Iterator<Item = &Path> {
        self.mounts()
            .filter_map(|mount| mount.get("destination")?.as_str().map(Path::new))
    }

    fn mounts(&self) -> impl Iterator<Item = &Value> {
        self.value
            .get("mounts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    }

    /// The mount that `path` would lie on, if that is not the root.
    pub fn mount_above(&self, path: &Path) -> Option<PathBuf> {
        let above = self
            .mount_destinations()
            .filter(|destination| *destination != Path::new("/") && path.starts_with(destination));
        above
            .max_by_key(|destination| destination.components().count())
            .map(Path::to_owned)
    }

    /// Whether the container's /dev is the file system that the runtime makes,
    /// or a directory of the image, and not a volume.
    pub fn dev_is_the_runtimes(&self) -> bool {
        let mut dev = self
            .mounts()
            .filter(|mount| mount.get("destination").and_then(Value::as_str) == Some("/dev"));
        dev.all(|mount| mount.get("type").and_then(Value::as_str) == Some("tmpfs"))
    }

    /// Whether the container gets a user namespace of its own.
    pub fn has_user_namespace(&self) -> bool {
        let namespaces = self
            .value
            .pointer("/linux/namespaces")
            .and_then(Value::as_array);
        namespaces.is_some_and(|list| {
            list.iter()
                .any(|entry| entry.get("type").and_then(Value::as_str) == Some("user"))
        })
    }

    /// Whether the host's group `gid` has a meaning in the container.
    pub fn maps_gid(&self, gid: u32) -> bool {
        let Some(mappings) = self
            .value
            .pointer("/linux/gidMappings")
            .and_then(Value::as_array)
        else {
            return true;
        };
        let contains = |mapping: &Value| {
            let host = mapping.get("hostID")?.as_u64()?;
            let size = mapping.get("size")?.as_u64()?;
            Some((host..host.saturating_add(size)).contains(&u64::from(gid)))
        };
        mappings.is_empty()
            || mappings
                .iter()
                .any(|mapping| contains(mapping).unwrap_or(false))
    }

    /// Appends a `NAME=value`, or gives `name` the value that `change` makes of
    /// its present one.
    pub fn change_env(&mut self, name: &str, change: impl Fn(Option<&str>) -> String) {
        let changed = change(self.env(name));
        let entries = self.array("/process", "env");
        let prefix = format!("{name}=");
        entries.retain(|entry| {
            !entry
                .as_str()
                .is_some_and(|entry| entry.starts_with(&prefix))
        });
        entries.push(Value::String(format!("{prefix}{changed}")));
    }

    /// Adds a mount after all others, in the place of one at the same destination.
    pub fn add_mount(&mut self, mount: Value) {
        let destination = mount.get("destination").cloned();
        let mounts = self.array("", "mounts");
        mounts.retain(|other| other.get("destination") != destination.as_ref());
        mounts.push(mount);
    }

    /// Removes the mounts whose source on the host lies below `dir`.
    pub fn remove_mounts_from(&mut self, dir: &Path) {
        let below = |mount: &Value| {
            mount
                .get("source")
                .and_then(Value::as_str)
                .is_some_and(|source| Path::new(source).starts_with(dir))
        };
        if let Some(mounts) = self.value.get_mut("mounts").and_then(Value::as_array_mut) {
            mounts.retain(|mount| !below(mount));
        }
    }

    /// Adds a device node and the rule that lets the container use it.
    pub fn add_device(&mut self, device: Value, rule: Value) {
        let path = device.get("path").cloned();
        let devices = self.array("/linux", "devices");
        devices.retain(|other| other.get("path") != path.as_ref());
        devices.push(device);
        // Of two rules the later one decides, so ours goes last, once.
        let rules = self.array("/linux/resources", "devices");
        rules.retain(|other| *other != rule);
        rules.push(rule);
    }

    /// Adds a supplementary group of the container's first process.
    pub fn add_gid(&mut self, gid: u32) {
        let gids = self.array("/process/user", "additionalGids");
        let gid = json!(gid);
        if !gids.contains(&gid) {
            gids.push(gid);
        }
    }

    /// Whether `which` recognises a hook of any stage.
    pub fn has_hook(&self, which: impl Fn(Hook<'_>) -> bool) -> bool {
        let stages = self.value.get("hooks").and_then(Value::as_object);
        stages.is_some_and(|stages| {
            stages
                .values()
                .filter_map(Value::as_array)
                .flatten()
                .any(|hook| which(Hook(hook)))
        })
    }

    /// Removes the hooks that `which` recognises, of every stage.
    pub fn remove_hooks(&mut self, which: impl Fn(Hook<'_>) -> bool) {
        let Some(stages) = self.value.get_mut("hooks").and_then(Value::as_object_mut) else {
            return;
        };
        for hooks in stages.values_mut().filter_map(Value::as_array_mut) {
            hooks.retain(|hook| !which(Hook(hook)));
        }
    }

    /// The array `key` of the object at the pointer `parent`, both made where
    /// they are missing or of another type.
    fn array(&mut self, parent: &str, key: &str) -> &mut Vec<Value> {
        let mut object = &mut self.value;
        for name in parent.split('/').filter(|name| !name.is_empty()) {
            object = as_object(object).entry(name).or_insert(Value::Null);
        }
        let array = as_object(object).entry(key).or_insert(Value::Null);
        if !array.is_array() {
            *array = Value::Array(Vec::new());
        }
        match array {
            Value::Array(array) => array,
            _ => unreachable!("it was made an array above"),
        }
    }
}

/// An entry of the configuration's hooks.
#[derive(Debug, Clone, Copy)]
pub struct Hook<'spec>(&'spec Value);

impl Hook<'_> {
    /// Whether it is one that our CDI specification adds.
    pub fn is_ours(self) -> bool {
        self.args().next() == Some("pumice") && self.args().any(|arg| arg == "hook")
    }

    /// Whether it is the one that serves NVIDIA's own driver, or Docker's `--gpus`.
    pub fn is_nvidias(self) -> bool {
        let path = self
            .0
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let name = Path::new(path).file_name().unwrap_or_default();
        [
            "nvidia-container-runtime-hook",
            "nvidia-container-toolkit",
            "nvidia-cdi-hook",
            "nvidia-ctk",
        ]
        .iter()
        .any(|known| name == *known)
    }

    fn args(&self) -> impl Iterator<Item = &str> {
        self.0
            .get("args")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
    }
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(object) => object,
        _ => unreachable!("it was made an object above"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(value: Value) -> Spec {
        Spec { value }
    }

    #[test]
    fn the_last_of_two_values_counts() {
        let spec = spec(json!({"process": {"env": ["A=1", "AB=x", "A=2", 7]}}));
        assert_eq!(spec.env("A"), Some("2"));
        assert_eq!(spec.env("B"), None);
    }

    #[test]
    fn editing_keeps_what_it_does_not_know_and_makes_what_is_missing() {
        let mut spec = spec(json!({"unknown": {"x": [1, 2.5]}, "linux": null}));
        spec.add_device(json!({"path": "/dev/x"}), json!({"allow": true}));
        spec.add_device(json!({"path": "/dev/x"}), json!({"allow": true}));
        spec.add_gid(44);
        spec.add_gid(44);
        spec.change_env("P", |old| old.map_or("a".into(), |old| format!("{old}:a")));
        assert_eq!(spec.value["unknown"], json!({"x": [1, 2.5]}));
        assert_eq!(spec.value["linux"]["devices"], json!([{"path": "/dev/x"}]));
        assert_eq!(spec.value["process"]["user"]["additionalGids"], json!([44]));
        assert_eq!(spec.value["process"]["env"], json!(["P=a"]));
    }

    #[test]
    fn the_nearest_mount_above_a_path_is_found() {
        let spec = spec(
            json!({"mounts": [{"destination": "/usr"}, {"destination": "/usr/lib/x"}, {"destination": "/opt"}]}),
        );
        assert_eq!(
            spec.mount_above(Path::new("/usr/lib/x/y")),
            Some("/usr/lib/x".into())
        );
        assert_eq!(spec.mount_above(Path::new("/usr/lib")), Some("/usr".into()));
        assert_eq!(spec.mount_above(Path::new("/usrx")), None);
    }

    #[test]
    fn deep_or_huge_json_is_an_error() {
        assert!(matches!(
            Spec::parse("[".repeat(100_000).as_bytes()),
            Err(SpecError::Json(_))
        ));
        assert!(matches!(
            Spec::parse(&vec![b' '; 1 + usize::try_from(MAX_SIZE).unwrap()]),
            Err(SpecError::TooLarge)
        ));
        assert!(matches!(Spec::parse(b"[]"), Err(SpecError::NotAnObject)));
    }

    #[test]
    fn a_group_outside_the_mapping_has_no_meaning() {
        let spec = spec(
            json!({"linux": {"gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}]}}),
        );
        assert!(spec.maps_gid(1000));
        assert!(!spec.maps_gid(44));
    }
}
