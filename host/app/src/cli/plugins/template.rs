//! The crates that `herdwick plugins new` writes: the folders of `sdk/templates`, inside the binary.

use clap::ValueEnum;

/// What a plugin is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Asked on each request, for all candidates: what would choosing each cost?
    Signal,
    /// Asked after a failed attempt: what now?
    Fallback,
    /// Asked every few seconds: what is wrong with the fleet?
    Health,
}

/// Stands for the plugin's name in the files.
pub(super) const NAME: &str = "{{name}}";
/// The line of `Cargo.toml` that says where the SDK comes from.
pub(super) const SDK: &str = r#"herdwick-sdk = { git = "https://github.com/herdwick/herdwick" }"#;

macro_rules! files {
    ($kind:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../../../sdk/templates/", $kind, "/", $name)))),*]
    };
}

impl Kind {
    /// As plugins write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Fallback => "fallback",
            Self::Health => "health",
        }
    }

    /// The crate: names below its folder, and texts.
    pub(super) fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Signal => files!("signal":
                "Cargo.toml" "README.md" "plugin.toml" "src/lib.rs" "tests/cases.rs"
                "cases/absurd.toml" "cases/empty.toml" "cases/near-and-far.toml" "cases/tie.toml"
                "cases/unknown.toml"),
            Self::Fallback => files!("fallback":
                "Cargo.toml" "README.md" "plugin.toml" "src/lib.rs" "tests/cases.rs"
                "cases/another-failure.toml" "cases/attempts-spent.toml" "cases/empty.toml" "cases/nearest.toml"
                "cases/tie.toml" "cases/unknown-and-absurd.toml"),
            Self::Health => files!("health":
                "Cargo.toml" "README.md" "plugin.toml" "src/lib.rs" "tests/cases.rs"
                "cases/empty.toml" "cases/silent.toml" "cases/tie.toml" "cases/unknown-and-absurd.toml"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn names_below(folder: &Path, below: &str, names: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder.join(below)).expect("the templates are there") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name of letters");
            let name = if below.is_empty() { name } else { format!("{below}/{name}") };
            if entry.path().is_dir() {
                names_below(folder, &name, names);
            } else {
                names.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_templates_is_inside() {
        for kind in Kind::value_variants() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/templates").join(kind.name());
            let mut there = BTreeSet::new();
            names_below(&folder, "", &mut there);
            let inside: BTreeSet<String> = kind.files().iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(inside, there, "{kind:?}");
        }
    }

    #[test]
    fn every_template_takes_the_sdk_by_the_line_that_is_replaced() {
        for kind in Kind::value_variants() {
            let (_, manifest) =
                kind.files().iter().find(|(name, _)| *name == "Cargo.toml").expect("a manifest");
            assert!(manifest.lines().any(|line| line == SDK), "{kind:?}");
            assert!(manifest.lines().any(|line| line == "[workspace]"), "{kind:?}");
        }
    }
}
