//! The committed components are those of the present sources. `cargo xtask plugins` makes them so.

// Clippy takes functions beside the tests for product code unless it is told.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use herdwick_guest_build::{Stamp, component};
use xtask::plugins::folder;
use xtask::plugins::freshness;
use xtask::plugins::sources::Sources;
use xtask::{lock::Lock, workspace::Workspace};

#[test]
fn every_plugin_has_a_component_of_its_present_sources() {
    let workspace = Workspace::containing(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let problems = freshness::problems(&workspace).unwrap();
    assert!(
        problems.is_empty(),
        "\n{}\nrun `cargo xtask plugins` and commit plugins/prebuilt by itself\n",
        problems.join("\n")
    );
}

#[test]
fn a_component_goes_stale_with_any_of_its_sources() {
    let check = |path: &str, text: &str, stale: bool| {
        let tree = Made::tree();
        tree.build();
        assert_eq!(tree.problems(), Vec::<String>::new());
        tree.write(path, text);
        let problems = tree.problems();
        assert_eq!(!problems.is_empty(), stale, "{path}: {problems:?}");
    };
    check("plugins/signals/idle/src/lib.rs", "//! Another.\n", true);
    check("plugins/signals/idle/src/new.rs", "", true);
    check("plugins/signals/idle/plugin.toml", "id = 'busy'\n", true);
    check("sdk/rust/src/lib.rs", "//! Another.\n", true);
    check("wit/plugin.wit", "package herdwick:plugin@0.2.0;\n", true);
    check("Cargo.lock", &LOCK.replace("1.0.0", "1.0.1"), true);
    check(
        "Cargo.toml",
        &ROOT.replace("dep = \"1\"", "dep = { version = \"1\", features = [\"more\"] }"),
        true,
    );
    // None of these can change a byte of the component.
    check("plugins/signals/idle/src/lib.rs", "//! A plugin.\r\n", false);
    check("plugins/signals/idle/README.md", "text", false);
    check("plugins/signals/idle/cases/one.toml", "", false);
    check("wit/README.md", "text", false);
    check("Cargo.lock", &LOCK.replace("2.0.0", "2.0.1"), false);
}

#[test]
fn folders_and_components_belong_together() {
    let tree = Made::tree();
    assert!(tree.problems()[0].contains("plugins/signals/idle has no plugins/prebuilt/idle.wasm"));
    tree.build();
    tree.write("plugins/prebuilt/gone.wasm", "");
    assert_eq!(tree.problems(), ["plugins/prebuilt/gone.wasm belongs to no plugin folder"]);
    tree.write("plugins/prebuilt/gone.wasm", "");
    tree.write("plugins/prebuilt/idle.wasm", "not wasm");
    assert!(tree.problems()[0].contains("is not a WebAssembly component"));
}

#[test]
fn one_name_is_one_plugin() {
    let tree = Made::tree();
    tree.write("plugins/health/idle/Cargo.toml", "[package]\nname = 'other'\n");
    assert!(folder::list(&tree.0).unwrap_err().to_string().contains("rename one"));
}

const ROOT: &str = "[workspace]\nmembers = ['plugins/signals/*', 'sdk/rust']\n\
    [workspace.package]\nedition = '2024'\nversion = '0.1.0'\n[workspace.dependencies]\ndep = \"1\"\n";
/// `dep` is in the plugin's closure; `tester` is only a dev-dependency of the SDK.
const LOCK: &str = "[[package]]\nname = 'idle'\nversion = '0.1.0'\ndependencies = ['sdk']\n\
    [[package]]\nname = 'sdk'\nversion = '0.1.0'\ndependencies = ['dep', 'tester']\n\
    [[package]]\nname = 'dep'\nversion = '1.0.0'\nsource = 'registry'\nchecksum = 'aa'\n\
    [[package]]\nname = 'tester'\nversion = '2.0.0'\nsource = 'registry'\nchecksum = 'bb'\n";

/// A small tree in the system's folder for temporary files, removed when dropped.
struct Made(PathBuf);

impl Made {
    fn tree() -> Self {
        let thread = std::thread::current().id();
        let root = std::env::temp_dir().join(format!("herdwick-fresh-{}-{thread:?}", process::id()));
        let _ = fs::remove_dir_all(&root); // Left by a run that was killed, if by any.
        let tree = Self(root);
        tree.write("Cargo.toml", ROOT);
        tree.write("Cargo.lock", LOCK);
        tree.write("wit/plugin.wit", "package herdwick:plugin@0.1.0;\n");
        tree.write(
            "plugins/signals/idle/Cargo.toml",
            "[package]\nname = 'idle'\n[dependencies]\nsdk.path = '../../../sdk/rust'\n",
        );
        tree.write("plugins/signals/idle/plugin.toml", "id = 'idle'\n");
        tree.write("plugins/signals/idle/src/lib.rs", "//! A plugin.\n");
        tree.write("sdk/rust/Cargo.toml", "[package]\nname = 'sdk'\n[dependencies]\ndep.workspace = true\n[dev-dependencies]\ntester = '2'\n");
        tree.write("sdk/rust/src/lib.rs", "//! An SDK.\n");
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Stamps a component that is empty but for the stamp, since nothing is compiled here.
    fn build(&self) {
        let workspace = Workspace::load(&self.0).unwrap();
        let plugin = folder::list(&self.0).unwrap().remove(0);
        let sources = Sources::of(&workspace, &Lock::load(&self.0).unwrap(), &plugin).unwrap();
        let stamp = Stamp { digest: sources.digest(), contract: "c".to_owned(), toolchain: "t".to_owned() };
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        component::append(&mut bytes, &stamp);
        assert_eq!(Stamp::read(&bytes).unwrap(), stamp);
        fs::create_dir_all(self.0.join(folder::PREBUILT)).unwrap();
        fs::write(plugin.prebuilt(&self.0), bytes).unwrap();
    }

    fn problems(&self) -> Vec<String> {
        freshness::problems(&Workspace::load(&self.0).unwrap()).unwrap()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // A leftover in the system's temporary folder harms nobody.
    }
}
