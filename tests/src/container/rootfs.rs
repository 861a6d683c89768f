//! An image's files in a folder, for what starts a container without a storage
//! of images: containerd's `ctr`, and an ordinary user's podman.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::engine::{Engine, Route, Stack};
use super::image::Image;
use super::output::Output;

const LIMIT: Duration = Duration::from_secs(60);

/// A root filesystem that can be written; what is written goes with this value.
pub struct Rootfs {
    folder: tempfile::TempDir,
}

impl Rootfs {
    /// The files of `image`, which podman mounts, below an overlay.
    pub fn of(image: Image) -> Rootfs {
        let podman = Stack {
            engine: Engine::Podman,
            runtime: "crun",
            route: Route::None,
        }
        .start();
        let reference = image.in_storage(&|| podman.client());
        let mut mount = podman.client();
        mount.args(["image", "mount", &reference]);
        let mounted = Output::of(&mount, LIMIT).expect_success().stdout;
        let rootfs = Rootfs {
            folder: tempfile::tempdir().expect("a folder"),
        };
        rootfs.lay_over(Path::new(mounted.trim_end()));
        rootfs
    }

    /// The root.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn lay_over(&self, lower: &Path) {
        let folder = self.folder.path();
        for name in ["root", "upper", "work"] {
            fs::create_dir(folder.join(name)).expect("a folder");
        }
        // Ordinary users get through to it.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a folder of ours");
        let options = format!(
            "lowerdir={},upperdir={}/upper,workdir={}/work",
            lower.display(),
            folder.display(),
            folder.display()
        );
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(self.path());
        Output::of(&mount, LIMIT).expect_success();
    }
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(self.path());
        // A failed test need not have mounted it.
        let _ = Output::of(&umount, LIMIT);
    }
}
