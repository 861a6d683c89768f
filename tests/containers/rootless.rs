//! An ordinary user's podman: hooks from the folders that `manifests` names for it,
//! drivers that root has assembled, and an image in the user's own storage.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use tests::container::image::{Image, SID};
use tests::container::output::Output;

use crate::device_list::{assert_device, assert_none};
use crate::trial;

const NAME: &str = "pumice-rootless";
/// User and group.
const ID: u32 = 12345;
const IMAGE: &str = "localhost/image";
const LIMIT: Duration = Duration::from_secs(120);
/// Gigabytes are unpacked.
const IMPORT_LIMIT: Duration = Duration::from_secs(600);

pub fn trials() -> Vec<Trial> {
    vec![trial(
        "podman, rootless, precreate: llama-server finds the device where it asks, and else none"
            .into(),
        || {
            let user = User::with_image(SID);
            assert_device(&user.list_devices(&["--annotation=pumice/gpu=software"]));
            assert_none(&user.list_devices(&[]));
        },
    )]
}

/// A user whose podman has seen none of this before.
struct User {
    home: tempfile::TempDir,
}

impl User {
    fn with_image(image: Image) -> User {
        add_user();
        let user = User {
            home: tempfile::tempdir().expect("a home"),
        };
        fs::create_dir(user.run_dir()).expect("a folder");
        for folder in [user.home.path().to_owned(), user.run_dir()] {
            chown(&folder, Some(ID), Some(ID)).expect("tests of containers run as root");
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("a folder");
        }
        user.import(image);
        user
    }

    /// The cache is root's alone: the user sees the one file.
    fn import(&self, image: Image) {
        let seen = self.home.path().join("archive");
        fs::write(&seen, "").expect("a file");
        let mut mount = Command::new("mount");
        mount.arg("--bind").arg(image.archive()).arg(&seen);
        Output::of(&mount, LIMIT).expect_success();
        let mut import = self.podman();
        import
            .arg("import")
            .args(image.changes())
            .arg(&seen)
            .arg(IMAGE);
        let imported = Output::of(&import, IMPORT_LIMIT);
        let mut umount = Command::new("umount");
        umount.arg(&seen);
        Output::of(&umount, LIMIT).expect_success();
        imported.expect_success();
    }

    #[track_caller]
    fn list_devices(&self, options: &[&str]) -> Output {
        let mut command = self.podman();
        command
            .args(["run", "--rm", "--pull=never", "--network=none"])
            .args(["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"])
            .args(options)
            .args([IMAGE, "llama-server", "--verbose", "--list-devices"]);
        Output::of(&command, LIMIT).expect_success()
    }

    fn run_dir(&self) -> PathBuf {
        self.home.path().join("run")
    }

    fn podman(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NAME, "--regid", NAME, "--clear-groups"]);
        command
            .args(["env", "--ignore-environment", "--chdir=/"])
            .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
            .arg(format!("HOME={}", self.home.path().display()))
            .arg(format!("XDG_RUNTIME_DIR={}", self.run_dir().display()));
        command.args([
            "podman",
            "--cgroup-manager=cgroupfs",
            "--events-backend=none",
        ]);
        command
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut end = self.podman();
        // The process that keeps the user's namespaces.
        end.args(["system", "migrate"]);
        let _ = Output::of(&end, LIMIT);
    }
}

/// The user, with subordinate ids, where /etc does not outlive the tests.
fn add_user() {
    let mut look = Command::new("id");
    look.arg(NAME);
    if !Output::of(&look, LIMIT).success {
        let mut add = Command::new("useradd");
        add.args(["--uid", &ID.to_string(), "--user-group", NAME]);
        Output::of(&add, LIMIT).expect_success();
    }
}
