//! The rules, each a function from a [`House`] to the sentences that say where it is broken.

#[cfg(test)]
mod tests;

use cargo_metadata::DependencyKind;

use crate::house::{Dependency, House, Member};

/// The storeys of the house. Everything in `crates/` that is not named here is a layer, so that a
/// new layer is bound by the rules before anybody has thought of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stratum {
    /// Pure: bytes or results in, decisions out. Holds what it may stand on.
    Foundation(&'static [&'static str]),
    /// What several layers do with the runtime's clock, so that they do it alike. Stands on nobody.
    Runtime,
    Layer,
    /// Keeps what one layer gives it where that layer need not know of, a server for instance. Holds the layer.
    Store(&'static str),
    /// Re-exports all of the above.
    Facade,
    /// Stands beside the house and knows nobody, so that everybody's tests may lean on it.
    Testkit,
    /// Examples, tests, benchmarks: they use everything, nothing uses them.
    Outside,
}

const FACADE: &str = "crates/buttress";

fn stratum(member: &Member) -> Stratum {
    match member.dir.as_str() {
        "crates/core" => Stratum::Foundation(&[]),
        "crates/sse" => Stratum::Foundation(&["buttress-core"]),
        "crates/classify" => {
            Stratum::Foundation(&["buttress-core", "buttress-sse", "buttress-body"])
        }
        "crates/body" => Stratum::Foundation(&["buttress-core"]),
        "crates/timer" => Stratum::Runtime,
        "crates/idempotency-redis" => Stratum::Store("buttress-idempotency"),
        "crates/testkit" => Stratum::Testkit,
        FACADE => Stratum::Facade,
        dir if dir.starts_with("crates/") => Stratum::Layer,
        _ => Stratum::Outside,
    }
}

fn may_depend(from: &Member, to: &Member, kind: DependencyKind) -> bool {
    match (stratum(from), stratum(to)) {
        (Stratum::Outside, below) => below != Stratum::Outside,
        (Stratum::Testkit, _) | (_, Stratum::Outside) => false,
        (_, Stratum::Testkit) => kind == DependencyKind::Development,
        (Stratum::Foundation(known), Stratum::Foundation(_)) => known.contains(&to.name.as_str()),
        (Stratum::Layer, below) => matches!(below, Stratum::Foundation(_) | Stratum::Runtime),
        (Stratum::Store(layer), Stratum::Layer) => to.name == layer,
        (Stratum::Store(_), below) => matches!(below, Stratum::Foundation(_) | Stratum::Runtime),
        (Stratum::Facade, below) => below != Stratum::Facade,
        (Stratum::Foundation(_) | Stratum::Runtime, _) => false,
    }
}

/// Every edge between two members leads to a storey below. Dev-dependencies are edges too.
pub(crate) fn one_way(house: &House) -> Vec<String> {
    let edges = house.members.iter().flat_map(|from| edges(house, from));
    edges
        .filter(|(from, to, kind)| !may_depend(from, to, *kind))
        .map(|(from, to, kind)| {
            let (above, below) = (stratum(from), stratum(to));
            format!(
                "{} ({above:?}) may not use {} ({below:?}) as {kind}",
                from.name, to.name
            )
        })
        .collect()
}

/// Cargo tolerates circles through dev-dependencies, but then no crate of it can be published first.
pub(crate) fn no_circle(house: &House) -> Vec<String> {
    let reaches_itself = |start: &&Member| {
        let mut seen: Vec<&str> = Vec::new();
        let mut open = vec![*start];
        while let Some(from) = open.pop() {
            for (_, to, _) in edges(house, from) {
                if !seen.contains(&to.name.as_str()) {
                    seen.push(&to.name);
                    open.push(to);
                }
            }
        }
        seen.contains(&start.name.as_str())
    };
    let circular = house.members.iter().filter(reaches_itself);
    circular
        .map(|member| format!("{} depends on itself in the end", member.name))
        .collect()
}

/// A foundation takes time and chance as arguments. What it parses and judges must also be of use
/// to somebody with another runtime, or none.
pub(crate) fn pure(house: &House) -> Vec<String> {
    let foundations = house
        .members
        .iter()
        .filter(|m| matches!(stratum(m), Stratum::Foundation(_)));
    let runtime = |name: &str| {
        ["tokio", "tower"].iter().any(|family| {
            name.strip_prefix(family)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    foundations
        .flat_map(|member| {
            member
                .dependencies
                .iter()
                .map(move |dependency| (member, dependency))
        })
        .filter(|(_, dependency)| dependency.kind != DependencyKind::Development)
        .filter(|(_, dependency)| runtime(&dependency.name))
        .map(|(member, Dependency { name, .. })| format!("{} may not know {name}", member.name))
        .collect()
}

/// Whoever adds the facade gets everything, behind features.
pub(crate) fn facade_is_complete(house: &House) -> Vec<String> {
    let Some(facade) = house.members.iter().find(|m| m.dir == FACADE) else {
        return vec![format!("there is no facade in {FACADE}")];
    };
    let shown = |member: &Member| {
        let mut dependencies = facade.dependencies.iter();
        dependencies.any(|d| d.name == member.name && d.kind == DependencyKind::Normal)
    };
    let due = house
        .members
        .iter()
        .filter(|m| m.published && m.dir != FACADE);
    due.filter(|member| !shown(member))
        .map(|member| format!("{} does not show {}", facade.name, member.name))
        .collect()
}

/// `crates/retry` is `buttress-retry`: nobody needs to look a name up.
pub(crate) fn names(house: &House) -> Vec<String> {
    let expected = |member: &Member| match member.dir.as_str() {
        FACADE => "buttress".to_owned(),
        dir => format!("buttress-{}", dir.strip_prefix("crates/").unwrap_or(dir)),
    };
    let misnamed = house
        .members
        .iter()
        .filter(|member| member.name != expected(member));
    misnamed
        .map(|m| {
            format!(
                "the package in {} is {}, not {}",
                m.dir,
                m.name,
                expected(m)
            )
        })
        .collect()
}

/// A default feature that one member wants would be paid for by the users of all others.
pub(crate) fn defaults_off(house: &House) -> Vec<String> {
    let careless = house
        .shared
        .iter()
        .filter(|entry| entry.default_features && !entry.unversioned);
    careless
        .map(|entry| format!("{} needs `default-features = false`", entry.name))
        .collect()
}

pub(crate) fn lints(house: &House) -> Vec<String> {
    let mut broken = Vec::new();
    if !house.forbids_unsafe {
        broken.push("the workspace does not forbid unsafe code".to_owned());
    }
    let lax = house
        .members
        .iter()
        .filter(|member| !member.workspace_lints);
    broken.extend(lax.map(|m| format!("{} needs `[lints] workspace = true`", m.name)));
    broken
}

pub(crate) fn ships(house: &House) -> Vec<String> {
    let published = house.members.iter().filter(|member| member.published);
    published
        .flat_map(|Member { name, ships, .. }| {
            let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
            let includes = |pattern: &str| ships.include.iter().any(|given| given == pattern);
            let needs = [
                (
                    ships.license.as_deref() == Some("MIT OR Apache-2.0"),
                    "the workspace's license",
                ),
                (given(&ships.description), "a description"),
                (
                    ships.readme && includes("README.md"),
                    "a README.md, included",
                ),
                (includes("src/**"), "its sources, included"),
                (
                    ships.license_texts && includes("LICENSE*"),
                    "both licence texts, included",
                ),
            ];
            needs
                .into_iter()
                .filter(|(met, _)| !met)
                .map(move |(_, what)| format!("{name} needs {what}"))
        })
        .collect()
}

/// The dependencies of `from` that are members themselves.
fn edges<'a>(
    house: &'a House,
    from: &'a Member,
) -> impl Iterator<Item = (&'a Member, &'a Member, DependencyKind)> {
    from.dependencies.iter().filter_map(move |dependency| {
        let to = house
            .members
            .iter()
            .find(|member| member.name == dependency.name)?;
        Some((from, to, dependency.kind))
    })
}
