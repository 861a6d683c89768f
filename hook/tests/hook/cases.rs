//! Golden cases: each directory of `tests/cases` is one. `config.json` is what
//! the engine hands over, `image.txt` the root filesystem, `host.txt` and
//! `policy.toml` what differs on the host, `command.txt` the command line,
//! `expected.txt` the outcome.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::host::{Host, fill};

fn cases() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    cases
}

fn read(case: &Path, name: &str) -> Option<String> {
    fs::read_to_string(case.join(name)).ok()
}

/// The case's host, and its configuration as the engine hands it over.
fn prepare(case: &Path) -> (Host, String) {
    let host = Host::new(&read(case, "host.txt").unwrap_or_default());
    fill(&host.rootfs(), &read(case, "image.txt").unwrap_or_default());
    if let Some(policy) = read(case, "policy.toml") {
        fs::create_dir_all(host.path("etc/pumice")).unwrap();
        fs::write(host.path("etc/pumice/config.toml"), policy).unwrap();
    }
    let input = host.localize(&read(case, "config.json").unwrap());
    (host, input)
}

/// What happened, as text: status, messages, and the configuration.
fn outcome(case: &Path) -> String {
    let (host, input) = prepare(case);
    let command = read(case, "command.txt").unwrap_or("precreate".into());
    let args: Vec<&str> = command.split_whitespace().collect();
    let output = host.run(&args, input.as_bytes());
    host.generalize(&describe(&output, &input))
}

fn describe(output: &Output, input: &str) -> String {
    let status = output.status.code().expect("it ends by itself");
    let messages = String::from_utf8(output.stderr.clone()).unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let stdout = match (text.as_str(), serde_json::from_str::<Value>(&text)) {
        ("", _) => "nothing\n".to_owned(),
        (same, _) if same == input => "the input, byte for byte\n".to_owned(),
        (_, Ok(value)) => format!("{value:#}\n"),
        (other, Err(_)) => other.to_owned(),
    };
    format!("status {status}\n--- stderr\n{messages}--- stdout\n{stdout}")
}

#[test]
fn every_case_has_the_expected_outcome() {
    let mut wrong = Vec::new();
    for case in cases() {
        let actual = outcome(&case);
        if std::env::var_os("BLESS").is_some() {
            fs::write(case.join("expected.txt"), &actual).unwrap();
        }
        let expected = read(&case, "expected.txt").unwrap_or_default();
        if actual != expected {
            wrong.push(format!(
                "{}:\n--- expected\n{expected}\n--- actual\n{actual}",
                case.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn editing_the_edited_configuration_changes_nothing() {
    for case in cases()
        .iter()
        .filter(|case| !case.join("command.txt").exists())
    {
        let (host, input) = prepare(case);
        let once = host.run(&["precreate"], input.as_bytes());
        if !once.status.success() {
            continue;
        }
        let twice = host.run(&["precreate"], &once.stdout);
        assert!(
            twice.status.success(),
            "{}: {}",
            case.display(),
            String::from_utf8_lossy(&twice.stderr)
        );
        assert_eq!(
            sorted(&twice.stdout),
            sorted(&once.stdout),
            "{}",
            case.display()
        );
    }
}

/// The configuration with its mounts in the order of their destinations: ours
/// are not below each other.
fn sorted(config: &[u8]) -> Value {
    let mut config: Value = serde_json::from_slice(config).unwrap();
    let mounts = config["mounts"].as_array_mut().unwrap();
    mounts.sort_by_key(|mount| mount["destination"].to_string());
    config
}
