//! `herdwick nodes drain`: no new work for a machine, and, if wanted, waiting until what runs there has ended.

use std::time::Duration;

use herdwick_wire::nodes::{MachineView, NodesView};
use http::Method;

use super::{Ask, PATH, list};
use crate::cli::print;
use crate::client;
use crate::failed::Failed;

/// Between two looks at what still runs.
const PERIOD: Duration = Duration::from_millis(250);

/// Options of `herdwick nodes drain`.
#[derive(clap::Args)]
pub(crate) struct Drain {
    /// The machine: its name, where it listens, or the beginning of its id.
    name: String,
    /// Return only when nothing runs there any more.
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    ask: Ask,
}

impl Drain {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let node = self.ask.node(&self.name)?;
        let all = self.ask.act(Method::POST, &node, "/drain", None::<&()>)?;
        let mut now = find(&all, &node)?.clone();
        let running = list::running(&now);
        let name = &now.name;
        let told = match (running, self.wait) {
            (0, _) => format!("{name} gets no new work, and nothing runs there"),
            (_, true) => format!("{name} gets no new work; waiting for {}", requests(running)),
            (_, false) => format!(
                "{name} gets no new work; {} there may end, `herdwick nodes drain {name} --wait` waits for it",
                runs(running)
            ),
        };
        if !self.ask.json {
            print::text(&format!("{told}\n"))?;
        }
        if self.wait && running > 0 {
            now = client::runtime()?.block_on(self.idle(&now))?;
            if !self.ask.json {
                print::text(&format!("nothing runs on {} any more\n", now.name))?;
            }
        }
        if self.ask.json { print::json(&now) } else { Ok(()) }
    }

    /// Looks until nothing runs there.
    async fn idle(&self, node: &MachineView) -> anyhow::Result<MachineView> {
        loop {
            let all: NodesView = self.ask.router.document(Method::GET, PATH).await?;
            let now = find(&all.nodes, node)?;
            if list::running(now) == 0 {
                return Ok(now.clone());
            }
            if now.draining.is_empty() {
                let what = format!("{} gets work again: somebody undrained it meanwhile", now.name);
                return Err(Failed::plainly(
                    what,
                    format!("begin anew: herdwick nodes drain {} --wait", now.name),
                ));
            }
            tokio::time::sleep(PERIOD).await;
        }
    }
}

fn find<'a>(nodes: &'a [MachineView], node: &MachineView) -> anyhow::Result<&'a MachineView> {
    nodes.iter().find(|now| now.id == node.id).ok_or_else(|| {
        let what = format!("{} is gone: somebody removed it meanwhile", node.name);
        Failed::plainly(what, "`herdwick nodes list` shows who is there")
    })
}

fn requests(count: u32) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{count} requests") }
}

fn runs(count: u32) -> String {
    if count == 1 { "1 request that runs".to_owned() } else { format!("{count} requests that run") }
}
