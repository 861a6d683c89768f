//! An image's files in a folder, for what starts a container without a storage
//! of images: containerd's `ctr`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::engine::{Engine, Route, Stack};
use super::image::Image;
use super::output::Output;

const LIMIT: Duration = Duration::from_secs(60);

/// A root filesystem, which is mounted as long as this value lives.
pub struct Rootfs {
    folder: tempfile::TempDir,
}

impl Rootfs {
    /// The files of `image` below an overlay: what is written goes with this value.
    pub fn writable(image: Image) -> Rootfs {
        let rootfs = Rootfs {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let folder = rootfs.folder.path();
        for name in ["root", "upper", "work"] {
            fs::create_dir(folder.join(name)).expect("a folder");
        }
        let at = folder.display();
        let options = format!(
            "lowerdir={},upperdir={at}/upper,workdir={at}/work",
            mounted(image).display()
        );
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "overlay", "overlay", "-o", &options])
            .arg(rootfs.path());
        Output::of(&mount, LIMIT).expect_success();
        rootfs
    }

    /// The root.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("root")
    }
}

/// Where podman mounts `image`.
fn mounted(image: Image) -> PathBuf {
    let podman = Stack {
        engine: Engine::Podman,
        runtime: "crun",
        route: Route::None,
    }
    .start();
    let reference = image.in_storage(&|| podman.client());
    let mut mount = podman.client();
    mount.args(["image", "mount", &reference]);
    let place = Output::of(&mount, LIMIT).expect_success().stdout;
    PathBuf::from(place.trim_end())
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(self.path());
        // A failed test need not have mounted it.
        let _ = Output::of(&umount, LIMIT);
    }
}
