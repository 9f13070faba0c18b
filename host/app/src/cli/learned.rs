//! `herdwick learned`: to begin anew with what the router learned.

use std::io::{BufRead as _, IsTerminal as _};

use clap::Subcommand;
use herdwick_wire::learned::{ResetLearned, ResetView};
use herdwick_wire::nodes::NodesView;
use http::Method;

use crate::cli::nodes::find;
use crate::cli::print;
use crate::client::Ask;
use crate::failed::Failed;

/// Where the router forgets.
const PATH: &str = "/admin/v1/learned/reset";

/// Subcommands of `herdwick learned`.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Forget what was learned: of a machine, of a model, of a model on a machine, or everything.
    Reset(Reset),
}

/// Options of `herdwick learned reset`.
#[derive(clap::Args)]
pub(crate) struct Reset {
    /// What was learned of this machine: its name, where it listens, or the beginning of its id.
    #[arg(long)]
    node: Option<String>,
    /// What was learned of this model.
    #[arg(long)]
    model: Option<String>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    ask: Ask,
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Reset(args) => args.run(),
        }
    }
}

impl Reset {
    fn run(&self) -> anyhow::Result<()> {
        let node = match &self.node {
            None => None,
            Some(said) => {
                let all: NodesView = self.ask.router.get("/admin/v1/nodes")?;
                Some(find::node(&all.nodes, said)?.name.clone())
            }
        };
        if node.is_none() && self.model.is_none() && !self.yes {
            ask()?;
        }
        let meant = ResetLearned { node, model: self.model.clone() };
        let told: ResetView = self.ask.router.ask(Method::POST, PATH, Some(&meant))?;
        if self.ask.json { print::json(&told) } else { print::text(&format!("{}\n", said(told, &meant))) }
    }
}

/// Everything is a lot: weeks of answers.
fn ask() -> anyhow::Result<()> {
    const WHAT: &str = "everything that the router learned would be forgotten";
    if !std::io::stdin().is_terminal() {
        return Err(Failed::plainly(
            format!("{WHAT}, and nobody is there to be asked"),
            "say it with --yes, or what is meant with --node NAME or --model NAME",
        ));
    }
    print::still_read(&format!("{WHAT}: speeds, lengths and hours of all machines. Go on? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failed::plainly("nothing was forgotten", "say what is meant with --node NAME or --model NAME"))
}

/// What was forgotten, in a sentence.
fn said(told: ResetView, meant: &ResetLearned) -> String {
    let of = match (&meant.model, &meant.node) {
        (Some(model), Some(node)) => format!(" of {model} on {node}"),
        (Some(name), None) | (None, Some(name)) => format!(" of {name}"),
        (None, None) => String::new(),
    };
    let some = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let parts = [
        some(told.speeds, "speed", "speeds"),
        some(told.lengths, "length of answers", "lengths of answers"),
        some(told.machines, "machine's hours", "machines' hours"),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    match parts.as_slice() {
        [] => format!("nothing was learned{of} yet"),
        [most @ .., last] if !most.is_empty() => format!("forgot {} and {last}{of}", most.join(", ")),
        parts => format!("forgot {}{of}", parts.concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_forgotten_is_said_in_a_sentence() {
        let of = |node: Option<&str>, model: Option<&str>| ResetLearned {
            node: node.map(str::to_owned),
            model: model.map(str::to_owned),
        };
        let view = |speeds, lengths, machines| ResetView { speeds, lengths, machines };
        for (view, of, told) in [
            (view(3, 2, 1), of(None, None), "forgot 3 speeds, 2 lengths of answers and 1 machine's hours"),
            (view(1, 0, 0), of(Some("a"), Some("m")), "forgot 1 speed of m on a"),
            (view(0, 0, 0), of(Some("a"), None), "nothing was learned of a yet"),
        ] {
            assert_eq!(said(view, &of), told);
        }
    }
}
