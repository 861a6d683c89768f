//! How the live route protects the host and itself. The order of its system
//! calls is part of that, so some tests read it from strace(1).

use std::fs;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use serde_json::json;

use crate::container::{StandIn, asks, debian};
use crate::host::{Host, run};

/// The system calls of a hook that serves a container in a user namespace: those
/// of the process that the engine started, and those of the sealed copy.
struct Transcript {
    starter: Vec<String>,
    copy: Vec<String>,
}

impl Transcript {
    fn record() -> Transcript {
        let host = Host::new("");
        debian(&host);
        let container = StandIn::start(
            &host,
            &asks(&host, "software", &[]),
            &["--user", "--map-root-user"],
            "",
        );
        let log = host.path("strace.log");
        let mut command = Command::new("strace");
        command
            .args(["-f", "-v", "-s", "200", "-o"])
            .arg(&log)
            .arg(env!("CARGO_BIN_EXE_pumice"))
            .args(host.options());
        command
            .args(["hook", "createRuntime"])
            .env("LD_LIBRARY_PATH", "/an/attackers")
            .env("SECRET", "x")
            .current_dir(host.rootfs());
        let output = run(&mut command, container.state().to_string().as_bytes());
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Transcript::split(&fs::read_to_string(log).unwrap())
    }

    /// Separates the processes; the second's calls begin with its own program.
    fn split(log: &str) -> Transcript {
        let first = log.split_whitespace().next().unwrap().to_owned();
        let (mut starter, mut copy) = (Vec::new(), Vec::new());
        for line in log.lines() {
            let (pid, call) = line.split_once(' ').unwrap();
            let process = if pid == first {
                &mut starter
            } else {
                &mut copy
            };
            process.push(call.trim_start().to_owned());
        }
        let program = copy
            .iter()
            .position(|call| call.starts_with("execve("))
            .expect("a copy was started");
        Transcript {
            starter,
            copy: copy.split_off(program),
        }
    }

    /// Where the copy first makes a call that contains all of `words`.
    fn at(&self, words: &[&str]) -> usize {
        position(&self.copy, words)
            .unwrap_or_else(|| panic!("no {words:?} in\n{}", self.copy.join("\n")))
    }

    /// Where the copy last does.
    fn last(&self, words: &[&str]) -> usize {
        self.copy
            .iter()
            .rposition(|call| words.iter().all(|word| call.contains(word)))
            .unwrap_or_else(|| panic!("no {words:?}"))
    }
}

fn position(calls: &[String], words: &[&str]) -> Option<usize> {
    calls
        .iter()
        .position(|call| words.iter().all(|word| call.contains(word)))
}

#[test]
fn the_copy_is_sealed_and_starts_with_nothing_of_the_callers() {
    let calls = Transcript::record();
    let seals = position(
        &calls.starter,
        &[
            "F_ADD_SEALS",
            "F_SEAL_SEAL",
            "F_SEAL_SHRINK",
            "F_SEAL_GROW",
            "F_SEAL_WRITE",
        ],
    );
    assert!(seals.is_some(), "{}", calls.starter.join("\n"));
    let exec = &calls.copy[0];
    assert!(
        exec.starts_with("execve(\"/proc/self/fd/") && exec.contains("], []"),
        "an empty environment: {exec}"
    );
    let closed =
        position(&calls.starter, &["close_range(3", "CLOEXEC"]).expect("descriptors are closed");
    assert!(Some(closed) < position(&calls.starter, &["memfd_create"]));
    assert!(position(&calls.starter, &["chdir(\"/\")"]).is_some());
    let settled = position(&calls.starter, &["PR_SET_NO_NEW_PRIVS, 1"]).expect("no new privileges");
    assert!(Some(settled) < position(&calls.starter, &["open", "config.json"]));
}

#[test]
fn the_container_is_joined_after_the_hosts_files_are_taken_and_before_the_image_is_read() {
    let calls = Transcript::record();
    let last_source = calls.last(&["mount_setattr(", "MOUNT_ATTR_RDONLY"]);
    let user = calls.at(&["setns(", "CLONE_NEWUSER"]);
    let mount = calls.at(&["setns(", "CLONE_NEWNS"]);
    let root = calls.at(&["setresuid(0, 0, 0)"]);
    let image = calls.at(&["openat2(", "libc.so.6"]);
    assert!(last_source < user && user < mount && mount < root && root < image);
}

#[test]
fn privileges_are_given_up_before_the_image_is_read() {
    let calls = Transcript::record();
    let image = calls.at(&["openat2(", "libc.so.6"]);
    for privilege in [
        &["prctl(PR_SET_NO_NEW_PRIVS, 1"][..],
        &["prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE"],
        &["prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE"],
        &["capset("],
        &["RLIMIT_AS"],
    ] {
        assert!(calls.at(privilege) < image, "{privilege:?}");
    }
    let filter = calls.last(&["SECCOMP"]);
    assert!(filter < image);
    let capabilities = &calls.copy[calls.at(&["capset("])];
    let kept = [
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FOWNER",
        "CAP_SYS_ADMIN",
        "CAP_MKNOD",
    ];
    let named = |name: &str| capabilities.matches(name).count();
    assert!(kept.iter().all(|name| named(name) > 0), "{capabilities}");
    assert!(
        [
            "CAP_SYS_PTRACE",
            "CAP_SETUID",
            "CAP_NET_ADMIN",
            "CAP_SYS_MODULE",
            "CAP_SYS_CHROOT"
        ]
        .iter()
        .all(|name| named(name) == 0),
        "{capabilities}"
    );
    assert!(
        position(&calls.copy[filter..], &["execve("]).is_none()
            && position(&calls.copy[filter..], &["EPERM"]).is_none()
    );
}

#[test]
fn every_target_is_resolved_inside_the_root_and_across_no_mount() {
    let calls = Transcript::record();
    let first = calls.at(&["openat2(", "libc.so.6"]);
    let mut targets = 0;
    for call in calls.copy[first..]
        .iter()
        .filter(|call| call.starts_with("openat2("))
    {
        assert!(
            call.contains("RESOLVE_IN_ROOT") && call.contains("RESOLVE_NO_MAGICLINKS"),
            "{call}"
        );
        if call.contains("O_CREAT") {
            assert!(
                call.contains("O_EXCL")
                    && call.contains("RESOLVE_NO_XDEV")
                    && call.contains("RESOLVE_NO_SYMLINKS"),
                "{call}"
            );
            targets += 1;
        }
    }
    assert!(targets >= 4, "{targets} files were made");
}

#[test]
fn the_second_half_cannot_be_called_from_outside() {
    let output = Host::new("").run(&["enter-container"], b"{}");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("for the hook's own use"));
}

#[test]
fn a_hook_that_hangs_ends_by_itself_and_says_so() {
    let host = Host::new("");
    debian(&host);
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    // Another process assembles drivers and never ends.
    fs::create_dir_all(host.path("var/lib/pumice/drivers")).unwrap();
    let lock = File::create(host.path("var/lib/pumice/drivers/.lock")).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    let start = Instant::now();
    let output = container.hook(&host);
    let elapsed = start.elapsed();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did not finish within 5 seconds"));
    assert!(
        elapsed > Duration::from_secs(4) && elapsed < Duration::from_secs(30),
        "{elapsed:?}"
    );
}

#[test]
fn messages_go_to_the_policys_log_file_because_engines_discard_stderr() {
    let host = Host::new("");
    fs::create_dir_all(host.path("etc/pumice")).unwrap();
    let log = host.path("pumice.log");
    fs::write(
        host.path("etc/pumice/config.toml"),
        format!("[log]\nfile = {log:?}\n"),
    )
    .unwrap();
    let output = host.run(&["hook", "startContainer"], b"{}");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        fs::read_to_string(log)
            .unwrap()
            .contains("createRuntime (podman, CRI-O, CDI) or prestart (Docker) only")
    );
}

#[test]
fn huge_and_deep_input_is_refused_quickly() {
    let host = Host::new("");
    debian(&host);
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    let deep = "[".repeat(900_000);
    let wide = format!(
        "{{\"pid\":{},\"bundle\":\"/b\",\"x\":\"{}\"}}",
        container.pid(),
        "y".repeat(2 << 20)
    );
    for state in [
        deep.as_str(),
        wide.as_str(),
        "",
        "\0\0\0",
        "{\"pid\": 1e99, \"bundle\": \"/b\"}",
    ] {
        let output = host.run(&["hook", "prestart"], state.as_bytes());
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stderr.len() < 1000);
    }
    for config in [
        deep.clone(),
        format!("{{\"x\":\"{}\"}}", "y".repeat(17 << 20)),
    ] {
        fs::write(container.bundle.join("config.json"), &config).unwrap();
        assert_eq!(container.hook(&host).status.code(), Some(1));
        assert_eq!(
            host.run(&["precreate"], config.as_bytes()).status.code(),
            Some(1)
        );
    }
}

#[test]
fn invalid_arguments_fail_and_unknown_stages_do_not() {
    let host = Host::new("");
    for arguments in [
        &["hook"][..],
        &["hook", "prestart", "more"],
        &["hook", "--option"],
        &["nonsense"],
    ] {
        assert!(
            !host.run(arguments, b"{}").status.success(),
            "{arguments:?}"
        );
    }
    assert!(host.run(&["hook", "preresume"], b"{}").status.success());
}

#[test]
fn dockers_name_for_the_hook_serves_gpus() {
    let host = Host::new("");
    debian(&host);
    let mut config = asks(&host, "void", &[]);
    config["annotations"] = json!({});
    config["process"]["env"] = json!([
        "NVIDIA_VISIBLE_DEVICES=all",
        "NVIDIA_VISIBLE_DEVICES=software"
    ]);
    let container = StandIn::start(&host, &config, &[], "");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pumice"));
    command
        .arg0("/usr/bin/nvidia-container-runtime-hook")
        .args(host.options())
        .arg("prestart");
    let output = run(&mut command, container.state().to_string().as_bytes());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        container
            .view(&["/usr/lib/pumice/drivers/lvp"])
            .contains("directory")
    );
}
