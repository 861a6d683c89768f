//! containerd with pumice's runtime wrapper: the runtime class as its CRI plugin
//! reads it, and a container whose runtime is the same program.

use libtest_mimic::Trial;
use tests::container::containerd::Containerd;
use tests::container::image::SID;
use tests::container::output::Output;
use tests::container::rootfs::Rootfs;

use crate::device_list::{assert_device, assert_none};
use crate::trial;

const LIST_DEVICES: [&str; 3] = ["llama-server", "--verbose", "--list-devices"];

pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "containerd: the runtime class is read, and the CRI plugin runs".into(),
            runtime_class,
        ),
        trial(
            "containerd, ctr with pumice-runtime: llama-server finds the device".into(),
            finds_the_device,
        ),
        trial(
            "containerd, ctr with pumice-runtime: without asking it finds none".into(),
            finds_none,
        ),
    ]
}

fn runtime_class() {
    let containerd = Containerd::start();
    let read = containerd.configuration();
    let class = read
        .split("containerd.runtimes.pumice.options]")
        .nth(1)
        .unwrap_or_else(|| panic!("no class `pumice` in {read}"));
    let options = class.split('[').next().unwrap_or_default();
    assert!(
        options.contains("BinaryName = \"/usr/bin/pumice-runtime\""),
        "{options}"
    );
    let plugins = containerd.run(&["plugins", "ls"]).expect_success();
    let cri = plugins
        .stdout
        .lines()
        .find(|line| line.starts_with("io.containerd.grpc.v1 ") && line.contains(" cri "));
    assert!(
        cri.is_some_and(|line| line.trim_end().ends_with("ok")),
        "{plugins}"
    );
}

fn finds_the_device() {
    let asks = ["--env", "NVIDIA_VISIBLE_DEVICES=all"];
    assert_device(&list_devices(&asks).expect_success());
}

fn finds_none() {
    assert_none(&list_devices(&[]).expect_success());
}

fn list_devices(options: &[&str]) -> Output {
    let (containerd, rootfs) = (Containerd::start(), Rootfs::writable(SID));
    let rootfs = rootfs.path().display().to_string();
    let name = format!("pumice-{}", std::process::id());
    let run = ["run", "--rm", "--runc-binary=/usr/bin/pumice-runtime"];
    // Only an image would say so.
    let path = ["--env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
    let image = ["--rootfs", &rootfs, &name];
    containerd.run(&[&run[..], &path, options, &image, &LIST_DEVICES].concat())
}
