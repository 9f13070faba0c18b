//! `herdwick plugins new`: a whole small plugin to begin with, as a crate that stands alone.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::Context as _;

use super::template::{Kind, NAME, SDK};
use crate::cli::print;
use crate::failed::Failed;

/// Bytes of a plugin's name; the contract's bound.
const NAME_BYTES: usize = herdwick_plugin_host::limits::NAME_BYTES;
/// Names are made of these.
const NAMES: &str = "lower-case letters, digits and dashes, and begins with a letter";

/// Options of `herdwick plugins new`.
#[derive(clap::Args)]
pub(crate) struct New {
    /// What the plugin is asked.
    kind: Kind,
    /// Its name, which is its identity: the idea, not the algorithm.
    name: String,
    /// The folder to make it in, if not this one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Take the SDK from this folder (`sdk/rust` of a checkout) and not from its repository.
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
    /// Its language.
    #[arg(long, default_value = "rust")]
    lang: String,
}

impl New {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.lang != "rust" {
            return Err(Failed::plainly(
                format!("there is no template for {:?} yet, only for rust", self.lang),
                "generate bindings from wit/plugin.wit with your language's generator; nothing else is needed, and \
                 `herdwick plugins check` takes what comes out",
            ));
        }
        check_name(&self.name)?;
        let folder = self.dir.clone().unwrap_or_default().join(&self.name);
        if folder.exists() {
            return Err(Failed::plainly(
                format!("{} is there already", folder.display()),
                "choose another name, or another place with --dir",
            ));
        }
        // Before anything is written, so that a wrong path leaves nothing behind.
        let sdk = self.sdk.as_deref().map(sdk_folder).transpose()?;
        let cannot = |error: std::io::Error| {
            Failed::because(
                error,
                format!("{} cannot be written", folder.display()),
                "choose a folder that is yours with --dir",
            )
        };
        fs::create_dir_all(&folder).map_err(cannot)?;
        let (line, told) = match sdk {
            None => (SDK.to_owned(), "from its repository (Cargo.toml: git)".to_owned()),
            Some(sdk) => {
                let path = relative(&fs::canonicalize(&folder).map_err(cannot)?, &sdk);
                (
                    format!("herdwick-sdk = {{ path = {} }}", toml::Value::String(path.clone())),
                    format!("from {path} (Cargo.toml: path)"),
                )
            }
        };
        for (name, text) in self.kind.files() {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(cannot)?;
            }
            fs::write(&path, text.replace(NAME, &self.name).replace(SDK, &line)).map_err(cannot)?;
        }
        let (kind, shown) = (self.kind.name(), folder.display());
        print::text(&format!(
            "made  {shown}: a whole {kind} plugin; change its idea in src/lib.rs, say so in cases/\n\
             sdk   {told}\n\
             next  cargo test --manifest-path {}\n\
             \x20     herdwick plugins build {shown}\n\
             \x20     herdwick plugins test {shown}\n",
            folder.join("Cargo.toml").display()
        ))
    }
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(allowed);
    if is_name && name.len() <= NAME_BYTES {
        return Ok(());
    }
    Err(Failed::plainly(
        format!("{name:?} is no name for a plugin: one has at most {NAME_BYTES} {NAMES}"),
        "name the idea, like queue-depth",
    ))
}

/// The SDK's own folder, from what somebody gave for it.
fn sdk_folder(given: &Path) -> anyhow::Result<PathBuf> {
    let wrong = |error: anyhow::Error| {
        Failed::because(
            error,
            format!("--sdk {} is not the SDK", given.display()),
            "give the folder sdk/rust of a checkout, or leave --sdk out",
        )
    };
    let manifest = given.join("Cargo.toml");
    let read = fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()));
    let table: toml::Table = read.and_then(|text| Ok(text.parse()?)).map_err(wrong)?;
    let name = table.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    if name != Some("herdwick-sdk") {
        return Err(wrong(anyhow::anyhow!("the crate there is {}", name.unwrap_or("a workspace"))));
    }
    fs::canonicalize(given).map_err(|error| wrong(error.into()))
}

/// The way from one folder to another, both absolute, with `/` between the parts; absolute where they share nothing
/// but the root, as a project and a checkout elsewhere do.
fn relative(from: &Path, to: &Path) -> String {
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other);
    let shared: Vec<_> = shared.map(|(part, _)| part).collect();
    if !shared.iter().any(|part| matches!(part, Component::Normal(_))) {
        return to.to_string_lossy().into_owned();
    }
    let up = from.components().skip(shared.len()).map(|_| "..".to_owned());
    let down = to.components().skip(shared.len()).map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_contract() {
        for (name, good) in [
            ("my-idea", true),
            ("a2", true),
            ("", false),
            ("2a", false),
            ("-a", false),
            ("My-idea", false),
            ("my_idea", false),
            ("../up", false),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(check_name(name).is_ok(), good, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_way_to_the_sdk_is_relative() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to));
        assert_eq!(way("/a/examples/plugins/x", "/a/sdk/rust"), "../../../sdk/rust");
        assert_eq!(way("/a/x", "/a/x/sdk"), "sdk");
        assert_eq!(way("/a/x", "/b/sdk"), "/b/sdk");
    }
}
