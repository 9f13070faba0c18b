//! What no load shows: how large a router is, how soon it is ready, what it holds when nobody asks.

use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::runtime::Runtime;

use crate::figure::Spread;
use crate::system::{Ground, Router, System};
use crate::table::Table;
use crate::{resting, starting};

/// Starts of a router with a warm cache, of which the median counts.
const STARTS: usize = 9;

/// The table of what no load shows.
#[derive(Debug)]
pub struct Facts {
    table: Table,
}

impl Facts {
    /// With nothing in it yet.
    pub fn new(routers: &[Router]) -> Self {
        let mut head = vec!["figure".to_owned(), "nginx".to_owned()];
        head.extend(routers.iter().map(|router| router.name.clone()));
        head.push("target".to_owned());
        Self { table: Table::new(head) }
    }

    /// The table so far.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// One more row: nginx's cell, then one for each router.
    pub fn push(&mut self, name: &str, cells: Vec<String>, target: &str) {
        let mut row = vec![name.to_owned()];
        row.extend(cells);
        row.push(target.to_owned());
        self.table.push(row);
    }

    /// The routers' sizes, and their times to the first answer: the very first time, and then.
    ///
    /// # Errors
    /// One does not start.
    pub fn starts(&mut self, routers: &[Router], ground: Ground<'_>) -> Result<()> {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        // nginx has no such thing, or nothing that would say anything.
        let [mut sizes, mut first, mut warm] = [0; 3].map(|_| vec![String::new()]);
        for router in routers {
            std::fs::remove_dir_all(ground.scratch.folder("cache")?).context("cannot empty the cache")?;
            first.push(format!("{:.0} ms", ms(starting::time(router, ground)?)));
            let again = (0..STARTS).map(|_| starting::time(router, ground).map(ms)).collect::<Result<_>>()?;
            let Spread { median, low, high, .. } = Spread::of(again).context("no start")?;
            warm.push(format!("{median:.0} ms ({low:.0} to {high:.0})"));
            sizes.push(megabytes(std::fs::metadata(&router.program).context("the router is gone")?.len()));
        }
        self.push("program", sizes, "≤ 35 MB");
        self.push("ready, the first time ever", first, "≤ 1500 ms");
        self.push("ready, plugins compiled before", warm, "≤ 150 ms");
        Ok(())
    }

    /// What everybody holds now.
    ///
    /// # Errors
    /// One ended.
    pub fn memory(&mut self, name: &str, systems: &[System], target: &str) -> Result<()> {
        let held = systems.iter().skip(1).map(|system| system.resident_bytes().map(megabytes));
        self.push(name, held.collect::<Result<_>>()?, target);
        Ok(())
    }

    /// Memory for connections that nobody uses, in processes of their own that allow so many and keep them.
    ///
    /// # Errors
    /// One does not start, or a connection was not answered.
    pub fn resting(
        &mut self,
        connections: usize,
        runtime: &Runtime,
        routers: &[Router],
        ground: Ground<'_>,
    ) -> Result<()> {
        let mut cells =
            vec![megabytes(resting::growth_bytes(runtime, &System::nginx(ground)?, connections)?)];
        for router in routers {
            let mut router = router.clone();
            router.variables.extend([
                ("HERDWICK_LIMITS__CONNECTIONS".to_owned(), (connections + 16).to_string()),
                ("HERDWICK_LIMITS__IDLE_TIMEOUT".to_owned(), "600s".to_owned()),
            ]);
            let system = System::router(&router, ground)?;
            cells.push(megabytes(resting::growth_bytes(runtime, &system, connections)?));
        }
        self.push(&format!("memory for {connections} idle connections"), cells, "≤ 210 MB for 10000");
        Ok(())
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
