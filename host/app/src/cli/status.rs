//! `herdwick status`: what is going on now, once or for as long as somebody looks.

mod changes;
mod clock;
pub(crate) mod page;
mod screen;

use std::time::Duration;

use herdwick_wire::status::StatusView;
use http::Method;

use crate::cli::print;
use crate::cli::terminal::Terminal;
use crate::client::{self, RouterArg};
use crate::shutdown::Signals;

/// Where the router tells it.
const PATH: &str = "/admin/v1/status";
/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// Options of `herdwick status`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Look every second, until Ctrl-C; in a pipe, print a line for each change.
    #[arg(long)]
    watch: bool,
    /// Only whether some node can be asked, as exit code: for scripts and supervisors.
    #[arg(long, conflicts_with_all = ["watch", "json"])]
    ready: bool,
    /// The same as JSON; with --watch a line for each change.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    router: RouterArg,
}

/// One look: what there is, or why nothing can be seen.
type Look = Result<StatusView, anyhow::Error>;

impl Args {
    /// Runs the command.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.watch {
            return client::runtime()?.block_on(self.watch());
        }
        if self.ready {
            return print::text(&(self.router.text("/readyz")? + "\n"));
        }
        let view: StatusView = self.router.get(PATH)?;
        if self.json { print::json(&view) } else { print::text(&page::text(&view, Terminal::stdout())) }
    }

    /// Looks until a signal comes or nobody reads any more.
    async fn watch(&self) -> anyhow::Result<()> {
        let mut signals = Signals::new()?;
        let mut out = if self.json {
            Out::Json(None)
        } else if Terminal::stdout().moves() {
            Out::Screen(screen::Screen::default())
        } else {
            Out::Lines(None)
        };
        // A router that is not there at all is a mistake; one that goes away meanwhile comes back, perhaps.
        let mut look = Ok(self.router.document(Method::GET, PATH).await?);
        loop {
            if !out.show(look)? {
                return Ok(());
            }
            let next = async {
                tokio::time::sleep(PERIOD).await;
                self.router.document(Method::GET, PATH).await
            };
            look = tokio::select! {
                look = next => look,
                () = signals.next() => return out.end(),
            };
        }
    }
}

/// How what is seen is shown.
enum Out {
    /// In place, for people.
    Screen(screen::Screen),
    /// A line for each change since the last look.
    Lines(Option<Look>),
    /// A document for each change since the last look.
    Json(Option<StatusView>),
}

impl Out {
    /// Shows a look; says whether anybody still reads.
    fn show(&mut self, look: Look) -> anyhow::Result<bool> {
        match self {
            Self::Screen(screen) => screen.draw(&match &look {
                Ok(view) => page::text(view, Terminal::stdout()),
                Err(error) => page::lost(error, Terminal::stdout()),
            }),
            Self::Lines(before) => {
                let lines = changes::since(before.as_ref(), &look);
                let now = clock::now();
                *before = Some(look);
                print::still_read(&lines.iter().map(|line| format!("{now}  {line}\n")).collect::<String>())
            }
            Self::Json(before) => {
                let Ok(view) = look else { return Ok(true) };
                let changed = before.as_ref().is_none_or(|before| !changes::is_same(before, &view));
                let text = if changed { serde_json::to_string(&view)? + "\n" } else { String::new() };
                *before = Some(view);
                print::still_read(&text)
            }
        }
    }

    /// Leaves the terminal as it was found, with what was seen last.
    fn end(self) -> anyhow::Result<()> {
        match self {
            Self::Screen(screen) => screen.leave(),
            Self::Lines(_) | Self::Json(_) => Ok(()),
        }
    }
}
