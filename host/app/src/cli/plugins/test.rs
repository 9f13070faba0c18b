//! `herdwick plugins test`: golden cases and hostile input, asked of the component in the real sandbox. What
//! `cargo test` says of the code, this says of the file that a router is given.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::alone::{Alone, Settings};
use super::case::{self, Tried};
use super::check::us;
use super::folder::Folder;
use super::hostile;
use crate::cli::print;
use crate::failed::Failed;

/// Calls whose median is shown.
const TIMED_CALLS: usize = 200;

/// Options of `herdwick plugins test`.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// A component, or the folder of a plugin that was built.
    #[arg(value_name = "FILE|DIR")]
    plugin: PathBuf,
    /// Where its golden cases are; otherwise in `cases/` beside it.
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

impl Test {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let file = self.component()?;
        let mut plugin = Alone::load(&file, Settings::new())?;
        let kind = plugin.status.kind;
        let cases = self.cases.clone().unwrap_or_else(|| file.with_file_name("cases"));
        let read = read_cases(&cases)?.into_iter();
        let mut tried: Vec<Tried> = read.map(|(name, text)| case::run(kind, &file, name, &text)).collect();
        tried.push(Tried {
            name: "hostile input".to_owned(),
            what: "unknown, infinite and absurd readings, of nobody and of many".to_owned(),
            problems: hostile::problem(&mut plugin).into_iter().collect(),
        });
        let all = tried.len();
        let failed = tried.iter().filter(|tried| !tried.problems.is_empty()).count();
        print::text(&report(&tried))?;
        if failed > 0 {
            let name = plugin.status.id.as_str();
            return Err(Failed::plainly(
                format!("{failed} of {all} checks of {name} failed"),
                "mend the plugin and build it again, or mend the case if the plugin is right",
            ));
        }
        let (asked, question) = hostile::usual(&mut plugin);
        print::text(&format!(
            "time  {:.1} µs a call with {asked} (median of {TIMED_CALLS}), of {} ms\n",
            us(plugin.time(&question, TIMED_CALLS)),
            hostile::budget(kind).ms
        ))
    }

    /// The component's file. One that is older than its sources is said to be.
    fn component(&self) -> anyhow::Result<PathBuf> {
        if !self.plugin.is_dir() {
            return Ok(self.plugin.clone());
        }
        let folder = Folder::read(&self.plugin)?;
        let file = folder.component();
        let Some(built) = changed(&file) else {
            return Err(Failed::plainly(
                format!("there is no {}", file.display()),
                format!("herdwick plugins build {}", self.plugin.display()),
            ));
        };
        if newest(&folder.path.join("src")).max(changed(&folder.path.join("plugin.toml"))) > Some(built) {
            print::text(&format!(
                "note  {} is older than its sources; herdwick plugins build {}\n",
                file.display(),
                self.plugin.display()
            ))?;
        }
        Ok(file)
    }
}

fn report(tried: &[Tried]) -> String {
    let mut text = String::new();
    let width = tried.iter().map(|tried| tried.name.chars().count()).max().unwrap_or(0);
    for Tried { name, what, problems } in tried {
        let mark = if problems.is_empty() { "ok  " } else { "FAIL" };
        text.push_str(&format!("{mark}  {name:<width$}  {what}\n"));
        for line in problems.iter().flat_map(|problem| problem.lines()) {
            text.push_str(&format!("        {line}\n"));
        }
    }
    text
}

/// Name and text of each case, in the order of their names.
fn read_cases(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let cannot = |error: std::io::Error| {
        Failed::because(
            error,
            format!("the cases in {} cannot be read", folder.display()),
            "say where they are with --cases; plugins/README.md says what a case is",
        )
    };
    let entries = fs::read_dir(folder).map_err(cannot)?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    if paths.is_empty() {
        return Err(Failed::plainly(
            format!("there is not a single case in {}", folder.display()),
            "write one; plugins/README.md says what a case is",
        ));
    }
    let named = paths.iter().map(|path| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok((name, fs::read_to_string(path).map_err(cannot)?))
    });
    named.collect()
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// When the newest file below a folder was changed.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    entries.filter_map(|path| if path.is_dir() { newest(&path) } else { changed(&path) }).max()
}
