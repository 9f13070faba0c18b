//! Which crate may import which: the table of `host/README.md`, kept true.
//!
//! Read from manifests and the lock file alone, so that it needs neither cargo nor a network.

use anyhow::Result;
use xtask::lock::Lock;
use xtask::workspace::{Member, Workspace};

use super::tree::Tree;

/// One row of the table.
struct Rule {
    crate_name: &'static str,
    /// Crates of ours it may import.
    ours: &'static [&'static str],
    /// Crates it must not reach, over however many others.
    never: &'static [&'static str],
}

/// The binary, which imports everything and which nothing imports.
const APP: &str = "herdwick";
/// The scripted model server, which any crate's tests may use.
const TEST_SERVER: &str = "fakenode";
const FLEET: &str = "herdwick-fleet";
const WIRE: &str = "herdwick-wire";
const GUEST_BUILD: &str = "herdwick-guest-build";
const MEASURE: &str = "herdwick-measure";
const PROBE: &str = "herdwick-probe";
const SCAN: &str = "herdwick-scan";
const TELEMETRY: &str = "herdwick-telemetry";
const DIALECT: &str = "herdwick-dialect";
const DISCOVERY: &str = "herdwick-discovery";

/// A crate of `host/` without a row is refused.
const TABLE: [Rule; 16] = [
    Rule { crate_name: FLEET, ours: &[], never: &["tokio", "serde", "wasmtime", "hyper", "http", "tracing"] },
    Rule { crate_name: WIRE, ours: &[FLEET], never: &["tokio", "hyper", "http", "wasmtime"] },
    Rule { crate_name: "herdwick-plugin-host", ours: &[FLEET], never: &["hyper", "http", "rusqlite"] },
    Rule { crate_name: DIALECT, ours: &[], never: &["tokio", "hyper", "http", "wasmtime"] },
    Rule { crate_name: "herdwick-proxy", ours: &[FLEET, DIALECT, SCAN], never: &["wasmtime", "rusqlite"] },
    Rule {
        crate_name: SCAN,
        ours: &[],
        never: &["tokio", "serde", "serde_json", "hyper", "http", "wasmtime"],
    },
    Rule { crate_name: PROBE, ours: &[FLEET], never: &["wasmtime", "rusqlite", "tracing"] },
    Rule { crate_name: MEASURE, ours: &[FLEET], never: &["wasmtime", "rusqlite", "tracing"] },
    Rule {
        crate_name: "herdwick-control",
        ours: &[DISCOVERY, FLEET, MEASURE, PROBE, WIRE],
        never: &["wasmtime", "rusqlite"],
    },
    Rule { crate_name: "herdwick-store", ours: &[FLEET], never: &["hyper", "http", "wasmtime"] },
    Rule { crate_name: TELEMETRY, ours: &[], never: &["wasmtime", "rusqlite"] },
    Rule {
        crate_name: DISCOVERY,
        ours: &[FLEET],
        never: &["hyper", "http", "serde", "wasmtime", "rusqlite"],
    },
    Rule { crate_name: "herdwick-agent", ours: &[FLEET, PROBE, WIRE], never: &["wasmtime", "rusqlite"] },
    Rule { crate_name: TEST_SERVER, ours: &[], never: &["wasmtime", "rusqlite"] },
    Rule { crate_name: GUEST_BUILD, ours: &[], never: &["wasmtime", "tokio"] },
    Rule { crate_name: "xtask", ours: &[GUEST_BUILD], never: &["wasmtime", "tokio"] },
];

/// Manifest lines that the table does not allow.
pub(crate) fn direct(workspace: &Workspace) -> Vec<String> {
    let mut problems = Vec::new();
    for member in workspace.members.values() {
        if member.folder.starts_with("host/") && member.name != APP && rule(&member.name).is_none() {
            problems.push(format!("{}: give it a row in the table of tests/tidy/imports.rs", member.folder));
        }
        for dependency in workspace.dependencies(member) {
            let Some(other) = workspace.members.get(&dependency.package) else {
                continue;
            };
            if !may_import(member, other, dependency.dev) {
                problems.push(format!(
                    "{} must not import {}; see the table in host/README.md",
                    member.name, other.name
                ));
            }
        }
    }
    problems
}

/// Crates that are reached over others though they must not be.
pub(crate) fn reached(workspace: &Workspace, lock: &Lock) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for member in workspace.members.values() {
        for package in lock.closure(workspace, &member.name)? {
            let banned = rule(&member.name).is_some_and(|rule| rule.never.contains(&package.name.as_str()));
            let of_host =
                workspace.members.get(&package.name).is_some_and(|other| other.folder.starts_with("host/"));
            if banned || (of_host && is_guest(member)) {
                problems.push(format!(
                    "{0} must not reach {1}; `cargo tree --edges normal,build -p {0} -i {1}` shows how it does",
                    member.name, package.name
                ));
            }
        }
    }
    Ok(problems)
}

/// Lines of the core that read a clock: time is an argument there.
pub(crate) fn clocks(tree: &Tree) -> Vec<String> {
    let core = tree.rust().filter(|file| file.path.starts_with("host/fleet/src/"));
    core.filter(|file| ["Instant::now", "SystemTime::now"].iter().any(|clock| file.text().contains(clock)))
        .map(|file| format!("{} reads a clock; take the time as an argument", file.path))
        .collect()
}

fn rule(crate_name: &str) -> Option<&'static Rule> {
    TABLE.iter().find(|rule| rule.crate_name == crate_name)
}

/// Plugins and what they are written with: they know the contract and nothing of the host.
fn is_guest(member: &Member) -> bool {
    member.folder.starts_with("plugins/") || member.folder.starts_with("sdk/")
}

fn may_import(member: &Member, other: &Member, dev: bool) -> bool {
    if other.name == APP {
        return false;
    }
    if is_guest(member) {
        return other.folder.starts_with("sdk/");
    }
    if dev && (other.name == TEST_SERVER || other.folder.starts_with("tests/") || is_guest(other)) {
        return true;
    }
    match rule(&member.name) {
        Some(rule) => rule.ours.contains(&other.name.as_str()),
        // The binary, or a crate without a row, which is reported by itself.
        None => other.name != "xtask",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    fn workspace(members: &[(&str, &str, &str)]) -> Workspace {
        let member = |(folder, name, lines): &(&str, &str, &str)| {
            let manifest = lines.parse().unwrap();
            (
                String::from(*name),
                Member { name: String::from(*name), folder: String::from(*folder), manifest },
            )
        };
        let members: BTreeMap<_, _> = members.iter().map(member).collect();
        Workspace { root: PathBuf::new(), manifest: toml::Table::new(), members }
    }

    #[test]
    fn rows_of_the_table_are_kept() {
        let check = |importer: (&str, &str), imported: (&str, &str), table: &str, good: bool| {
            let lines = format!("[{table}]\n{}.workspace = true", imported.1);
            let found = direct(&workspace(&[(importer.0, importer.1, &lines), (imported.0, imported.1, "")]));
            assert_eq!(found.is_empty(), good, "{importer:?} {imported:?} {table}: {found:?}");
        };
        let fleet = ("host/fleet", "herdwick-fleet");
        let proxy = ("host/proxy", "herdwick-proxy");
        let control = ("host/control", "herdwick-control");
        let fakenode = ("host/fakenode", "fakenode");
        let app = ("host/app", "herdwick");
        let guests = ("tests/components", "guests");
        let sdk = ("sdk/rust", "herdwick-sdk");
        let plugin = ("plugins/signals/a", "herdwick-signal-a");
        check(proxy, fleet, "dependencies", true);
        check(control, fleet, "dependencies", true);
        check(app, proxy, "dependencies", true);
        check(plugin, sdk, "dependencies", true);
        check(proxy, fakenode, "dev-dependencies", true);
        check(proxy, guests, "dev-dependencies", true);
        check(proxy, guests, "dependencies", false);
        check(proxy, control, "dependencies", false);
        check(proxy, control, "dev-dependencies", false);
        check(proxy, fakenode, "dependencies", false);
        check(fleet, proxy, "dependencies", false);
        check(fakenode, fleet, "dependencies", false);
        check(fakenode, app, "dev-dependencies", false);
        check(plugin, fleet, "dev-dependencies", false);
        check(sdk, fleet, "target.'cfg(unix)'.dependencies", false);
        check(("host/new", "herdwick-new"), fleet, "dependencies", false);
    }

    #[test]
    fn a_forbidden_crate_is_found_behind_others() {
        let lines = "[dependencies]\na.workspace = true\n[dev-dependencies]\nt.workspace = true";
        let lock = |a: &str, t: &str| {
            let package =
                |name: &str, rest: &str| format!("[[package]]\nname = '{name}'\nversion = '1.0.0'\n{rest}\n");
            let ours = package("herdwick-fleet", "dependencies = ['a', 't']");
            let theirs = package("a", &format!("source = 'r'\ndependencies = [{a}]"));
            let tests = package("t", &format!("source = 'r'\ndependencies = [{t}]"));
            Lock::parse(&[ours, theirs, tests, package("tokio", "source = 'r'")].concat()).unwrap()
        };
        let found =
            |lock: Lock| reached(&workspace(&[("host/fleet", "herdwick-fleet", lines)]), &lock).unwrap();
        assert_eq!(found(lock("", "")), Vec::<String>::new());
        assert_eq!(found(lock("", "'tokio 1.0.0'")), Vec::<String>::new(), "tests may use it");
        assert_eq!(found(lock("'tokio 1.0.0'", "")).len(), 1);
        assert_eq!(found(lock("'tokio'", "")).len(), 1);
    }

    #[test]
    fn a_guest_that_reaches_the_host_is_found() {
        let members = [("sdk/rust", "s", "dependencies.f.workspace = true"), ("host/fleet", "f", "")];
        let lock = "[[package]]\nname = 's'\nversion = '1.0.0'\ndependencies = ['f']\n[[package]]\nname = 'f'\nversion = '1.0.0'\n";
        assert_eq!(reached(&workspace(&members), &Lock::parse(lock).unwrap()).unwrap().len(), 1);
    }

    #[test]
    fn a_clock_in_the_core_is_found() {
        assert_eq!(
            clocks(&Tree::of(&[
                ("host/fleet/src/a.rs", "Instant::now()"),
                ("host/app/src/a.rs", "Instant::now()")
            ]))
            .len(),
            1
        );
    }
}
