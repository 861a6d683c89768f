//! Where things lie on the host. Every path that pumice reads or writes there
//! comes from here, so that a test can point all of them elsewhere; only the
//! command line can, never a container.

use std::path::{Path, PathBuf};

/// The directory in a container that holds everything of ours that is on no
/// search path.
pub const CONTAINER_DIR: &str = "/usr/lib/pumice";
/// The directory in a container that holds one directory for each Vulkan driver.
pub const CONTAINER_DRIVERS: &str = "/usr/lib/pumice/drivers";
/// File name of the preload library, on the host and in the container.
pub const PRELOAD: &str = "libpumice-preload.so";

/// The host's paths.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The root that the host's driver packages are looked up under.
    pub host_root: PathBuf,
    /// `/dev`.
    pub dev: PathBuf,
    /// `/sys`.
    pub sys: PathBuf,
    /// `/proc/driver/nvidia`.
    pub proc_nvidia: PathBuf,
    /// Our libraries: `/usr/lib/pumice`.
    pub library_dir: PathBuf,
    /// The assembled driver closures are in `drivers` below it: `/var/lib/pumice`.
    pub state_dir: PathBuf,
    /// Files that live as long as a hook: `/run/pumice`.
    pub run_dir: PathBuf,
    /// The policy: `/etc/pumice/config.toml`.
    pub config: PathBuf,
}

impl Default for Layout {
    fn default() -> Self {
        Layout::under(Path::new("/"))
    }
}

impl Layout {
    /// The usual layout below `root`.
    pub fn under(root: &Path) -> Layout {
        Layout {
            host_root: root.to_owned(),
            dev: root.join("dev"),
            sys: root.join("sys"),
            proc_nvidia: root.join("proc/driver/nvidia"),
            library_dir: root.join("usr/lib/pumice"),
            state_dir: root.join("var/lib/pumice"),
            run_dir: root.join("run/pumice"),
            config: root.join("etc/pumice/config.toml"),
        }
    }

    /// The command-line options that say where this layout differs from the
    /// usual one, for a hook that is started later.
    pub fn options(&self) -> Vec<String> {
        let usual = Layout::under(&self.host_root);
        let places = [
            ("--host-root", &self.host_root, Path::new("/")),
            ("--library-dir", &self.library_dir, &usual.library_dir),
            ("--state-dir", &self.state_dir, &usual.state_dir),
            ("--run-dir", &self.run_dir, &usual.run_dir),
            ("--config", &self.config, &usual.config),
            ("--dev", &self.dev, &usual.dev),
            ("--sys", &self.sys, &usual.sys),
        ];
        let different = places.into_iter().filter(|(_, path, usual)| path != usual);
        different
            .flat_map(|(option, path, _)| [option.to_owned(), path.display().to_string()])
            .collect()
    }

    /// `path`, which is absolute on the host, below the host root.
    pub fn host(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.host_root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The directories in which the Vulkan loader looks for driver manifests,
    /// in its order (Vulkan loader, "Driver Discovery on Linux").
    pub fn icd_dirs(&self) -> Vec<PathBuf> {
        [
            "/etc/xdg/vulkan/icd.d",
            "/etc/vulkan/icd.d",
            "/usr/local/share/vulkan/icd.d",
            "/usr/share/vulkan/icd.d",
        ]
        .iter()
        .map(|dir| self.host(dir))
        .collect()
    }

    /// CUDA's names of the devices, as the last probe recorded them.
    pub fn uuids(&self) -> PathBuf {
        self.state_dir.join("uuids.json")
    }

    /// One directory for each assembled Vulkan driver.
    pub fn drivers_dir(&self) -> PathBuf {
        self.state_dir.join("drivers")
    }
}
