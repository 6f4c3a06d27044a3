//! The rules of the house, kept by reading the manifests and the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may import whom in the workspace. `station` sees all stages.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("proto", &[]),
    ("broker", &[]),
    ("source", &["broker"]),
    ("ingest", &["model", "proto", "broker"]),
    ("store", &["model"]),
    ("evaluator", &["model"]),
    ("alerts", &["model"]),
    ("dispatcher", &["model"]),
    ("command-centre", &["model"]),
    (
        "station",
        &[
            "model",
            "proto",
            "broker",
            "source",
            "ingest",
            "store",
            "evaluator",
            "alerts",
            "dispatcher",
            "command-centre",
        ],
    ),
    ("simulator", &["proto"]),
    // measures the parts through their public entries, never used by any of them
    ("bench", &["model", "proto", "broker", "ingest", "store", "evaluator", "alerts"]),
];

/// Heavy crates, each in one room.
const PINNED: &[(&str, &[&str])] = &[
    ("rocksdb", &["store"]),
    ("timely", &["evaluator"]),
    ("axum", &["command-centre"]),
    ("mqtt-protocol-core", &["broker"]),
    ("rumqttd", &["source"]),
];

/// As [`PINNED`], but anybody's tests may use them.
const PINNED_BUT_FOR_TESTS: &[(&str, &[&str])] = &[("rumqttc", &["source", "simulator"])];

/// Lines of a source file before its tests, and of a function. A little above what the style asks for, so that the
/// test speaks when it slips and not at the first line too many.
const FILE_LINES_MAX: usize = 450;
const FUNCTION_LINES_MAX: usize = 85;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace is there")
}

fn room(name: &str) -> PathBuf {
    match name {
        "proto" | "simulator" | "bench" => root().join(name),
        _ => root().join("crates").join(name),
    }
}

fn manifest(name: &str) -> toml::Table {
    let path = room(name).join("Cargo.toml");
    fs::read_to_string(&path).expect("readable").parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table_keys(manifest: &toml::Table, section: &str) -> Vec<String> {
    manifest.get(section).and_then(|table| table.as_table()).map(|t| t.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn every_room_is_in_the_table() {
    let workspace: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: Vec<_> = members.iter().map(|m| m.as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect();
    let mut listed: Vec<_> = MAY_IMPORT.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut sorted = members.clone();
    sorted.sort();
    listed.sort();
    assert_eq!(sorted, listed, "members of Cargo.toml and the dependency table differ");
}

#[test]
fn rooms_import_what_the_table_allows() {
    let rooms: Vec<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    let mut faults = Vec::new();
    for (name, allowed) in MAY_IMPORT {
        for dependency in table_keys(&manifest(name), "dependencies") {
            if rooms.contains(&dependency.as_str()) && !allowed.contains(&dependency.as_str()) {
                faults.push(format!("{name} imports {dependency}"));
            }
        }
    }
    assert!(faults.is_empty(), "against the dependency rule of crates/ARCHITECTURE.md: {faults:?}");
}

#[test]
fn heavy_crates_stay_in_their_rooms() {
    let mut faults = Vec::new();
    for (name, _) in MAY_IMPORT {
        let manifest = manifest(name);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in table_keys(&manifest, section) {
                let tests = section == "dev-dependencies";
                let lax = PINNED_BUT_FOR_TESTS.iter().filter(|_| !tests);
                let pinned = PINNED.iter().chain(lax).find(|(heavy, _)| *heavy == dependency);
                if pinned.is_some_and(|(_, homes)| !homes.contains(name)) {
                    faults.push(format!("{name} imports {dependency}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn every_manifest_takes_the_lints_of_the_workspace() {
    for (name, _) in MAY_IMPORT {
        let lints = manifest(name).get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        assert_eq!(lints, Some(true), "{name}/Cargo.toml lacks [lints] workspace = true");
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for (name, _) in MAY_IMPORT {
        collect(&room(name).join("src"), &mut files);
    }
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("readable"))).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

#[test]
fn files_are_read_in_one_sitting() {
    let mut long = BTreeMap::new();
    for (path, text) in sources() {
        if path.file_name().is_some_and(|name| name == "tests.rs") {
            continue;
        }
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count();
        if lines > FILE_LINES_MAX {
            long.insert(shown(&path), lines);
        }
    }
    assert!(long.is_empty(), "over {FILE_LINES_MAX} lines before the tests: {long:#?}");
}

#[test]
fn functions_fit_a_screen() {
    let mut long = BTreeMap::new();
    for (path, text) in sources() {
        let mut open: Option<(usize, usize, String)> = None;
        for (number, line) in text.lines().enumerate() {
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let starts =
                ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(crate) fn ", "pub(super) fn ", "const fn "];
            if open.is_none() && starts.iter().any(|start| words.starts_with(start)) && !words.ends_with(';') {
                open = Some((number, indent, words.chars().take(60).collect()));
            }
            if let Some((from, level, name)) = &open
                && indent == *level
                && (words == "}"
                    || (number > *from && words.ends_with(';'))
                    || (words.ends_with('}') && number == *from))
            {
                if number - from + 1 > FUNCTION_LINES_MAX {
                    long.insert(format!("{}:{} {name}", shown(&path), from + 1), number - from + 1);
                }
                open = None;
            }
        }
    }
    assert!(long.is_empty(), "over {FUNCTION_LINES_MAX} lines: {long:#?}");
}

#[test]
fn no_mod_rs_and_every_crate_opens_with_prose() {
    for (path, text) in sources() {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        assert_ne!(name, "mod.rs", "{}: name the file after the module", shown(&path));
        if matches!(name, "lib.rs" | "main.rs") {
            assert!(text.starts_with("//!"), "{} must open with what it is and what must never be here", shown(&path));
        }
    }
}

#[test]
fn the_broker_does_not_know_what_it_carries() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        if !path.starts_with(room("broker")) {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let words = line.to_lowercase();
            let mut words = words.split(|c: char| !c.is_alphanumeric());
            if words.any(|word| matches!(word, "fire" | "alert" | "alerts" | "reading" | "readings"))
                && !line.contains("while reading")
            {
                faults.push(format!("{}:{}", shown(&path), number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn nothing_of_this_machine_or_of_how_it_was_made_is_written_down() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if ["/work/", "/tmp/plan", "/root/"].iter().any(|bad| line.contains(bad)) {
                faults.push(format!("{}:{}", shown(&path), number + 1));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
