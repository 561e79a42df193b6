//! A rule that cannot fail protects nothing: each is shown a house that breaks it.

use cargo_metadata::DependencyKind::{Build, Development, Normal};

use super::*;
use crate::house::{Shared, Ships};

/// A member in `dir` with these dependencies, and otherwise without fault.
fn member(dir: &str, dependencies: &[(&str, DependencyKind)]) -> Member {
    let name = dir.strip_prefix("crates/").unwrap_or(dir);
    Member {
        name: if dir == FACADE {
            name.to_owned()
        } else {
            format!("buttress-{name}")
        },
        dir: dir.to_owned(),
        published: dir.starts_with("crates/") && dir != "crates/testkit",
        dependencies: dependencies
            .iter()
            .map(|(name, kind)| Dependency {
                name: (*name).to_owned(),
                kind: *kind,
            })
            .collect(),
        workspace_lints: true,
        ships: Ships {
            license: Some("MIT OR Apache-2.0".to_owned()),
            description: Some("a layer".to_owned()),
            readme: true,
            include: ["src/**", "README.md", "LICENSE*"]
                .map(str::to_owned)
                .to_vec(),
            license_texts: true,
        },
    }
}

fn house(members: &[Member]) -> House {
    House {
        members: members.to_vec(),
        shared: Vec::new(),
        forbids_unsafe: true,
    }
}

/// The whole house as it was drawn, with layers that do not exist yet.
fn sound() -> House {
    let layer = ["buttress-core", "buttress-classify", "buttress-body"].map(|name| (name, Normal));
    let layer = [
        layer.as_slice(),
        &[("tokio", Normal), ("buttress-testkit", Development)],
    ]
    .concat();
    let published = ["core", "sse", "classify", "body", "retry", "breaker"];
    let published = [published.as_slice(), &["idempotency", "idempotency-redis"]].concat();
    let published: Vec<_> = published
        .iter()
        .map(|name| format!("buttress-{name}"))
        .collect();
    let facade: Vec<_> = published
        .iter()
        .map(|name| (name.as_str(), Normal))
        .collect();
    house(&[
        member(
            "crates/core",
            &[("buttress-testkit", Development), ("tokio", Development)],
        ),
        member("crates/sse", &[("buttress-core", Normal)]),
        member(
            "crates/classify",
            &[("buttress-core", Normal), ("buttress-sse", Normal)],
        ),
        member(
            "crates/body",
            &[("buttress-core", Normal), ("http-body", Normal)],
        ),
        member("crates/testkit", &[("tokio", Normal)]),
        member("crates/retry", &layer),
        member("crates/breaker", &layer),
        member("crates/idempotency", &layer),
        member(
            "crates/idempotency-redis",
            &[("buttress-core", Normal), ("buttress-idempotency", Normal)],
        ),
        member(FACADE, &facade),
        member(
            "examples",
            &[("buttress", Normal), ("buttress-testkit", Normal)],
        ),
        member(
            "tests",
            &[
                ("buttress-retry", Development),
                ("buttress-breaker", Development),
            ],
        ),
    ])
}

#[test]
fn a_sound_house_breaks_no_rule() {
    let rules = [
        one_way,
        no_circle,
        pure,
        facade_is_complete,
        names,
        defaults_off,
        lints,
        ships,
    ];
    for rule in rules {
        assert_eq!(rule(&sound()), [""; 0]);
    }
}

#[test]
fn a_forbidden_edge_is_seen() {
    let forbidden = [
        ("crates/core", "crates/classify", Normal),
        ("crates/core", "crates/body", Development),
        ("crates/sse", "crates/classify", Normal),
        ("crates/body", "crates/sse", Normal),
        ("crates/body", "crates/classify", Normal),
        ("crates/classify", "crates/retry", Normal),
        ("crates/retry", "crates/breaker", Normal),
        ("crates/retry", "crates/breaker", Development),
        ("crates/retry", "crates/breaker", Build),
        ("crates/retry", "crates/testkit", Normal),
        ("crates/retry", "crates/testkit", Build),
        ("crates/retry", FACADE, Development),
        ("crates/retry", "examples", Development),
        ("crates/testkit", "crates/core", Normal),
        ("crates/testkit", "crates/core", Development),
        ("crates/idempotency-redis", "crates/retry", Normal),
        ("crates/idempotency-redis", "crates/retry", Development),
        ("crates/idempotency-redis", "crates/testkit", Normal),
        ("crates/idempotency-redis", FACADE, Development),
        ("crates/idempotency", "crates/idempotency-redis", Normal),
        (
            "crates/idempotency",
            "crates/idempotency-redis",
            Development,
        ),
        ("crates/retry", "crates/idempotency-redis", Normal),
        ("crates/body", "crates/idempotency-redis", Normal),
        (FACADE, "crates/testkit", Normal),
        ("tests", "examples", Development),
    ];
    for (from, to, kind) in forbidden {
        let to = member(to, &[]);
        let broken = one_way(&house(&[member(from, &[(&to.name, kind)]), to]));
        assert_eq!(broken.len(), 1, "{from} -> {broken:?}");
    }
}

#[test]
fn a_circle_is_seen_at_each_of_its_crates() {
    let circle = house(&[
        member("crates/core", &[("buttress-body", Development)]),
        member("crates/body", &[("buttress-sse", Normal)]),
        member("crates/sse", &[("buttress-core", Normal)]),
        member("crates/retry", &[("buttress-core", Normal)]),
    ]);
    let broken = no_circle(&circle);
    assert_eq!(broken.len(), 3, "{broken:?}");
}

#[test]
fn a_foundation_that_knows_a_runtime_is_seen() {
    for name in ["tokio", "tokio-util", "tower", "tower-service"] {
        assert_eq!(
            pure(&house(&[member("crates/core", &[(name, Normal)])])).len(),
            1,
            "{name}"
        );
        assert_eq!(
            pure(&house(&[member("crates/body", &[(name, Build)])])).len(),
            1,
            "{name}"
        );
        assert!(
            pure(&house(&[member("crates/retry", &[(name, Normal)])])).is_empty(),
            "{name}"
        );
    }
    assert!(pure(&house(&[member("crates/core", &[("towering", Normal)])])).is_empty());
}

#[test]
fn a_facade_that_hides_a_crate_is_seen() {
    let retry = member("crates/retry", &[]);
    for dependencies in [&[][..], &[("buttress-retry", Development)]] {
        let hidden = house(&[retry.clone(), member(FACADE, dependencies)]);
        assert_eq!(
            facade_is_complete(&hidden),
            ["buttress does not show buttress-retry"]
        );
    }
    assert_eq!(facade_is_complete(&house(&[retry])).len(), 1);
}

#[test]
fn a_misnamed_package_is_seen() {
    let mut misnamed = member("crates/retry", &[]);
    misnamed.name = "tower-retry".to_owned();
    assert_eq!(names(&house(&[misnamed])).len(), 1);
}

#[test]
fn a_shared_dependency_with_default_features_is_seen() {
    let entry = |default_features, unversioned| {
        let entry = Shared {
            name: "tokio".to_owned(),
            default_features,
            unversioned,
        };
        House {
            shared: vec![entry],
            ..house(&[])
        }
    };
    assert_eq!(defaults_off(&entry(true, false)).len(), 1);
    assert!(defaults_off(&entry(false, false)).is_empty());
    assert!(defaults_off(&entry(true, true)).is_empty());
}

#[test]
fn lax_lints_are_seen() {
    let mut lax = house(&[member("benches", &[])]);
    lax.members[0].workspace_lints = false;
    lax.forbids_unsafe = false;
    assert_eq!(lints(&lax).len(), 2);
}

#[test]
fn everything_that_a_published_crate_lacks_is_seen() {
    let lacking = Ships {
        license: Some("GPL-3.0".to_owned()),
        description: Some(String::new()),
        readme: false,
        include: Vec::new(),
        license_texts: false,
    };
    let bare = |dir| Member {
        ships: lacking.clone(),
        ..member(dir, &[])
    };
    assert_eq!(ships(&house(&[bare("crates/retry")])).len(), 5);
    assert!(ships(&house(&[bare("examples")])).is_empty());
}
