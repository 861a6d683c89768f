//! Parsers meet an attacker's text: whatever it is, they answer or refuse.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use pumice::arch::HOST;
use pumice::configuration::{self, Host as Settings};
use pumice::layout::Layout;
use pumice::ldcache::LdCache;
use pumice::live::State;
use pumice::log::Log;
use pumice::policy::Policy;
use pumice::request::{Route, request};
use pumice::spec::Spec;
use serde_json::{Value, json};

use crate::container::{asks, debian};
use crate::elf;
use crate::host::Host;

/// Any JSON, with the keys of a configuration among others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "/",
            "/dev",
            "all",
            "software",
            "NVIDIA_VISIBLE_DEVICES=all",
            "LD_LIBRARY_PATH=/x:",
            "rootfs",
            "\0",
            "pumice/gpu"
        ])
        .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        prop::sample::select(vec![
            "process",
            "env",
            "args",
            "user",
            "additionalGids",
            "root",
            "path",
            "mounts",
            "destination",
            "source",
            "type",
            "linux",
            "namespaces",
            "resources",
            "devices",
            "gidMappings",
            "hostID",
            "size",
            "hooks",
            "createRuntime",
            "prestart",
            "annotations",
            "pumice/gpu",
        ])
        .prop_map(str::to_owned),
        ".{0,6}",
    ];
    leaf.prop_recursive(6, 96, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..8)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// A configuration as an engine writes it, of a container that asks.
fn engines(host: &Host) -> Value {
    let mut config = asks(
        host,
        "0,software",
        &[
            json!({"destination": "/proc", "type": "proc", "source": "proc"}),
            json!({"destination": "/data", "type": "bind", "source": "/srv", "options": ["rbind", "rw"]}),
        ],
    );
    let more = json!({
        "hostname": "one", "unknownToAll": {"kept": [1, 2.5, null]},
        "hooks": {"createRuntime": [{"path": "/bin/true", "args": ["true"]}], "prestart": []},
        "linux": {
            "namespaces": [{"type": "mount"}, {"type": "user"}],
            "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 65536}],
            "devices": [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}],
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
        },
    });
    let all = config.as_object_mut().expect("an object");
    all.extend(more.as_object().expect("an object").clone());
    config
}

/// One thing done to a place of a configuration.
#[derive(Debug, Clone)]
enum Damage {
    Replace(Value),
    Remove,
    Repeat,
}

fn any_damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => any_json().prop_map(Damage::Replace),
        1 => Just(Damage::Remove),
        1 => Just(Damage::Repeat),
    ]
}

/// Damages the place that `at` chooses of all places in `value`.
fn damage(value: &mut Value, at: prop::sample::Index, damage: &Damage) {
    let mut places = Vec::new();
    list_places(value, String::new(), &mut places);
    let Some((parent, key)) = at.get(&places).rsplit_once('/') else {
        return;
    };
    match value.pointer_mut(parent) {
        Some(Value::Object(object)) => {
            let key = key.replace("~1", "/").replace("~0", "~");
            match damage {
                Damage::Replace(other) => drop(object.insert(key, other.clone())),
                Damage::Remove => drop(object.remove(&key)),
                Damage::Repeat => {
                    let copy = object.get(&key).cloned().unwrap_or_default();
                    object.insert(format!("{key}2"), copy);
                }
            }
        }
        Some(Value::Array(array)) => {
            let index: usize = key.parse().expect("an index");
            match damage {
                Damage::Replace(other) => array[index] = other.clone(),
                Damage::Remove => drop(array.remove(index)),
                Damage::Repeat => array.push(array[index].clone()),
            }
        }
        _ => {}
    }
}

/// The JSON pointers (RFC 6901) of `value` and of all that is in it.
fn list_places(value: &Value, here: String, places: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, inner)| {
            let key = key.replace('~', "~0").replace('/', "~1");
            list_places(inner, format!("{here}/{key}"), places);
        }),
        Value::Array(array) => array.iter().enumerate().for_each(|(index, inner)| {
            list_places(inner, format!("{here}/{index}"), places);
        }),
        _ => {}
    }
    places.push(here);
}

/// Sources of the mounts that `edited` has and `before` has not.
fn added_sources(before: &Value, edited: &Value) -> Vec<String> {
    let mounts = |config: &Value| config["mounts"].as_array().cloned().unwrap_or_default();
    let old = mounts(before);
    let new = mounts(edited)
        .into_iter()
        .filter(|mount| !old.contains(mount));
    new.map(|mount| mount["source"].as_str().expect("a source").to_owned())
        .collect()
}

/// The configuration with its mounts by destination.
fn sorted(mut config: Value) -> Value {
    let mounts = config["mounts"].as_array_mut().expect("mounts");
    mounts.sort_by_key(|mount| mount["destination"].to_string());
    config
}

/// How many cases a property has: `PROPTEST_CASES`, where somebody has the time.
fn cases(usual: u32) -> u32 {
    let wanted = std::env::var("PROPTEST_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(usual)
}

/// A bare host, which logs to nowhere.
fn settings(dir: &Path) -> Settings {
    let mut settings = Settings::load(Layout::under(dir));
    settings.log = Log {
        file: Some("/dev/null".into()),
    };
    settings
}

#[test]
fn a_damaged_configuration_is_served_or_refused() {
    let host = Host::new("icd radeon 2.36\ndrm renderD128 amdgpu 0000:03:00.0 660 44");
    debian(&host);
    let damages = prop::collection::vec((any::<prop::sample::Index>(), any_damage()), 0..6);
    let settings = settings(&host.path(""));
    let check = |damages: Vec<(prop::sample::Index, Damage)>| {
        let mut config = engines(&host);
        for (at, what) in &damages {
            damage(&mut config, *at, what);
        }
        check_edit(&host, &settings, &config, damages.is_empty())
    };
    let config = ProptestConfig {
        cases: cases(256),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    if let Err(failure) = runner.run(&damages, check) {
        panic!("{failure}");
    }
}

/// What holds of a configuration that is served, and of one that is served again.
fn check_edit(
    host: &Host,
    settings: &Settings,
    config: &Value,
    is_whole: bool,
) -> Result<(), TestCaseError> {
    let edit = |config: &Value| {
        let text = config.to_string();
        configuration::edit(settings, Route::EveryContainer, text.as_bytes(), None)
    };
    let Ok(Some(text)) = edit(config) else {
        prop_assert!(!is_whole, "an undamaged configuration is refused");
        return Ok(());
    };
    let edited: Value = serde_json::from_slice(&text).expect("what was written is JSON");
    prop_assert_eq!(&edited["unknownToAll"], &config["unknownToAll"]);
    for source in added_sources(config, &edited) {
        prop_assert!(Path::new(&source).starts_with(host.path("")), "{}", source);
    }
    // It looks like CDI's work now, of which only the image's part is done again.
    let again = edit(&edited).expect("served again").expect("asks still");
    let again: Value = serde_json::from_slice(&again).expect("what was written is JSON");
    prop_assert_eq!(sorted(again), sorted(edited));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(256), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration_is_edited_or_refused(mut config in any_json(), asks in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        if let (true, Some(object)) = (asks, config.as_object_mut()) {
            object.insert("annotations".into(), json!({"pumice/gpu": "all"}));
        }
        let text = config.to_string();
        for route in [Route::EveryContainer, Route::Runtime, Route::DockerGpus] {
            let _ = configuration::edit(&settings(dir.path()), route, text.as_bytes(), Some(dir.path()));
        }
        let asked = Spec::parse(text.as_bytes()).is_ok_and(|spec| request(&spec, &Policy::default(), Route::EveryContainer).is_some());
        if !asked && config.is_object() {
            let edited = configuration::edit(&settings(dir.path()), Route::EveryContainer, text.as_bytes(), None);
            prop_assert!(matches!(edited, Ok(None)));
        }
    }

    #[test]
    fn any_bytes_are_a_state_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..512), value in any_json()) {
        let _ = State::read(&bytes[..]);
        let _ = State::read(value.to_string().as_bytes());
        let _ = Spec::parse(&bytes);
    }

    #[test]
    fn any_pid_and_path_are_checked(pid in any::<i64>(), bundle in ".{0,20}") {
        let text = json!({"pid": pid, "bundle": bundle}).to_string();
        if let Ok(state) = State::read(text.as_bytes()) {
            prop_assert!(state.pid > 1 && state.bundle.is_absolute());
        }
    }

    #[test]
    fn any_loader_cache_is_read(bytes in prop::collection::vec(any::<u8>(), 0..2048), count in any::<u32>()) {
        let mut cache = b"glibc-ld.so.cache1.1".to_vec();
        cache.extend_from_slice(&count.to_le_bytes());
        cache.extend_from_slice(&bytes);
        let _ = LdCache::parse(&cache, HOST.cache_flags);
        let _ = LdCache::parse(&bytes, HOST.cache_flags);
    }

    #[test]
    fn a_damaged_library_is_described_or_refused(damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..24)) {
        let mut bytes = fs::read(elf::libc(36)).unwrap();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &bytes).unwrap();
        let _ = pumice::elf::read(file);
    }
}
