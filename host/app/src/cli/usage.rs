//! A command line that cannot be understood: what about it, and what was probably meant. clap finds the mistakes; the
//! words are those of all our other errors.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use herdwick_fleet::nearest;

use crate::failed::Failed;

/// The mistake as an error of the program. `args` are the program's, without its own name.
pub(crate) fn told(error: &Error, root: &Command, args: &[String]) -> anyhow::Error {
    let (at, command) = reached(root, args);
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let wrong = |kind| text(kind).join(" ");
    let help = format!("`{at} --help` shows what there is");
    let did_you_mean = |found: Vec<String>, typed: &str, before: &str| match nearest_of(found, typed) {
        Some(near) => format!("did you mean `{before}{near}`? {help}"),
        None => help.clone(),
    };
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let typed = wrong(ContextKind::InvalidSubcommand);
            let what = format!("there is no command `{at} {typed}`");
            if typed.contains("://") {
                return Failed::plainly(what, format!("a machine is named with --node: {at} --node {typed}"));
            }
            let near = text(ContextKind::SuggestedSubcommand);
            if near.is_empty() {
                return Failed::plainly(what, format!("there are {}; {help}", subcommands(command)));
            }
            Failed::plainly(what, did_you_mean(near, &typed, &format!("{at} ")))
        }
        ErrorKind::UnknownArgument => {
            let typed = wrong(ContextKind::InvalidArg);
            if !typed.starts_with('-') {
                return Failed::plainly(format!("`{at}` does not take {typed:?}"), help);
            }
            let what = format!("`{at}` has no option {typed}");
            if let Some((sub, flag)) = elsewhere(command, &typed) {
                return Failed::plainly(what, format!("`{at} {sub} {flag}` exists; {help}"));
            }
            Failed::plainly(what, did_you_mean(text(ContextKind::SuggestedArg), &typed, ""))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = text(ContextKind::InvalidArg).join(" and ");
            Failed::plainly(format!("`{at}` needs {missing}"), format!("`{at} --help` has an example"))
        }
        ErrorKind::ArgumentConflict => {
            let (one, other) = (wrong(ContextKind::InvalidArg), text(ContextKind::PriorArg).join(" and "));
            if other == one {
                return Failed::plainly(format!("{one} stands twice"), "leave one of them out");
            }
            Failed::plainly(format!("{one} cannot be used with {other}"), "leave one of them out")
        }
        ErrorKind::InvalidValue if wrong(ContextKind::InvalidValue).is_empty() => {
            Failed::plainly(format!("{} needs a value", wrong(ContextKind::InvalidArg)), help)
        }
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let typed = wrong(ContextKind::InvalidValue);
            let what = format!("{} does not take {typed:?}", wrong(ContextKind::InvalidArg));
            let valid = text(ContextKind::ValidValue);
            if !valid.is_empty() {
                return Failed::plainly(what, format!("it takes {}", valid.join(", ")));
            }
            match std::error::Error::source(error) {
                Some(why) => Failed::because(anyhow::anyhow!(why.to_string()), what, help),
                None => Failed::plainly(what, help),
            }
        }
        _ => {
            let all = error.to_string();
            let first = all.lines().next().unwrap_or_default();
            Failed::plainly(first.trim_start_matches("error: "), help)
        }
    }
}

/// The command that the arguments lead to, and how it is called. Values of options may look like commands; then only
/// the words are off, and not the mistake.
fn reached<'a>(root: &'a Command, args: &[String]) -> (String, &'a Command) {
    let (mut at, mut command) = (root.get_name().to_owned(), root);
    for arg in args {
        if let Some(sub) = command.find_subcommand(arg) {
            at = format!("{at} {arg}");
            command = sub;
        }
    }
    (at, command)
}

fn subcommands(command: &Command) -> String {
    let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
    shown.map(Command::get_name).collect::<Vec<_>>().join(", ")
}

/// A subcommand that has this very option.
fn elsewhere<'a>(command: &'a Command, flag: &str) -> Option<(&'a str, String)> {
    let long = flag.strip_prefix("--")?;
    let has = |sub: &&Command| sub.get_arguments().any(|argument| argument.get_long() == Some(long));
    let sub = command.get_subcommands().filter(|sub| !sub.is_hide_set()).find(has)?;
    Some((sub.get_name(), flag.to_owned()))
}

fn nearest_of(found: Vec<String>, typed: &str) -> Option<String> {
    found.into_iter().min_by_key(|found| nearest::distance(found, typed))
}
