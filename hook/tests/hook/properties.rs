//! Parsers meet an attacker's text: whatever it is, they answer or refuse.

use std::fs;

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

use crate::elf;

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

/// A bare host, which logs to nowhere.
fn settings(dir: &tempfile::TempDir) -> Settings {
    let mut settings = Settings::load(Layout::under(dir.path()));
    settings.log = Log {
        file: Some("/dev/null".into()),
    };
    settings
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_configuration_is_edited_or_refused(mut config in any_json(), asks in any::<bool>()) {
        let dir = tempfile::tempdir().unwrap();
        if let (true, Some(object)) = (asks, config.as_object_mut()) {
            object.insert("annotations".into(), json!({"pumice/gpu": "all"}));
        }
        let text = config.to_string();
        for route in [Route::EveryContainer, Route::Runtime, Route::DockerGpus] {
            let _ = configuration::edit(&settings(&dir), route, text.as_bytes(), Some(dir.path()));
        }
        let asked = Spec::parse(text.as_bytes()).is_ok_and(|spec| request(&spec, &Policy::default(), Route::EveryContainer).is_some());
        if !asked && config.is_object() {
            let edited = configuration::edit(&settings(&dir), Route::EveryContainer, text.as_bytes(), None);
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
