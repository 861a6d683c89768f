//! The routes that edit a configuration, with the real runtimes: the same view
//! from inside by each, and everything else passed through.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use crate::container::{Runtime, debian, hook_entry, viewing};
use crate::host::{Host, run};

const GPU: &str = "icd radeon 2.36\ndrm renderD128 amdgpu 0000:03:00.0";
/// What a program in the container could notice of the edits, but for the way
/// in which the preload library is announced.
const SEEN: [&str; 9] = [
    "/dev/dri/renderD128",
    "/usr/lib/pumice/drivers/radeon",
    "/usr/lib/pumice/drivers/radeon/libleaf.so.3",
    "/usr/lib/pumice/libpumice-preload.so",
    "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so",
    "/usr/local/nvidia/lib64/libcuda.so",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "/usr/lib/x86_64-linux-gnu/libc.so.6",
];

fn stdout(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn asking(host: &Host) -> Value {
    let mut config = viewing(host, &SEEN);
    config["annotations"] = json!({"pumice/gpu": "0"});
    config
}

fn by_precreate(host: &Host, runtime: Runtime) -> String {
    let edited = stdout(&host.run(&["precreate"], asking(host).to_string().as_bytes()));
    stdout(&runtime.run(host, &serde_json::from_str(&edited).unwrap(), None, ""))
}

fn by_wrapper(host: &Host, runtime: Runtime) -> String {
    stdout(&runtime.run(host, &asking(host), Some(&wrapper(host, runtime)), ""))
}

fn by_live_hook(host: &Host, runtime: Runtime) -> String {
    let mut config = asking(host);
    config["hooks"] = json!({"createRuntime": [hook_entry(host, "createRuntime")]});
    stdout(&runtime.run(host, &config, None, ""))
}

fn by_cdi(host: &Host, runtime: Runtime) -> String {
    stdout(&runtime.run(host, &with_cdi(host, "0"), None, ""))
}

/// The wrapper's command line, which runs `runtime`.
fn wrapper(host: &Host, runtime: Runtime) -> String {
    let policy = host.path("etc/pumice/config.toml");
    fs::create_dir_all(policy.parent().unwrap()).unwrap();
    fs::write(
        policy,
        format!("[runtime]\nruntimes = [{:?}]\n", runtime.name()),
    )
    .unwrap();
    format!(
        "{} {} runtime",
        env!("CARGO_BIN_EXE_pumice"),
        host.options().join(" ")
    )
}

/// A configuration as an engine leaves it that has injected a CDI device.
fn with_cdi(host: &Host, device: &str) -> Value {
    let spec: Value = serde_json::from_str(&stdout(&host.run(&["cdi", "generate"], b""))).unwrap();
    let mut config = asking(host);
    config.as_object_mut().unwrap().remove("annotations");
    let devices = spec["devices"].as_array().unwrap();
    let named = devices
        .iter()
        .find(|entry| entry["name"] == device)
        .expect("the device");
    for edits in [&named["containerEdits"], &spec["containerEdits"]] {
        for mount in edits["mounts"].as_array().into_iter().flatten() {
            let mount = json!({"destination": mount["containerPath"], "source": mount["hostPath"], "type": "bind", "options": mount["options"]});
            config["mounts"].as_array_mut().unwrap().push(mount);
        }
        for node in edits["deviceNodes"].as_array().into_iter().flatten() {
            // The engine fills in what it sees at the node.
            config["linux"]["devices"] = json!([{"path": node["path"], "type": "c", "major": 226, "minor": 128, "fileMode": node["fileMode"]}]);
            let rule = json!({"allow": true, "type": "c", "major": 226, "minor": 128, "access": node["permissions"]});
            config["linux"]["resources"]["devices"]
                .as_array_mut()
                .unwrap()
                .push(rule);
        }
        for hook in edits["hooks"].as_array().into_iter().flatten() {
            let stage = hook["hookName"].as_str().unwrap();
            config["hooks"] = json!({stage: [{"path": hook["path"], "args": hook["args"], "env": hook["env"], "timeout": hook["timeout"]}]});
        }
    }
    config
}

#[test]
fn the_view_from_inside_is_the_same_by_every_route() {
    for runtime in Runtime::ALL {
        let mut views = Vec::new();
        for route in [by_precreate, by_wrapper, by_live_hook, by_cdi] {
            let host = Host::new(GPU);
            debian(&host);
            views.push(route(&host, runtime));
        }
        assert!(
            views[0].contains(
                "/dev/dri/renderD128: device 226:128 mode 666 (No such device or address)"
            ),
            "{}",
            views[0]
        );
        assert!(!views[0].contains("No such file"), "{}", views[0]);
        assert!(
            views.iter().all(|view| view == &views[0]),
            "{runtime:?}\n{}",
            views.join("\n")
        );
    }
}

#[test]
fn without_asking_the_view_is_what_the_runtime_alone_gives() {
    for runtime in Runtime::ALL {
        let host = Host::new(GPU);
        debian(&host);
        let config = viewing(&host, &SEEN);
        let alone = stdout(&runtime.run(&host, &config, None, ""));
        assert_eq!(
            stdout(&runtime.run(&host, &config, Some(&wrapper(&host, runtime)), "")),
            alone
        );
        let mut hooked = config.clone();
        hooked["hooks"] = json!({"createRuntime": [hook_entry(&host, "createRuntime")]});
        assert_eq!(stdout(&runtime.run(&host, &hooked, None, "")), alone);
        assert_eq!(
            alone.matches("No such file").count(),
            SEEN.len() - 1,
            "{alone}"
        );
    }
}

#[test]
fn a_cdi_device_that_also_passes_precreate_loses_its_hook_and_nothing_else() {
    let host = Host::new(GPU);
    debian(&host);
    let config = with_cdi(&host, "0");
    let edited: Value = serde_json::from_str(&stdout(
        &host.run(&["precreate"], config.to_string().as_bytes()),
    ))
    .unwrap();
    assert_eq!(edited["hooks"], json!({"createRuntime": []}));
    assert_eq!(edited["linux"], config["linux"]);
    let environment = edited["process"]["env"].to_string();
    assert!(
        environment.contains("LD_PRELOAD=/usr/lib/pumice/libpumice-preload.so"),
        "{environment}"
    );
    let seen = stdout(&Runtime::Runc.run(&host, &edited, None, ""));
    assert!(!seen.contains("No such file"), "{seen}");
}

#[test]
fn the_wrapper_passes_every_other_command_and_its_status_through() {
    for runtime in Runtime::ALL {
        let host = Host::new("");
        let prefix = wrapper(&host, runtime);
        let shell =
            |command: &str| run(std::process::Command::new("sh").args(["-c", command]), b"");
        for arguments in [
            "--version",
            "state nonexistent",
            "--root /nowhere list -q",
            "spec --help",
            "--nonsense",
        ] {
            let (wrapped, plain) = (
                shell(&format!("{prefix} {arguments}")),
                shell(&format!("{} {arguments}", runtime.name())),
            );
            assert_eq!(wrapped.status.code(), plain.status.code(), "{arguments}");
            assert_eq!(wrapped.stdout, plain.stdout, "{arguments}");
        }
    }
}

#[test]
fn the_wrapper_reports_where_the_engine_reads() {
    let host = Host::new("");
    debian(&host);
    let prefix = wrapper(&host, Runtime::Runc);
    let bundle = host.path("bundle");
    fs::create_dir_all(&bundle).unwrap();
    let mut config = asking(&host);
    config["annotations"]["pumice/gpu"] = json!("5");
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    let log = host.path("log.json");
    let command = format!(
        "{prefix} --log {} --log-format json create --bundle {} x",
        log.display(),
        bundle.display()
    );
    let output = run(std::process::Command::new("sh").args(["-c", &command]), b"");
    assert_eq!(output.status.code(), Some(1));
    let line: Value = serde_json::from_str(fs::read_to_string(log).unwrap().trim()).unwrap();
    assert_eq!(line["level"], "error");
    assert!(
        line["msg"]
            .as_str()
            .unwrap()
            .contains("there is no device `5`"),
        "{line}"
    );
    assert_eq!(
        fs::read_to_string(bundle.join("config.json")).unwrap(),
        config.to_string(),
        "the bundle is unchanged"
    );
}

#[test]
fn an_edited_bundle_keeps_its_owner_and_mode() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let host = Host::new("");
    debian(&host);
    let prefix = wrapper(&host, Runtime::Runc).replace(" runtime", "");
    fs::write(
        host.path("etc/pumice/config.toml"),
        "[runtime]\nruntimes = [\"/bin/true\"]\n",
    )
    .unwrap();
    let bundle = host.path("bundle");
    fs::create_dir_all(&bundle).unwrap();
    let path = bundle.join("config.json");
    let mut config = asking(&host);
    config["annotations"]["pumice/gpu"] = json!("software");
    fs::write(&path, config.to_string()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    chown(&path, Some(1234), Some(567)).unwrap();
    let command = format!("{prefix} runtime create --bundle {} x", bundle.display());
    stdout(&run(
        std::process::Command::new("sh").args(["-c", &command]),
        b"",
    ));
    let meta = fs::metadata(&path).unwrap();
    assert_eq!(
        (meta.uid(), meta.gid(), meta.mode() & 0o777),
        (1234, 567, 0o640)
    );
    assert!(fs::read_to_string(&path).unwrap().contains("libcuda.so.1"));
    assert_eq!(
        fs::read_dir(&bundle).unwrap().count(),
        1,
        "nothing is left over"
    );
}

#[test]
fn a_specification_is_valid_until_the_host_changes() {
    let host = Host::new(GPU);
    let file = host.path("pumice.json");
    let path = file.to_str().unwrap();
    stdout(&host.run(&["cdi", "generate", "--output", path], b""));
    stdout(&host.run(&["cdi", "validate", path], b""));
    fs::remove_file(host.path("dev/dri/renderD128")).unwrap();
    let output = host.run(&["cdi", "validate", path], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("out of date"));
}

#[test]
fn the_shipped_policy_is_the_default_one() {
    let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/config.toml");
    let policy = pumice::policy::Policy::load(&shipped).unwrap();
    assert!(shipped.exists());
    assert_eq!(policy, pumice::policy::Policy::default());
}
