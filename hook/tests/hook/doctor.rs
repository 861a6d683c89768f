//! The check-up: what it finds, and that a problem is a failure.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::host::Host;

/// A stand-in for the program that asks Vulkan.
fn probe(host: &Host, report: &str) {
    let path = host.path("usr/lib/pumice/vulkan-probe");
    fs::write(&path, format!("#!/bin/sh\ncat <<'END'\n{report}\nEND\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn device(unsuitable: &str) -> String {
    format!(
        r#"{{"devices":[{{"name":"A GPU","api_version":"1.4.305","device_uuid":"6d65736132352e302e372d327e627000","pci":"0000:03:00.0","unsuitable":{unsuitable},"error":null}}]}}"#
    )
}

fn set_up() -> Host {
    let host = Host::new("icd radeon 2.36\ndrm renderD128 amdgpu 0000:03:00.0");
    probe(&host, &device("null"));
    let specification = host.path("etc/cdi/pumice.json");
    let path = specification.to_str().unwrap();
    assert!(host.run(&["assemble"], b"").status.success());
    assert!(
        host.run(&["cdi", "generate", "--output", path], b"")
            .status
            .success()
    );
    host
}

fn report(host: &Host) -> (Option<i32>, String) {
    let output = host.run(&["doctor"], b"");
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

#[test]
fn a_host_that_is_set_up_is_well() {
    let host = set_up();
    let (status, text) = report(&host);
    assert_eq!(status, Some(0), "{text}");
    for line in [
        "pumice/gpu=0: 0000:03:00.0 0x1002:0x73bf, kernel driver amdgpu, Vulkan driver radeon",
        "drivers/radeon: Vulkan 1.4.305, 2 libraries, for images with glibc 2.36 or later",
        "Vulkan device A GPU, Vulkan 1.4.305",
        "CDI pumice/gpu in",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[test]
fn each_fault_is_a_problem_with_a_remedy() {
    type Fault = fn(&Host);
    let faults: [(Fault, &str); 6] = [
        (
            |host| fs::remove_file(host.path("usr/lib/pumice/libcuda.so.1")).unwrap(),
            "install pumice again",
        ),
        (
            |host| fs::remove_file(host.path("usr/lib/pumice/vulkan-probe")).unwrap(),
            "install pumice again",
        ),
        (
            |host| fs::remove_file(host.path("dev/dri/renderD128")).unwrap(),
            "check udev",
        ),
        (
            |host| fs::remove_dir_all(host.path("etc/cdi")).unwrap(),
            "no container engine is set up",
        ),
        (
            |host| probe(host, &device("\"shaderInt64 is missing\"")),
            "A GPU: shaderInt64 is missing",
        ),
        (|host| probe(host, "nonsense"), "run it by hand"),
    ];
    for (fault, remedy) in faults {
        let host = set_up();
        fault(&host);
        let (status, text) = report(&host);
        assert_eq!(status, Some(1), "{remedy}: {text}");
        let found = text
            .lines()
            .any(|line| line.starts_with("PROBLEM") && line.contains(remedy));
        assert!(found, "{remedy}: {text}");
    }
}

#[test]
fn a_specification_that_no_longer_fits_is_a_problem() {
    let host = set_up();
    fs::write(host.path("etc/cdi/pumice.json"), r#"{"cdiVersion":"0.5.0","kind":"pumice/gpu","containerEdits":{"hooks":[{"path":"/usr/bin/pumice","args":["pumice"]}]}}"#).unwrap();
    let (status, text) = report(&host);
    assert_eq!(status, Some(1));
    assert!(text.contains("is out of date"), "{text}");
}

#[test]
fn the_probes_names_select_devices() {
    let host = set_up();
    let output = host.run(&["cdi", "list"], b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("pumice/gpu=GPU-6d657361-3235-2e30-2e37-2d327e627000\n"),
        "{text}"
    );
}
