//! The house stands because dependencies point one way and no layer leans on another. These tests
//! read every manifest of the workspace and say so when one of them points elsewhere.

mod house;
mod rules;

use house::House;

/// Fails with every broken rule at once: whoever moves a crate wants to see all of them.
#[track_caller]
fn holds(rule: fn(&House) -> Vec<String>) {
    let broken = rule(&House::read());
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn dependencies_point_one_way() {
    holds(rules::one_way);
}

#[test]
fn no_crates_lean_on_each_other_in_a_circle() {
    holds(rules::no_circle);
}

#[test]
fn the_pure_crates_know_no_runtime_and_no_tower() {
    holds(rules::pure);
}

#[test]
fn the_facade_shows_every_published_crate() {
    holds(rules::facade_is_complete);
}

#[test]
fn a_package_is_named_after_its_directory() {
    holds(rules::names);
}

#[test]
fn every_shared_dependency_leaves_its_default_features_off() {
    holds(rules::defaults_off);
}

#[test]
fn every_member_obeys_the_lints_of_the_workspace_and_these_forbid_unsafe_code() {
    holds(rules::lints);
}

#[test]
fn every_published_crate_ships_what_its_readers_need() {
    holds(rules::ships);
}
