//! What a component asks for and what it offers, by name, before anything of it runs. Whatever is refused is
//! named, so that its author knows which dependency to look at.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::sandbox::printable;
use crate::world::{Kind, PACKAGE, VERSION};

/// Bytes of a name that are shown.
const NAME_BYTES: usize = 120;
/// Names that are listed before "and more": a JavaScript component may import dozens.
const NAMES: usize = 8;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Surface {
    /// The kinds whose interface it exports, at least one.
    pub(crate) kinds: Vec<Kind>,
    /// Whether it wants the empty world of `wasi`.
    pub(crate) wasi: bool,
}

/// Looks at the component's imports and exports.
pub(crate) fn look(engine: &Engine, component: &Component) -> Result<Surface, Vec<String>> {
    let ty = component.component_type();
    let imports = ty.imports(engine).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    let exports = ty.exports(engine).map(|(name, _)| name.to_owned()).collect::<Vec<_>>();
    judge(&imports, &exports, cfg!(feature = "wasi"))
}

fn judge(imports: &[String], exports: &[String], hosts_wasi: bool) -> Result<Surface, Vec<String>> {
    let mut problems = Vec::new();
    let mut foreign = Vec::new();
    let mut wasi = Vec::new();
    let mut versions: Vec<&str> = Vec::new();
    for name in imports {
        match Name::of(name) {
            Name { package: PACKAGE, interface: "log" | "types", version } if is_hosted(version) => {}
            Name { package: PACKAGE, interface: "log" | "types", version } => versions.push(version),
            Name { package, version, .. } if package.starts_with("wasi:") && is_preview2(version) => {
                wasi.push(name.as_str());
            }
            _ => foreign.push(name.as_str()),
        }
    }
    let mut kinds = Vec::new();
    for name in exports {
        let Name { package: PACKAGE, interface, version } = Name::of(name) else {
            continue;
        };
        if !is_hosted(version) {
            versions.push(version);
        } else if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == interface) {
            kinds.push(kind);
        }
    }
    versions.sort_unstable();
    versions.dedup();
    for version in &versions {
        let found = if version.is_empty() {
            "without a version".to_owned()
        } else {
            format!("of version {}", printable(version, NAME_BYTES))
        };
        problems.push(format!(
            "is built for {PACKAGE} {found}, this router hosts {VERSION}; build it again with the contract of \
             this router"
        ));
    }
    if !foreign.is_empty() {
        let too = if hosts_wasi { " and wasi:*@0.2" } else { "" };
        problems.push(format!(
            "imports {}, which plugins are not given; a plugin may import {PACKAGE}/log@{VERSION}{too}: remove \
             the dependency that needs more",
            list(&foreign)
        ));
    }
    if !wasi.is_empty() && !hosts_wasi {
        problems.push(format!(
            "imports {}, and this router was built without its feature `wasi`; build the plugin without WASI, \
             or the router with it",
            list(&wasi)
        ));
    }
    if kinds.is_empty() && versions.is_empty() {
        let ours = Kind::ALL.map(|kind| format!("{PACKAGE}/{kind}-plugin@{VERSION}")).join(", ");
        problems.push(format!("exports no interface of a plugin; build it for one of the worlds {ours}"));
    }
    if problems.is_empty() { Ok(Surface { kinds, wasi: !wasi.is_empty() }) } else { Err(problems) }
}

/// Which kind it is, of those that it could be, by what its manifest says.
pub(crate) fn kind(offered: &[Kind], wanted: Option<Kind>) -> Result<Kind, String> {
    let names = || offered.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" and ");
    match (wanted, offered) {
        (Some(wanted), _) if offered.contains(&wanted) => Ok(wanted),
        (Some(wanted), _) => Err(format!(
            "calls itself a {wanted} plugin in its manifest but exports {}; make the two agree",
            names()
        )),
        (None, [kind]) => Ok(*kind),
        (None, _) => Err(format!("exports {}; say in its manifest which it is: `kind = \"…\"`", names())),
    }
}

/// `package/interface@version`; what has not that shape is all package.
#[derive(Debug, PartialEq, Eq)]
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Name<'a> {
    fn of(name: &'a str) -> Self {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        Self { package, interface, version }
    }
}

/// Whether the engine links this version of our package: before 1.0, the last number may differ.
pub(crate) fn is_hosted(version: &str) -> bool {
    line(version).is_some_and(|found| Some(found) == line(VERSION))
}

/// `0.2` is what components of preview 2 import; the preview after it is asynchronous and another world.
fn is_preview2(version: &str) -> bool {
    line(version) == Some("0.2")
}

/// `major.minor` of a plain `major.minor.patch`.
fn line(version: &str) -> Option<&str> {
    let (line, patch) = version.rsplit_once('.')?;
    patch.bytes().all(|byte| byte.is_ascii_digit()).then_some(line)
}

fn list(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES).map(|name| printable(name, NAME_BYTES)).collect::<Vec<_>>();
    let more = names.len().saturating_sub(NAMES);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "herdwick:plugin/log@0.1.0";
    const SIGNAL: &str = "herdwick:plugin/signal@0.1.0";

    fn check(imports: &[&str], exports: &[&str], wasi: bool, told: Result<Surface, &[&str]>) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        match (judge(&owned(imports), &owned(exports), wasi), told) {
            (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
            (Err(problems), Err(words)) => {
                let all = problems.join("\n");
                assert!(words.iter().all(|word| all.contains(word)), "{all}");
            }
            (found, told) => panic!("{found:?} is not {told:?}"),
        }
    }

    fn surface(kinds: &[Kind], wasi: bool) -> Result<Surface, &'static [&'static str]> {
        Ok(Surface { kinds: kinds.to_vec(), wasi })
    }

    #[test]
    fn what_plugins_may_import_is_the_log_and_an_empty_world() {
        check(&[LOG, "herdwick:plugin/types@0.1.7"], &[SIGNAL], false, surface(&[Kind::Signal], false));
        check(&[LOG, "wasi:io/poll@0.2.9"], &[SIGNAL], true, surface(&[Kind::Signal], true));
        check(
            &[],
            &[SIGNAL, "herdwick:plugin/health@0.1.0", "herdwick:plugin/lifecycle@0.1.0"],
            true,
            surface(&[Kind::Signal, Kind::Health], false),
        );
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        check(&["acme:db/query@1.0.0", "connect"], &[SIGNAL], true, Err(&["acme:db/query@1.0.0, connect"]));
        check(&["wasi:io/poll@0.2.9"], &[SIGNAL], false, Err(&["wasi:io/poll@0.2.9", "feature `wasi`"]));
        check(&["wasi:io/poll@0.3.0"], &[SIGNAL], true, Err(&["wasi:io/poll@0.3.0", "wasi:*@0.2"]));
        check(&["herdwick:plugin/fetch@0.1.0"], &[SIGNAL], true, Err(&["herdwick:plugin/fetch@0.1.0"]));
        check(&["evil\u{1b}[2J"], &[SIGNAL], true, Err(&["evil\\u{1b}[2J"]));
        let many: Vec<String> = (0..20).map(|index| format!("a:b/c{index}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, &[SIGNAL], true, Err(&["and 12 more"]));
    }

    #[test]
    fn another_contract_is_refused_with_both_versions() {
        check(&[], &["herdwick:plugin/signal@0.2.0"], true, Err(&["of version 0.2.0", "hosts 0.1.0"]));
        check(&[], &["herdwick:plugin/signal"], true, Err(&["without a version"]));
        check(&["herdwick:plugin/log@0.2.0"], &[SIGNAL], true, Err(&["of version 0.2.0"]));
        check(&[], &["herdwick:plugin/signal@0.1.0-rc"], true, Err(&["of version 0.1.0-rc"]));
        check(&[], &["run"], true, Err(&["exports no interface of a plugin", "signal-plugin@0.1.0"]));
    }

    #[test]
    fn the_kind_is_what_is_exported_unless_that_is_two() {
        use Kind::{Fallback, Health, Signal};
        assert_eq!(kind(&[Health], None), Ok(Health));
        assert_eq!(kind(&[Signal, Health], Some(Health)), Ok(Health));
        let both = kind(&[Signal, Health], None).expect_err("either");
        assert!(both.contains("exports signal and health"), "{both}");
        let wrong = kind(&[Signal], Some(Fallback)).expect_err("it is none");
        assert!(wrong.contains("a fallback plugin in its manifest but exports signal"), "{wrong}");
    }
}
