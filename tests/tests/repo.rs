//! What the sources and the test data promise beyond what compiler and clippy look at.

use std::fs;
use std::path::{Path, PathBuf};

/// A file that needs more has two ideas.
const MAX_LINES: usize = 400;

/// Marks of unfinished work, written so that this file does not find itself.
const UNFINISHED: [&str; 5] = [
    concat!("#[", "ignore"),
    concat!("to", "do!("),
    concat!("unimpl", "emented!("),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
];

#[test]
fn a_source_file_has_one_idea_and_at_most_four_hundred_lines() {
    let crates = files_below(&root().join("crates"), "rs");
    let sources = crates
        .iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "src"));
    let broken: Vec<_> = sources
        .filter_map(|path| too_long(&shown(path), &read(path)))
        .collect();
    assert!(!crates.is_empty());
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn nothing_is_ignored_and_nothing_is_left_for_later() {
    let members = ["crates", "examples", "tests", "benches"];
    let sources = members
        .iter()
        .flat_map(|member| files_below(&root().join(member), "rs"));
    let broken: Vec<_> = sources
        .flat_map(|path| unfinished(&shown(&path), &read(&path)))
        .collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_vector_file_is_a_json_object_that_holds_something() {
    let files = files_below(&root().join("tests/vectors"), "json");
    let broken: Vec<_> = files
        .iter()
        .filter_map(|path| not_vectors(&shown(path), &read(path)))
        .collect();
    assert!(!files.is_empty());
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn a_long_file_is_seen() {
    assert_eq!(too_long("a.rs", &"\n".repeat(MAX_LINES)), None);
    assert!(too_long("a.rs", &"\n".repeat(MAX_LINES + 1)).is_some());
}

#[test]
fn unfinished_work_is_seen_with_its_line() {
    assert!(unfinished("a.rs", "fn ignore() {}\n").is_empty());
    for mark in UNFINISHED {
        let text = format!("fn done() {{}}\n    {mark}\n");
        assert_eq!(unfinished("a.rs", &text), [format!("a.rs:2: {mark}")]);
    }
}

#[test]
fn a_broken_or_empty_vector_file_is_seen() {
    assert_eq!(not_vectors("a.json", r#"{ "vectors": [] }"#), None);
    for broken in ["", "{", "[1]", "{}", "null", "{} {}"] {
        assert!(not_vectors("a.json", broken).is_some(), "{broken}");
    }
}

fn too_long(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > MAX_LINES).then(|| format!("{name} has {lines} lines: it holds more than one idea"))
}

fn unfinished(name: &str, text: &str) -> Vec<String> {
    let marked = |line: &str| UNFINISHED.iter().any(|mark| line.contains(mark));
    let lines = text.lines().enumerate().filter(|(_, line)| marked(line));
    lines
        .map(|(index, line)| format!("{name}:{}: {}", index + 1, line.trim()))
        .collect()
}

fn not_vectors(name: &str, text: &str) -> Option<String> {
    match serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(text) {
        Ok(vectors) if vectors.is_empty() => Some(format!("{name} is empty")),
        Ok(_) => None,
        Err(error) => Some(format!("{name}: {error}")),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the root is there")
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files_below(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let paths = entries.map(|entry| entry.expect("a directory can be listed").path());
    paths
        .flat_map(|path| {
            let wanted = path.extension().is_some_and(|found| found == extension);
            if path.is_dir() {
                files_below(&path, extension)
            } else {
                wanted.then_some(path).into_iter().collect()
            }
        })
        .collect()
}
