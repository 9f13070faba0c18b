//! The templates of `sdk/templates` are whole plugins: their code compiles, here as modules of this test, and written
//! out under a name they pass the checks that an author's first `cargo test` runs.
//! Not checked: that cargo finds the SDK in the dependency of the template's manifest, which needs a network.

// Clippy takes functions beside the tests for product code unless it is told.
#![cfg(test)]
#![allow(
    unreachable_pub,
    unused_qualifications,
    reason = "the modules are crates of their own when they are copied"
)]

#[path = "../../templates/fallback/src/lib.rs"]
mod fallback;
#[path = "../../templates/health/src/lib.rs"]
mod health;
#[path = "../../templates/signal/src/lib.rs"]
mod signal;

use std::fs;
use std::path::{Path, PathBuf};

use herdwick_sdk::cases;

/// The only placeholder of the templates.
const PLACEHOLDER: &str = "{{name}}";
/// The files that have it; no other may.
const NAMED: [&str; 3] = ["Cargo.toml", "README.md", "plugin.toml"];

#[test]
fn a_new_signal_passes_its_checks() {
    check("signal", "export_signal!(Plugin", cases::problems::<signal::Plugin>);
}

#[test]
fn a_new_fallback_rule_passes_its_checks() {
    check("fallback", "export_fallback!(Plugin", cases::fallback_problems::<fallback::Plugin>);
}

#[test]
fn a_new_health_plugin_passes_its_checks() {
    check("health", "export_health!(Plugin", cases::health_problems::<health::Plugin>);
}

fn check(kind: &str, export: &str, problems: fn(&Path) -> Vec<String>) {
    let new = New::of(kind, "my-idea");
    assert_eq!(problems(&new.folder), Vec::<String>::new(), "{kind}");
    assert!(new.text("src/lib.rs").contains(export), "{kind}: nothing is exported");
    assert!(
        new.text("tests/cases.rs").contains("::<plugin::Plugin>(env!(\"CARGO_MANIFEST_DIR\"))"),
        "{kind}"
    );

    let cargo: toml::Table = new.text("Cargo.toml").parse().unwrap();
    assert_eq!(cargo["package"]["name"].as_str(), Some("my-idea"), "{kind}");
    assert_eq!(cargo["lib"]["name"].as_str(), Some("plugin"), "{kind}");
    assert!(cargo["dependencies"]["herdwick-sdk"].get("git").is_some(), "{kind}");
    assert!(cargo.contains_key("workspace"), "{kind}: it would join the workspace around it");
    let plugin: toml::Table = new.text("plugin.toml").parse().unwrap();
    assert_eq!((plugin["id"].as_str(), plugin["kind"].as_str()), (Some("my-idea"), Some(kind)));
}

/// A template written out under a name, in the system's folder for temporary files; removed when dropped.
struct New {
    folder: PathBuf,
}

impl New {
    fn of(kind: &str, name: &str) -> New {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../templates").join(kind);
        let folder = std::env::temp_dir().join(format!("herdwick-template-{kind}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder); // Left by a run that was killed, if by any.
        let new = New { folder };
        for file in ["Cargo.toml", "README.md", "plugin.toml", "src/lib.rs", "tests/cases.rs"] {
            assert!(template.join(file).is_file(), "{kind} has no {file}");
        }
        copy(&template, &new.folder, name);
        new
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap()
    }
}

impl Drop for New {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder); // A leftover in the system's temporary folder harms nobody.
    }
}

fn copy(from: &Path, to: &Path, name: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            copy(&path, &to.join(&file), name);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let is_named = NAMED.contains(&file.as_str());
        assert_eq!(text.contains(PLACEHOLDER), is_named, "{}", path.display());
        fs::write(to.join(&file), text.replace(PLACEHOLDER, name)).unwrap();
    }
}
