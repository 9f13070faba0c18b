//! `herdwick bench`: has the running router measure models on machines, shows how far it is, and then what it changed.
//! The router measures, and only for as long as this asks: whoever kills it leaves nothing behind.

mod pairs;
mod progress;
mod told;

use std::time::Duration;

use herdwick_wire::bench::{BenchRunsView, BenchView, StartBench};
use herdwick_wire::learned::ModelsView;
use http::Method;

use crate::cli::print;
use crate::cli::terminal::Terminal;
use crate::client::{self, Ask};
use crate::failed::{self, Failed};
use pairs::Pair;
use progress::Progress;

/// Where the router measures.
const PATH: &str = "/admin/v1/bench";
/// Between two looks at how far it is. The router waits longer for the next.
const PERIOD: Duration = Duration::from_millis(200);
/// What is said of a run that nobody let come to its end.
const ENDED: &str = "the bench was ended: nothing was learned, and all is as it was";

/// Options of `herdwick bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Which machine; without it, all that have the model.
    #[arg(long)]
    node: Option<String>,
    /// Which model; without it, those in memory, and where there is none the smallest.
    #[arg(long)]
    model: Option<String>,
    /// Shorter and fewer questions, and no load of what is in memory.
    #[arg(long)]
    quick: bool,
    /// Measure also a machine that is busy, hot, on battery or in a meeting, and have clients wait.
    #[arg(long)]
    force: bool,
    /// Show runs of before instead.
    #[arg(long, conflicts_with_all = ["node", "model", "quick", "force"])]
    list: bool,
    #[command(flatten)]
    ask: Ask,
}

impl Args {
    /// Runs the command.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.list {
            let runs: BenchRunsView = self.ask.router.get(PATH)?;
            let text = || told::runs(&runs.runs, Terminal::stdout());
            return if self.ask.json { print::json(&runs) } else { print::text(&text()) };
        }
        client::runtime()?.block_on(self.measure())
    }

    async fn measure(&self) -> anyhow::Result<()> {
        let models: ModelsView = self.ask.router.document(Method::GET, "/admin/v1/models").await?;
        let pairs = pairs::choose(&models.models, self.node.as_deref(), self.model.as_deref())?;
        let (mut done, mut missed) = (Vec::new(), None);
        for pair in &pairs {
            match self.measure_one(pair).await {
                Ok(view) => {
                    if !self.ask.json {
                        print::text(&told::view(&view, Terminal::stdout()))?;
                    }
                    done.push(view);
                }
                Err(Missed::Only(error)) if pairs.len() > 1 => {
                    failed::print(&error);
                    missed = Some(error);
                }
                Err(Missed::Only(error) | Missed::All(error)) => return Err(error),
            }
        }
        if self.ask.json {
            print::json(&done)?;
        }
        match missed {
            // What was missed was told already.
            Some(_) if done.is_empty() => {
                Err(Failed::plainly("nothing was measured", "see above what is in the way of each machine"))
            }
            _ => Ok(()),
        }
    }

    /// One run from its beginning to its end.
    async fn measure_one(&self, pair: &Pair) -> Result<BenchView, Missed> {
        let wanted = StartBench {
            node: pair.node.clone(),
            model: pair.model.clone(),
            quick: self.quick,
            force: self.force,
        };
        let begun = self.ask.router.document_for(Method::POST, PATH, &wanted).await;
        let mut view: BenchView = begun.map_err(Missed::Only)?;
        let path = format!("{PATH}/{}", view.run);
        let mut progress = Progress::begin(&view);
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        let mut is_ended = false;
        while !view.is_over() {
            // Whoever ends it twice does not wait; the router puts things back all the same.
            let wait = tokio::time::sleep(PERIOD);
            let method = tokio::select! {
                () = wait => Method::GET,
                // Where a signal cannot be received, nobody can end it so.
                Ok(()) = &mut interrupt => {
                    if std::mem::replace(&mut is_ended, true) {
                        break;
                    }
                    interrupt.set(tokio::signal::ctrl_c());
                    Method::DELETE
                }
            };
            view = self.ask.router.document(method, &path).await.map_err(|error| {
                progress.end();
                Missed::All(error)
            })?;
            progress.show(&view);
        }
        progress.end();
        match (is_ended, &view.problem) {
            (true, _) if view.state != "done" => {
                Err(Missed::All(Failed::plainly(ENDED, "begin anew when it suits")))
            }
            (_, Some(problem)) => Err(Missed::Only(client::told(problem))),
            (_, None) => Ok(view),
        }
    }
}

/// Why something was not measured.
enum Missed {
    /// The others may be.
    Only(anyhow::Error),
    /// Nor is anything else.
    All(anyhow::Error),
}
