//! A rootless engine: an ordinary user in a user namespace, where the host's
//! root is nobody and the driver store cannot be written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};

use crate::container::{asks, debian};
use crate::host::{Host, run};

const USER: &str = "12345";

/// A host that everybody can read, with the program where everybody can start it.
fn host() -> Host {
    let host = Host::new("");
    debian(&host);
    fs::set_permissions(host.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_pumice"), host.path("pumice")).unwrap();
    host
}

/// Runs `precreate` as that user, as podman would.
fn precreate(host: &Host) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", USER, "--regid", USER, "--clear-groups"]);
    command.args(["unshare", "--user", "--mount", "--map-root-user"]);
    command
        .arg(host.path("pumice"))
        .args(host.options())
        .arg("precreate");
    run(
        &mut command,
        asks(host, "software", &[]).to_string().as_bytes(),
    )
}

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn without_an_assembled_driver_the_user_is_told_who_can_make_it() {
    let output = precreate(&host());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message(&output).contains("run `sudo pumice assemble` once"),
        "{}",
        message(&output)
    );
}

#[test]
fn an_assembled_driver_serves_also_when_the_loaders_cache_has_changed() {
    let host = host();
    assert!(host.run(&["assemble"], b"").status.success());
    for cache in ["", "changed"] {
        fs::create_dir_all(host.path("etc")).unwrap();
        fs::write(host.path("etc/ld.so.cache"), cache).unwrap();
        let output = precreate(&host);
        assert!(output.status.success(), "{}", message(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains("libcuda.so.1"));
    }
}

#[test]
fn a_library_of_the_users_own_is_not_given_to_containers() {
    let host = host();
    assert!(host.run(&["assemble"], b"").status.success());
    let library = host.path("usr/lib/pumice/libcuda.so.1");
    std::os::unix::fs::chown(&library, Some(USER.parse::<u32>().unwrap() + 1), None).unwrap();
    // As root: whose it is can be seen.
    let output = host.run(
        &["precreate"],
        asks(&host, "software", &[]).to_string().as_bytes(),
    );
    assert!(
        message(&output).contains("writable by others than root"),
        "{}",
        message(&output)
    );
}
