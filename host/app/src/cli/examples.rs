//! One example for every command, at the end of its help. They stand together, so that they tell one story and a test
//! can see that each of them would be understood.

use clap::Command;

/// By command, the example.
const EXAMPLES: [(&str, &str); 44] = [
    ("serve", "herdwick serve --node studio=http://192.168.1.20:11434,slots=4"),
    ("node", "herdwick node --router 192.168.1.10"),
    ("status", "herdwick status --watch"),
    ("try", "herdwick try qwen3:8b \"Why do sheep flock?\""),
    ("explain", "herdwick explain last"),
    ("health", "herdwick health --json"),
    ("doctor", "herdwick doctor --router studio:11435"),
    ("service install", "herdwick service install router -- --node studio=http://192.168.1.20:11434"),
    ("service uninstall", "herdwick service uninstall router"),
    ("service print", "herdwick service print router --system"),
    ("nodes list", "herdwick nodes list"),
    ("nodes show", "herdwick nodes show studio"),
    ("nodes add", "herdwick nodes add http://192.168.1.20:11434 --name studio --slots 4"),
    ("nodes rm", "herdwick nodes rm studio"),
    ("nodes drain", "herdwick nodes drain studio --wait"),
    ("nodes undrain", "herdwick nodes undrain studio"),
    ("nodes test", "herdwick nodes test http://192.168.1.20:11434"),
    ("nodes forget", "herdwick nodes forget old-laptop"),
    ("nodes label", "herdwick nodes label studio room=office"),
    ("nodes rename", "herdwick nodes rename 192.168.1.20 studio"),
    ("models list", "herdwick models list"),
    ("models show", "herdwick models show qwen3:8b"),
    ("models load", "herdwick models load qwen3:8b --node studio"),
    ("models unload", "herdwick models unload llama3.1:70b"),
    ("models pin", "herdwick models pin qwen3:8b --node studio"),
    ("models unpin", "herdwick models unpin qwen3:8b"),
    ("bench", "herdwick bench --node studio --model qwen3:8b"),
    ("learned reset", "herdwick learned reset --node studio"),
    ("plugins list", "herdwick plugins list"),
    ("plugins reload", "herdwick plugins reload"),
    ("plugins enable", "herdwick plugins enable queue-depth"),
    ("plugins disable", "herdwick plugins disable queue-depth"),
    ("plugins rollback", "herdwick plugins rollback prefer-label"),
    ("plugins new", "herdwick plugins new signal prefer-label"),
    ("plugins build", "herdwick plugins build prefer-label"),
    ("plugins check", "herdwick plugins check prefer-label/prefer-label.wasm"),
    ("plugins test", "herdwick plugins test prefer-label"),
    ("config init", "herdwick config init"),
    ("config check", "herdwick config check herdwick.toml"),
    ("config show", "herdwick config show --sources"),
    ("config reset", "herdwick config reset plugins.queue-depth.enabled"),
    ("completions", "herdwick completions bash > ~/.local/share/bash-completion/completions/herdwick"),
    ("fakenode", "herdwick fakenode --listen 127.0.0.1:11434 --model llama3.2:3b,resident,load=2s"),
    (
        "",
        "herdwick --demo                            see everything, without a model
  herdwick --node http://192.168.1.20:11434  stand in front of a machine
  herdwick try                               ask a model through it",
    ),
];

/// The command with its examples.
pub(crate) fn with(root: Command) -> Command {
    EXAMPLES.into_iter().fold(root, |root, (path, example)| {
        let title = if path.is_empty() { "Examples" } else { "Example" };
        let words: Vec<&str> = path.split(' ').filter(|word| !word.is_empty()).collect();
        add(root, &words, format!("{title}:\n  {example}"))
    })
}

fn add(command: Command, path: &[&str], text: String) -> Command {
    match path {
        [] => command.after_help(text),
        [first, rest @ ..] => command.mut_subcommand(first, |sub| add(sub, rest, text)),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    fn leaves(command: &Command, path: &str, out: &mut Vec<String>) {
        let subs = command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
        let subs: Vec<_> = subs.collect();
        if subs.is_empty() {
            out.push(path.to_owned());
        }
        for sub in subs {
            leaves(sub, format!("{path} {}", sub.get_name()).trim_start(), out);
        }
    }

    #[test]
    fn every_command_has_an_example() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        let missing: Vec<_> =
            found.iter().filter(|path| !EXAMPLES.iter().any(|(known, _)| known == path)).collect();
        assert!(missing.is_empty() && found.len() > 15, "{missing:?} of {found:?}");
    }

    #[test]
    fn every_example_is_understood() {
        for (path, example) in EXAMPLES {
            for line in example.lines() {
                // What stands after two spaces says what it is for; what stands after `>` is the shell's.
                let typed = line.trim().split("  ").next().unwrap_or_default();
                let typed = typed.split(" > ").next().unwrap_or_default();
                let args: Vec<String> =
                    typed.replace("\"Why do sheep flock?\"", "why?").split(' ').map(str::to_owned).collect();
                let read = with(Cli::command()).try_get_matches_from(&args);
                assert!(read.is_ok(), "{path}: {typed}: {:?}", read.err());
            }
        }
    }

    #[test]
    fn help_fits_into_80_columns() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        found.extend(["", "plugins", "config", "service"].map(str::to_owned));
        for path in found {
            let mut command = with(Cli::command().term_width(80));
            command.build();
            let mut at = &mut command;
            for word in path.split(' ').filter(|word| !word.is_empty()) {
                at = at.find_subcommand_mut(word).expect("it was found before");
            }
            let help = at.render_help().to_string();
            // A word alone cannot be broken, and what is to be pasted must not be.
            let breakable = |line: &&str| line.trim().contains(' ') && !line.contains("bash-completion");
            for line in help.lines().filter(breakable) {
                assert!(line.chars().count() <= 80, "herdwick {path} --help: {line}");
            }
        }
    }
}
