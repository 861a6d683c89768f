//! What the administrator allows: `/etc/pumice/config.toml`. Without the file
//! everything has a sane default. A container cannot change any of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The policy file's contents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    pub devices: Devices,
    pub triggers: Triggers,
    pub runtime: Runtime,
    pub log: Log,
}

/// `[devices]`: what may be given at all.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Devices {
    /// Indices, PCI addresses and UUIDs, or `all` for every hardware device.
    pub allow: Vec<String>,
    /// When a container may have software rendering.
    pub software: Software,
}

impl Default for Devices {
    fn default() -> Self {
        Devices {
            allow: vec!["all".into()],
            software: Software::Named,
        }
    }
}

/// When a container may have software rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Software {
    Never,
    /// Where it is asked for by its name, by other means than the environment.
    Named,
    /// Also where `all` finds no hardware: for CI machines.
    Fallback,
}

/// `[triggers]`: what makes a container one that asks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Triggers {
    /// `NVIDIA_VISIBLE_DEVICES`, where pumice sees every container (podman's hooks).
    pub environment: Environment,
    /// The same where the container was started with `--runtime=pumice`.
    pub runtime_environment: Environment,
    /// The same in a Kubernetes pod, where it would bypass the scheduler.
    pub kubernetes_environment: Environment,
    /// The annotation `pumice/gpu`.
    pub annotation: bool,
}

impl Default for Triggers {
    fn default() -> Self {
        Triggers {
            environment: Environment::Try,
            runtime_environment: Environment::Require,
            kubernetes_environment: Environment::Off,
            annotation: true,
        }
    }
}

/// What `NVIDIA_VISIBLE_DEVICES` means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Environment {
    Off,
    /// The container gets a device if that is possible and starts in any case:
    /// the variable is usually the image's, not the user's.
    Try,
    /// The container does not start without the device.
    Require,
}

/// `[runtime]`: what `pumice runtime` wraps.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Names looked up in PATH, or absolute paths; the first found is used.
    pub runtimes: Vec<String>,
}

impl Default for Runtime {
    fn default() -> Self {
        Runtime {
            runtimes: vec!["runc".into(), "crun".into()],
        }
    }
}

/// `[log]`: where messages go besides stderr, which engines often discard.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// A file that lines are appended to; without it, the system log.
    pub file: Option<PathBuf>,
}

/// Why the policy cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("the policy {} cannot be read: {source}", path.display())]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the policy {} is wrong: {source}", path.display())]
    Toml {
        path: PathBuf,
        source: Box<toml::de::Error>,
    },
}

impl Policy {
    /// Reads the policy file; a missing one means the defaults.
    pub fn load(path: &Path) -> Result<Policy, PolicyError> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|source| PolicyError::Toml {
                path: path.to_owned(),
                source: Box::new(source),
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Policy::default()),
            Err(source) => Err(PolicyError::Io {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_means_the_defaults() {
        assert_eq!(
            Policy::load(Path::new("/nonexistent/config.toml")).unwrap(),
            Policy::default()
        );
        assert_eq!(toml::from_str::<Policy>("").unwrap(), Policy::default());
    }

    #[test]
    fn a_misspelt_key_is_an_error_and_not_a_default() {
        assert!(toml::from_str::<Policy>("[devices]\nallowed = []").is_err());
        assert!(toml::from_str::<Policy>("[triggers]\nenvironment = \"yes\"").is_err());
        let policy: Policy = toml::from_str("[devices]\nsoftware = \"fallback\"").unwrap();
        assert_eq!(policy.devices.software, Software::Fallback);
    }
}
