//! An ordinary user's podman: hooks from the folders that `manifests` names for it,
//! drivers that root has assembled.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use tests::container::image::SID;
use tests::container::output::Output;
use tests::container::rootfs::Rootfs;

use crate::device_list::{assert_device, assert_none};
use crate::trial;

const USER: &str = "pumice-rootless";
/// User and group.
const ID: u32 = 12345;
const LIMIT: Duration = Duration::from_secs(120);

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "podman, rootless, precreate: llama-server finds the device".into(),
            || assert_device(&list_devices(&["--annotation=pumice/gpu=software"]).expect_success()),
        ),
        trial(
            "podman, rootless, precreate: without asking it finds none".into(),
            || assert_none(&list_devices(&[]).expect_success()),
        ),
    ]
}

/// Runs llama-server as the user, whose podman has seen none of this before.
fn list_devices(options: &[&str]) -> Output {
    add_user();
    let home = tempfile::tempdir().expect("a home");
    let run = home.path().join("run");
    fs::create_dir(&run).expect("a folder");
    for folder in [home.path(), &run] {
        chown(folder, Some(ID), Some(ID)).expect("tests of containers run as root");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("a folder of ours");
    }
    let rootfs = Rootfs::of(SID);
    let mut command = as_user(home.path(), &run);
    command.args([
        "podman",
        "--cgroup-manager=cgroupfs",
        "--events-backend=none",
    ]);
    command.args(["run", "--rm", "--network=none"]);
    command.args(["--ulimit=nofile=4096:4096", "--ulimit=nproc=4096:4096"]);
    command
        .args(options)
        // An overlay of podman's own: the user cannot write to the files.
        .arg(format!("--rootfs={}:O", rootfs.path().display()))
        .args(["llama-server", "--verbose", "--list-devices"]);
    Output::of(&command, LIMIT)
}

fn as_user(home: &Path, run: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    command
        .args(["env", "--ignore-environment", "--chdir=/"])
        .arg("PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        .arg(format!("HOME={}", home.display()))
        .arg(format!("XDG_RUNTIME_DIR={}", run.display()));
    command
}

/// The user, with subordinate ids, where /etc does not outlive the tests.
fn add_user() {
    let mut add = Command::new("useradd");
    add.args(["--uid", &ID.to_string(), "--user-group", USER]);
    let mut look = Command::new("id");
    look.arg(USER);
    if !Output::of(&look, LIMIT).success {
        // Another test may have been faster.
        let added = Output::of(&add, LIMIT);
        assert!(Output::of(&look, LIMIT).success, "{added}");
    }
}
