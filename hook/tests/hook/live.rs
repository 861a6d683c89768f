//! The live route: what it gives, and what it refuses. After a refusal the host
//! is as it was.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::container::{Runtime, StandIn, asks, debian, hook_entry, host_mounts, listing, viewing};
use crate::host::{Host, fill};

const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/libcuda.so.1";
const GPU: &str = "icd radeon 2.36\ndrm renderD128 amdgpu 0000:03:00.0";

fn message(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", message(output));
}

/// Asserts a refusal that says `why` in one line.
fn refused(output: &Output, why: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", message(output));
    assert!(message(output).contains(why), "{}", message(output));
    assert_eq!(
        message(output).trim_end().lines().count(),
        1,
        "{}",
        message(output)
    );
}

#[test]
fn everything_arrives() {
    let host = Host::new("");
    debian(&host);
    fs::write(host.rootfs().join("etc/ld.so.preload"), "/usr/lib/own.so\n").unwrap();
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    let mounts = host_mounts();
    succeeded(&container.hook(&host));
    let size = fs::metadata(host.path("usr/lib/pumice/libcuda.so.1"))
        .unwrap()
        .len();
    let seen = container.view(&[
        LIBRARY,
        "/usr/local/nvidia/lib64/libcuda.so",
        "/usr/lib/pumice/drivers/lvp",
        "/etc/ld.so.preload",
    ]);
    let expected = format!(
        "{LIBRARY}: file of {size}\n/usr/local/nvidia/lib64/libcuda.so: file of {size}\n/usr/lib/pumice/drivers/lvp: directory\n\
         /etc/ld.so.preload: file of 53 \"/usr/lib/own.so|/usr/lib/pumice/libpumice-preload.so|\"\n"
    );
    assert_eq!(seen, expected);
    assert_eq!(host_mounts(), mounts);
    assert_eq!(
        fs::read_dir(host.path("run/pumice")).unwrap().count(),
        0,
        "the preload list's file is gone"
    );
}

#[test]
fn every_mount_is_read_only_and_without_set_id_and_devices() {
    let host = Host::new("");
    debian(&host);
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    let before = container.mounts();
    succeeded(&container.hook(&host));
    let after = container.mounts();
    let added: Vec<&str> = after
        .lines()
        .filter(|line| !before.contains(*line))
        .collect();
    assert_eq!(added.len(), 11, "{added:?}");
    for line in added {
        let options = line.split(' ').nth(5).unwrap();
        assert!(
            ["ro", "nosuid", "nodev", "nosymfollow"]
                .iter()
                .all(|option| options.split(',').any(|set| set == *option)),
            "{line}"
        );
        assert!(!line.contains("shared:"), "{line}");
    }
}

#[test]
fn a_container_that_did_not_ask_is_left_alone() {
    let host = Host::new("");
    debian(&host);
    let mut config = asks(&host, "void", &[]);
    config["process"]["env"] = json!(["NVIDIA_VISIBLE_DEVICES=void"]);
    let container = StandIn::start(&host, &config, &[], "");
    let (mounts, files) = (container.mounts(), listing(&host.rootfs()));
    let output = container.hook(&host);
    succeeded(&output);
    assert_eq!(message(&output), "");
    assert_eq!(
        (container.mounts(), listing(&host.rootfs())),
        (mounts, files)
    );
    assert!(!host.path("var/lib/pumice").exists());
}

#[test]
fn a_user_namespace_gets_the_same() {
    let host = Host::new("");
    debian(&host);
    let container = StandIn::start(
        &host,
        &asks(&host, "software", &[]),
        &["--user", "--map-root-user"],
        "",
    );
    succeeded(&container.hook(&host));
    assert!(
        container.view(&[LIBRARY]).contains("file of"),
        "{}",
        container.view(&[LIBRARY])
    );
}

#[test]
fn both_runtimes_serve_both_stages_with_and_without_a_user_namespace() {
    let mappings = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
    for runtime in Runtime::ALL {
        for stage in ["createRuntime", "prestart"] {
            for users in [false, true] {
                let host = Host::new("");
                debian(&host);
                let mut config = viewing(
                    &host,
                    &[LIBRARY, "/usr/lib/pumice/drivers/lvp", "/etc/ld.so.preload"],
                );
                config["annotations"] = json!({"pumice/gpu": "software"});
                config["hooks"] = json!({stage: [hook_entry(&host, stage)]});
                let mut prepare = "";
                if users {
                    config["linux"]["namespaces"]
                        .as_array_mut()
                        .unwrap()
                        .push(json!({"type": "user"}));
                    config["linux"]["uidMappings"] = mappings.clone();
                    config["linux"]["gidMappings"] = mappings.clone();
                    prepare = "chown -R 100000:100000 $ROOT; chmod 755 $ROOT/..";
                }
                let output = runtime.run(&host, &config, None, prepare);
                let seen = String::from_utf8_lossy(&output.stdout).into_owned();
                let complete = seen.contains("file of")
                    && seen.contains("lvp: directory")
                    && seen.contains("libpumice-preload.so|");
                assert!(
                    complete,
                    "{runtime:?} {stage} {users}: {seen} {}",
                    message(&output)
                );
            }
        }
    }
}

#[test]
fn runcs_createcontainer_state_is_refused() {
    let host = Host::new("");
    debian(&host);
    let before = (host_mounts(), listing(&host.rootfs()));
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    let mut state = container.state();
    state["pid"] = json!(1);
    refused(
        &host.run(&["hook", "createRuntime"], state.to_string().as_bytes()),
        "wrong stage",
    );
    drop(container);
    assert_eq!((host_mounts(), listing(&host.rootfs())), before);
}

#[test]
fn a_process_of_the_host_is_refused() {
    let host = Host::new("");
    debian(&host);
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    let before = (host_mounts(), listing(&host.rootfs()));
    let mut state = container.state();
    state["pid"] = json!(std::process::id());
    refused(
        &host.run(&["hook", "createRuntime"], state.to_string().as_bytes()),
        "it is no container",
    );
    assert_eq!((host_mounts(), listing(&host.rootfs())), before);
}

#[test]
fn the_hosts_root_is_refused() {
    let host = Host::new("");
    debian(&host);
    let mut config = asks(&host, "software", &[]);
    config["root"]["path"] = json!("/");
    let container = StandIn::start(&host, &config, &[], "");
    let mut state = container.state();
    for root in [json!("/"), json!("/usr/.."), json!(null)] {
        state["root"] = root;
        refused(
            &host.run(&["hook", "createRuntime"], state.to_string().as_bytes()),
            "the host's own",
        );
    }
}

/// A shell line that mounts the host's directory `volume` at `place`.
fn volume_at(host: &Host, place: &str, propagation: &str) -> String {
    fs::create_dir_all(host.rootfs().join(place)).unwrap();
    fs::create_dir_all(host.path("volume")).unwrap();
    let volume = host.path("volume").display().to_string();
    format!(
        "mount --bind {volume} {volume}; mount --make-{propagation} {volume}; mount --bind {volume} $ROOT/{place}"
    )
}

#[test]
fn a_target_under_a_volume_is_refused_and_nothing_is_made_in_the_volume() {
    let places = [
        ("usr/lib/pumice", "under a mount of the container's"),
        ("usr/lib/pumice/drivers", "under a mount of the container's"),
        ("usr/local", "under a mount of the container's"),
        ("usr/local/nvidia", "under a mount of the container's"),
        ("etc", "under a mount of the container's"),
        // The C library is hidden as well.
        ("usr/lib/x86_64-linux-gnu", "no C library"),
        ("usr/lib", "no C library"),
        ("usr", "no C library"),
    ];
    for (place, why) in places {
        for propagation in ["private", "shared"] {
            let host = Host::new("");
            debian(&host);
            // The configuration does not tell of the volume: only the mounts do.
            let prepare = volume_at(&host, place, propagation);
            let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], &prepare);
            let before = (host_mounts(), listing(&host.path("volume")));
            refused(&container.hook(&host), why);
            let after = (host_mounts(), listing(&host.path("volume")));
            assert_eq!(after, before, "{place} {propagation}");
        }
    }
}

#[test]
fn a_volume_that_the_configuration_tells_of_is_gone_around() {
    let host = Host::new("");
    debian(&host);
    let prepare = volume_at(&host, "usr/local", "shared");
    let volume =
        json!({"destination": "/usr/local", "type": "bind", "source": host.path("volume")});
    let container = StandIn::start(&host, &asks(&host, "software", &[volume]), &[], &prepare);
    let before = (host_mounts(), listing(&host.path("volume")));
    succeeded(&container.hook(&host));
    assert!(container.view(&[LIBRARY]).contains("file of"));
    assert_eq!((host_mounts(), listing(&host.path("volume"))), before);
}

#[test]
fn a_shared_root_filesystem_is_refused() {
    let host = Host::new("");
    debian(&host);
    let container = StandIn::start(
        &host,
        &asks(&host, "software", &[]),
        &[],
        "mount --make-shared $ROOT",
    );
    let before = container.mounts();
    refused(&container.hook(&host), "shared with the host");
    assert_eq!(container.mounts(), before);
}

#[test]
fn links_in_the_place_of_targets_lead_nowhere() {
    // A link on the way to our private directory, and in the place of a file.
    let directory = "a link or a file is in the place of one of its directories";
    let file = "a link or a special file is in its place";
    let links = [
        ("usr/lib/pumice", "outside", directory),
        ("usr/lib/pumice/libpumice-preload.so", "outside/file", file),
        ("etc/ld.so.preload", "outside/new", file),
    ];
    for (link, target, why) in links {
        let host = Host::new("");
        debian(&host);
        fs::create_dir_all(host.path("outside")).unwrap();
        fs::write(host.path("outside/file"), "the host's").unwrap();
        let link = host.rootfs().join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(host.path(target), &link).unwrap();
        let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
        let before = (host_mounts(), listing(&host.path("outside")));
        refused(&container.hook(&host), why);
        assert_eq!(
            (host_mounts(), listing(&host.path("outside"))),
            (before.0, before.1)
        );
    }
}

#[test]
fn targets_that_are_swapped_while_we_run_never_lead_out() {
    let host = Host::new("");
    debian(&host);
    let outside = host.path("outside");
    fs::create_dir_all(outside.join("x86_64-linux-gnu")).unwrap();
    fs::create_dir_all(outside.join("pumice/drivers/lvp")).unwrap();
    let directory = host.rootfs().join("usr/lib");
    symlink(&outside, host.rootfs().join("usr/link")).unwrap();
    let before = listing(&outside);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let link = host.rootfs().join("usr/link");
                let flags = rustix::fs::RenameFlags::EXCHANGE;
                rustix::fs::renameat_with(
                    rustix::fs::CWD,
                    &directory,
                    rustix::fs::CWD,
                    &link,
                    flags,
                )
                .unwrap();
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        let mut served = 0;
        for _ in 0..40 {
            let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
            let mounts = host_mounts();
            served += u32::from(container.hook(&host).status.success());
            assert_eq!(host_mounts(), mounts);
            let outside = outside.display().to_string();
            let inside = container.mounts();
            assert!(
                !inside.lines().any(|line| line
                    .split(' ')
                    .nth(4)
                    .is_some_and(|point| point.starts_with(&outside))),
                "{inside}"
            );
        }
        stop.store(true, Ordering::Relaxed);
        // Some runs meet the directory and some the link, or the race was none.
        assert!(served < 40, "no run met the link");
    });
    assert_eq!(listing(&outside), before);
}

#[test]
fn a_read_only_root_filesystem_is_refused_unless_everything_is_there() {
    let host = Host::new("");
    debian(&host);
    let container = StandIn::start(
        &host,
        &asks(&host, "software", &[]),
        &[],
        "mount -o remount,bind,ro $ROOT",
    );
    refused(&container.hook(&host), "read-only");

    let prepared = Host::new("");
    debian(&prepared);
    let lines = "dir /usr/lib/pumice/drivers/lvp\nfile /usr/lib/pumice/libpumice-preload.so\nfile /etc/ld.so.preload\nlibrary /usr/local/nvidia/lib64/other.so";
    fill(&prepared.rootfs(), lines);
    for name in [
        "libcuda.so.1",
        "libcuda.so",
        "libnvidia-ml.so.1",
        "libnvidia-ml.so",
    ] {
        fs::write(
            prepared
                .rootfs()
                .join("usr/lib/x86_64-linux-gnu")
                .join(name),
            "",
        )
        .unwrap();
    }
    let container = StandIn::start(
        &prepared,
        &asks(&prepared, "software", &[]),
        &[],
        "mount -o remount,bind,ro $ROOT",
    );
    succeeded(&container.hook(&prepared));
    assert!(
        container
            .view(&["/etc/ld.so.preload"])
            .contains("libpumice-preload")
    );
}

#[test]
fn a_musl_image_is_refused_in_one_line() {
    let host = Host::new("");
    fill(&host.rootfs(), "musl");
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    refused(&container.hook(&host), "musl");
}

#[test]
fn an_old_glibc_is_refused_in_one_line() {
    let host = Host::new("icd lvp 2.38");
    debian(&host);
    let container = StandIn::start(&host, &asks(&host, "software", &[]), &[], "");
    refused(&container.hook(&host), "glibc 2.36 is too old");
}

#[test]
fn the_root_cgroup_is_never_given_a_device() {
    let host = Host::new(GPU);
    debian(&host);
    let container = StandIn::start(
        &host,
        &asks(&host, "0", &[]),
        &[],
        "mount -t tmpfs tmpfs $ROOT/dev",
    );
    leave_cgroups(&container);
    let before = devices_list("");
    refused(&container.hook(&host), "root cgroup");
    assert_eq!(devices_list(""), before);
}

/// Moves a stand-in to the root of the devices controller.
fn leave_cgroups(container: &StandIn) {
    fs::write(
        "/sys/fs/cgroup/devices/cgroup.procs",
        container.pid().to_string(),
    )
    .expect("cgroup v1's devices controller");
}

/// A container that asks for the host's GPU, with `mounts` besides /dev, in a
/// cgroup of its own that allows no device. It ends before its cgroup does.
fn gpu_container(host: &Host, mounts: Option<Value>, prepare: &str) -> (DevicesGroup, StandIn) {
    debian(host);
    let group = DevicesGroup::new();
    let mut config = asks(host, "0", &[]);
    if let Some(mounts) = mounts {
        config["mounts"] = mounts;
    }
    let container = StandIn::start(host, &config, &[], prepare);
    group.add(&container);
    (group, container)
}

fn devices_list(group: &str) -> String {
    fs::read_to_string(format!("/sys/fs/cgroup/devices{group}/devices.list")).unwrap()
}

/// A cgroup of the devices controller that forbids everything, for one test.
struct DevicesGroup(String);

impl DevicesGroup {
    fn new() -> DevicesGroup {
        let path = format!("/pumice-test-{}", std::process::id());
        fs::create_dir(format!("/sys/fs/cgroup/devices{path}"))
            .expect("cgroup v1's devices controller");
        fs::write(format!("/sys/fs/cgroup/devices{path}/devices.deny"), "a").unwrap();
        DevicesGroup(path)
    }

    fn add(&self, container: &StandIn) {
        fs::write(
            format!("/sys/fs/cgroup/devices{}/cgroup.procs", self.0),
            container.pid().to_string(),
        )
        .unwrap();
    }
}

impl Drop for DevicesGroup {
    fn drop(&mut self) {
        // The last process of the group may still be ending.
        for _ in 0..50 {
            if fs::remove_dir(format!("/sys/fs/cgroup/devices{}", self.0)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_gpu_gets_its_node_and_a_rule_for_that_node_alone() {
    let host = Host::new(GPU);
    let (group, container) = gpu_container(&host, None, "mount -t tmpfs tmpfs $ROOT/dev");
    succeeded(&container.hook(&host));
    assert_eq!(devices_list(&group.0), "c 226:128 rw\n");
    assert!(
        container
            .view(&["/dev/dri/renderD128"])
            .starts_with("/dev/dri/renderD128: device 226:128 mode 666"),
        "{}",
        container.view(&["/dev/dri/renderD128"])
    );
}

#[test]
fn a_node_that_is_another_device_is_refused() {
    let host = Host::new(GPU);
    let taken =
        "mount -t tmpfs tmpfs $ROOT/dev; mkdir $ROOT/dev/dri; mknod $ROOT/dev/dri/renderD128 c 1 3";
    let (_group, container) = gpu_container(&host, None, taken);
    refused(&container.hook(&host), "another file is in its place");
}

#[test]
fn a_volume_over_dev_gets_no_node() {
    let host = Host::new(GPU);
    let volume = json!([{"destination": "/dev", "type": "bind", "source": "/somewhere"}]);
    let (_group, container) = gpu_container(&host, Some(volume), "");
    refused(&container.hook(&host), "/dev is not the runtime's own");
}

#[test]
fn a_real_container_may_open_the_node_that_its_cgroup_was_given() {
    // Without a driver behind it, opening says ENXIO where the rule lets it and
    // EPERM where it does not.
    for runtime in Runtime::ALL {
        for users in [false, true] {
            let host = Host::new(GPU);
            debian(&host);
            let mut config = viewing(&host, &["/dev/dri/renderD128"]);
            config["annotations"] = json!({"pumice/gpu": "0"});
            config["hooks"] = json!({"createRuntime": [hook_entry(&host, "createRuntime")]});
            let mut prepare = "";
            if users {
                let mappings = json!([{"containerID": 0, "hostID": 100_000, "size": 65536}]);
                config["linux"]["namespaces"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"type": "user"}));
                config["linux"]["uidMappings"] = mappings.clone();
                config["linux"]["gidMappings"] = mappings;
                prepare = "chown -R 100000:100000 $ROOT; chmod 755 $ROOT/..";
            }
            let output = runtime.run(&host, &config, None, prepare);
            let seen = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(
                seen,
                "/dev/dri/renderD128: device 226:128 mode 666 (No such device or address)\n",
                "{runtime:?} {users}: {}",
                message(&output)
            );
        }
    }
}

#[test]
fn under_cgroup_v2_a_gpu_is_refused_with_the_route_to_use_and_software_is_served() {
    // With the controllers of version 1 out of sight this is a host of version 2.
    let hide = "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup";
    for (device, status, says) in [("0", 1, "cgroup v2"), ("software", 0, "")] {
        let host = Host::new(GPU);
        debian(&host);
        let container = StandIn::start(
            &host,
            &asks(&host, device, &[]),
            &[],
            "mount -t tmpfs tmpfs $ROOT/dev",
        );
        let state = container.state().to_string();
        let options = host.options();
        let script = format!(
            "{hide} && exec {} {} {} hook createRuntime",
            env!("CARGO_BIN_EXE_pumice"),
            options[0],
            options[1]
        );
        let mut command = std::process::Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
        let output = crate::host::run(&mut command, state.as_bytes());
        assert_eq!(output.status.code(), Some(status), "{}", message(&output));
        assert!(
            message(&output).contains(says)
                && (status == 0 || message(&output).contains("cdi generate")),
            "{}",
            message(&output)
        );
    }
}
