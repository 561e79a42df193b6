//! What the rules look at: the members of the workspace and what their manifests declare.

use std::fs;
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use toml::{Table, Value};

#[derive(Debug, Clone)]
pub(crate) struct House {
    pub(crate) members: Vec<Member>,
    pub(crate) shared: Vec<Shared>,
    pub(crate) forbids_unsafe: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Relative to the root: `crates/core`.
    pub(crate) dir: String,
    pub(crate) published: bool,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) workspace_lints: bool,
    pub(crate) ships: Ships,
}

/// A declared dependency, under the name of its package and whether or not it is optional.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: DependencyKind,
}

/// An entry of `[workspace.dependencies]`.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) default_features: bool,
    /// Our own crates that are never published have no features to turn off.
    pub(crate) unversioned: bool,
}

/// What a published crate brings along.
#[derive(Debug, Clone)]
pub(crate) struct Ships {
    pub(crate) license: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) readme: bool,
    pub(crate) include: Vec<String>,
    /// Both licence texts lie beside the manifest and say what those at the root say.
    pub(crate) license_texts: bool,
}

impl House {
    /// Reads the workspace that this test belongs to. Only what is declared counts, so that nothing
    /// needs to be resolved or downloaded.
    pub(crate) fn read() -> Self {
        let metadata = MetadataCommand::new()
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .no_deps()
            .other_options(["--offline".to_owned()])
            .exec()
            .expect("cargo can read the manifests it has just built from");
        let manifest = read_toml(
            &metadata
                .workspace_root
                .join("Cargo.toml")
                .into_std_path_buf(),
        );
        let workspace = &manifest["workspace"];
        Self {
            members: metadata
                .packages
                .iter()
                .map(|package| member(&metadata, package))
                .collect(),
            shared: table(&workspace["dependencies"])
                .iter()
                .map(shared)
                .collect(),
            forbids_unsafe: workspace["lints"]["rust"]["unsafe_code"].as_str() == Some("forbid"),
        }
    }
}

fn member(metadata: &Metadata, package: &Package) -> Member {
    let dir = package
        .manifest_path
        .parent()
        .expect("a manifest lies in a directory");
    let manifest = read_toml(package.manifest_path.as_std_path());
    let include = manifest["package"].get("include").and_then(Value::as_array);
    let root = &metadata.workspace_root;
    Member {
        name: package.name.to_string(),
        dir: dir
            .strip_prefix(root)
            .expect("a member lies below the root")
            .to_string(),
        published: package
            .publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty()),
        dependencies: package
            .dependencies
            .iter()
            .map(|declared| Dependency {
                name: declared.name.clone(),
                kind: declared.kind,
            })
            .collect(),
        workspace_lints: manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"))
            .is_some_and(|inherited| inherited.as_bool() == Some(true)),
        ships: Ships {
            license: package.license.clone(),
            description: package.description.clone(),
            readme: package
                .readme
                .as_ref()
                .is_some_and(|readme| dir.join(readme).is_file()),
            include: include
                .into_iter()
                .flatten()
                .filter_map(|pattern| pattern.as_str().map(str::to_owned))
                .collect(),
            license_texts: ["LICENSE-MIT", "LICENSE-APACHE"].into_iter().all(|text| {
                let ours = fs::read(dir.join(text));
                ours.is_ok_and(|ours| fs::read(root.join(text)).is_ok_and(|roots| ours == roots))
            }),
        },
    }
}

fn shared((name, entry): (&String, &Value)) -> Shared {
    Shared {
        name: name.clone(),
        default_features: entry
            .get("default-features")
            .and_then(Value::as_bool)
            .unwrap_or(true),
        unversioned: entry.get("path").is_some() && entry.get("version").is_none(),
    }
}

fn table(value: &Value) -> &Table {
    value.as_table().expect("cargo has accepted this manifest")
}

fn read_toml(path: &Path) -> Table {
    fs::read_to_string(path)
        .expect("cargo has just read this manifest")
        .parse()
        .expect("cargo has accepted this manifest")
}
