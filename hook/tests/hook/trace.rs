//! `pumice trace`: what a new command gets, and the switch for a container that
//! runs. That the libraries obey is tested beside them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Output;

use crate::container::{StandIn, asks, debian};
use crate::host::Host;

const SWITCH: &str = "var/lib/pumice/drivers/lvp/trace";

/// A host with a container that the live hook has served.
fn served() -> (Host, StandIn) {
    let host = Host::new("");
    debian(&host);
    let config = asks(&host, "software", &[]);
    let container = StandIn::start(&host, &config, &[], "");
    let output = container.hook(&host);
    assert!(output.status.success(), "{}", text(&output.stderr));
    (host, container)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn trace(host: &Host, container: &StandIn, more: &[&str]) -> Output {
    let pid = container.pid().to_string();
    host.run(&[&["trace", "--pid", &pid], more].concat(), b"")
}

#[track_caller]
fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[track_caller]
fn refused(output: &Output, why: &str) {
    assert!(!output.status.success(), "{}", text(&output.stdout));
    assert!(
        text(&output.stderr).contains(why),
        "{}",
        text(&output.stderr)
    );
}

fn namespace(container: &StandIn) -> String {
    let name = fs::read_link(format!("/proc/{}/ns/mnt", container.pid())).unwrap();
    name.display().to_string()
}

fn switch(host: &Host) -> Option<String> {
    fs::read_to_string(host.path(SWITCH)).ok()
}

#[test]
fn a_container_that_runs_is_switched_on_and_off() {
    let (host, container) = served();
    succeeded(&trace(&host, &container, &[]));
    let on = format!("{} 1\n", namespace(&container));
    assert_eq!(switch(&host).as_deref(), Some(&*on));
    assert_eq!(
        container
            .inside(&[
                "cat",
                &container.in_root("usr/lib/pumice/drivers/lvp/trace")
            ])
            .stdout,
        on.as_bytes(),
        "a container sees the switch of its driver"
    );
    succeeded(&trace(&host, &container, &["--output", "/tmp/calls"]));
    let to_file = format!("{} /tmp/calls\n", namespace(&container));
    assert_eq!(switch(&host), Some(to_file));
    succeeded(&trace(&host, &container, &["--stop"]));
    assert_eq!(switch(&host), None);
}

#[test]
fn a_container_that_is_gone_leaves_no_line() {
    let (host, container) = served();
    fs::write(host.path(SWITCH), "mnt:[1] 1\n").unwrap();
    succeeded(&trace(&host, &container, &[]));
    assert_eq!(
        switch(&host),
        Some(format!("{} 1\n", namespace(&container)))
    );
}

#[test]
fn a_replaced_driver_that_a_container_may_still_have_is_switched_too() {
    let (host, container) = served();
    let retired = host.path("var/lib/pumice/drivers/.retired/boot.new-lvp-0");
    fs::create_dir_all(&retired).unwrap();
    fs::write(retired.join("manifest.json"), "{}").unwrap();
    succeeded(&trace(&host, &container, &[]));
    assert_eq!(
        fs::read_to_string(retired.join("trace")).ok(),
        switch(&host)
    );
}

#[test]
fn what_is_no_container_of_ours_is_refused_and_nothing_is_written() {
    let (host, container) = served();
    let unserved = StandIn::start(&host, &asks(&host, "void", &[]), &[], "");
    refused(&trace(&host, &unserved, &[]), "has no driver of pumice's");
    let own = std::process::id().to_string();
    refused(
        &host.run(&["trace", "--pid", &own], b""),
        "it is no container",
    );
    refused(
        &host.run(&["trace", "--pid", "1"], b""),
        "it is no container",
    );
    let wrong = trace(&host, &container, &["--output", "/a\nmnt:[2] 1"]);
    refused(&wrong, "cannot be the trace of a container");
    assert_eq!(switch(&host), None);
}

/// A program `name` that prints what it is called with.
fn program(host: &Host, name: &str, script: &str) -> PathBuf {
    let path = host.path("bin").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn an_engine_gets_the_option_and_a_program_the_libraries() {
    let host = Host::new("");
    let podman = program(&host, "podman", "echo \"$@ trace=$PUMICE_TRACE\"");
    let podman = podman.to_str().unwrap();
    let output = host.run(&["trace", "--", podman, "run", "--rm", "image"], b"");
    assert_eq!(
        text(&output.stdout),
        "run --env=PUMICE_TRACE=1 --rm image trace=\n"
    );
    let script = "echo $PUMICE_TRACE $LD_LIBRARY_PATH $LD_PRELOAD $PUMICE_DRIVERS; exit 7";
    let client = program(&host, "client", script);
    let command = ["trace", "-o", "calls", "--", client.to_str().unwrap()];
    let output = host.run(&command, b"");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        host.generalize(&text(&output.stdout)),
        "calls @HOST@/usr/lib/pumice @HOST@/usr/lib/pumice/libpumice-preload.so\n"
    );
    succeeded(&host.run(&["assemble"], b""));
    let output = host.run(&command, b"");
    let drivers = "@HOST@/var/lib/pumice/drivers\n";
    assert!(host.generalize(&text(&output.stdout)).ends_with(drivers));
}

#[test]
fn a_container_is_asked_for_by_its_name() {
    let (host, container) = served();
    let answer = format!(
        "[ \"$5\" = -- ] && [ \"$6\" = one ] && echo {}",
        container.pid()
    );
    program(
        &host,
        "podman",
        &format!("{answer} || {{ echo no such container >&2; exit 1; }}"),
    );
    for tool in ["sh", "cat"] {
        symlink(format!("/bin/{tool}"), host.path("bin").join(tool)).unwrap();
    }
    let trace = |name: &str| {
        let mut command = host.pumice();
        command.env("PATH", host.path("bin")).args(["trace", name]);
        command.output().unwrap()
    };
    succeeded(&trace("one"));
    assert_eq!(
        switch(&host),
        Some(format!("{} 1\n", namespace(&container)))
    );
    refused(
        &trace("two"),
        "no container `two` runs: podman: no such container",
    );
    program(
        &host,
        "docker",
        &answer.replace(&container.pid().to_string(), "1"),
    );
    refused(&trace("one"), "both have a container `one`");
    program(&host, "podman", "echo 0");
    program(&host, "docker", "echo 0");
    refused(&trace("one"), "it does not run");
}
