//! Everything that somebody said, from flags to files, strongest first. Reads the two files; knows no key but
//! those that flags stand for.

use std::path::PathBuf;

use super::discovery::DiscoveryFlags;
use super::env::Env;
use super::file;
use super::paths::{Named, Paths};
use super::place::{Place, Problem};
use super::raw::{Given, Raw, Table};

/// What the command line says. `None` and empty = nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) listen: Option<String>,
    pub(crate) nodes: Vec<String>,
    /// Simulated machines take the place of all others.
    pub(crate) demo: bool,
    pub(crate) discovery: DiscoveryFlags,
    /// MiB of a request body.
    pub(crate) body_limit: Option<u32>,
    /// What the agent of a machine is told.
    pub(crate) node: NodeFlags,
    pub(crate) named: Named,
}

/// What the command line says to an agent.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeFlags {
    pub(crate) name: Option<String>,
    pub(crate) routers: Vec<String>,
    pub(crate) backends: Vec<String>,
    pub(crate) port: Option<u16>,
}

/// The sources.
pub(crate) struct Sources {
    /// Strongest first.
    pub(crate) tables: Vec<Table>,
    /// Variables that cannot be keys.
    pub(crate) strange: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

impl Sources {
    /// Asks them all.
    pub(crate) fn ask(flags: &Flags, env: &Env, paths: &Paths) -> Self {
        let overrides = read(paths.overrides_file(), false);
        let file = read(paths.config_file(), paths.config_is_named);
        let mut sources = Self::stack(flags, env, overrides, file);
        if paths.config_dir_is_named
            && let Some(folder) = paths.config_dir().filter(|folder| !folder.is_dir())
        {
            sources.problems.push(Problem::new(
                Place::whole(&folder),
                "there is no such folder; --config-dir or HERDWICK_CONFIG_DIR names it",
            ));
        }
        sources
    }

    /// Puts them on top of each other. A file that could not be read says nothing but its problems.
    pub(crate) fn stack(
        flags: &Flags,
        env: &Env,
        overrides: Result<Table, Vec<Problem>>,
        file: Result<Table, Vec<Problem>>,
    ) -> Self {
        let said = env.said();
        let mut problems = said.problems;
        let files = [overrides, file].map(|table| {
            table.unwrap_or_else(|found| {
                problems.extend(found);
                Table::new()
            })
        });
        let tables = [flags.table(), said.table].into_iter().chain(files).collect();
        Self { tables, strange: said.strange, problems }
    }
}

impl Flags {
    fn table(&self) -> Table {
        let mut table = Table::new();
        if let Some(listen) = &self.listen {
            table.insert("listen".to_owned(), said("--listen", listen));
        }
        if self.demo {
            let none = Given::new(Raw::List(Vec::new()), Place::Flag("--demo".to_owned()));
            table.insert("nodes".to_owned(), none);
        } else if !self.nodes.is_empty() {
            let nodes = self.nodes.iter().map(|node| said("--node", node)).collect();
            let nodes = Given::new(Raw::List(nodes), Place::Flag("--node".to_owned()));
            table.insert("nodes".to_owned(), nodes);
        }
        if let Some(discovery) = self.discovery.said(self.demo) {
            table.insert("discovery".to_owned(), discovery);
        }
        if let Some(limit) = self.body_limit {
            let body = Table::from([("body".to_owned(), said("--body-limit", &format!("{limit} MiB")))]);
            let limits = Given::new(Raw::Table(body), Place::Flag("--body-limit".to_owned()));
            table.insert("limits".to_owned(), limits);
        }
        let node = self.node.table();
        if !node.is_empty() {
            let node = Given::new(Raw::Table(node), Place::Flag("herdwick node".to_owned()));
            table.insert("node".to_owned(), node);
        }
        table
    }
}

impl NodeFlags {
    fn table(&self) -> Table {
        let mut table = Table::new();
        if let Some(name) = &self.name {
            table.insert("name".to_owned(), said("--name", name));
        }
        if let Some(port) = self.port {
            table.insert("port".to_owned(), said("--port", &port.to_string()));
        }
        for (key, flag, values) in
            [("routers", "--router", &self.routers), ("backends", "--backend", &self.backends)]
        {
            if !values.is_empty() {
                let place = || Place::Flag(flag.to_owned());
                let texts = values.iter().map(|text| Given::new(Raw::Text(text.clone()), place()));
                table.insert(key.to_owned(), Given::new(Raw::List(texts.collect()), place()));
            }
        }
        table
    }
}

fn said(flag: &str, words: &str) -> Given {
    Given::new(Raw::Words(words.to_owned()), Place::Flag(flag.to_owned()))
}

/// A file that is not there says nothing, unless it must be there.
fn read(path: Option<PathBuf>, must_be_there: bool) -> Result<Table, Vec<Problem>> {
    let Some(path) = path else {
        return Ok(Table::new());
    };
    match file::text(&path) {
        Ok(Some(text)) => file::table(&path, &text),
        Ok(None) if must_be_there => Err(vec![Problem::new(Place::whole(&path), "there is no such file")]),
        Ok(None) => Ok(Table::new()),
        Err(problem) => Err(vec![problem]),
    }
}
