//! The unit that systemd reads: `systemd.service(5)`, `systemd.exec(5)`. Knows how it quotes.

use std::fmt::Write as _;

use super::{Kind, Scope, Service};

/// What the documentation of a service is.
const DOCUMENTATION: &str = "https://github.com/herdwick/herdwick";
/// Handles for 10,000 clients and the machines that answer them.
const HANDLES: u32 = 65_536;

/// The unit's text.
pub(super) fn text(service: &Service) -> String {
    let Service { kind, scope, stop, .. } = service;
    let unit = kind.unit();
    let systemctl = if *scope == Scope::User { "systemctl --user" } else { "sudo systemctl" };
    let mut out = format!(
        "# Written by `herdwick service install {} {}`, which writes it anew each time.\n\
         # `{systemctl} edit {unit}` adds what lasts.\n\n\
         [Unit]\nDescription={}\nDocumentation={DOCUMENTATION}\n",
        kind.name(),
        scope.flag(),
        kind.description(),
    );
    if *scope == Scope::System {
        out.push_str("Wants=network-online.target\nAfter=network-online.target\n");
    }
    let command: Vec<String> =
        service.words().iter().enumerate().map(|(index, word)| quoted(word, index > 0)).collect();
    // Writing to a string cannot fail.
    let _ = write!(
        out,
        "\n[Service]\nType=exec\nExecStart={}\nRestart=on-failure\nRestartSec=5\n\
         # A command line that cannot be understood is not mended by starting again.\n\
         RestartPreventExitStatus=2\nTimeoutStopSec={}\nLimitNOFILE={HANDLES}\nUMask=0077\n",
        command.join(" "),
        stop.as_secs(),
    );
    if *scope == Scope::System {
        let _ = write!(
            out,
            "\n# A user who exists only while it runs, with folders of its own: /var/lib/{unit}, /var/cache/{unit}.\n\
             # What it is told in /etc/herdwick only root writes.\n\
             DynamicUser=yes\nStateDirectory={unit}\nStateDirectoryMode=0700\nCacheDirectory={unit}\n\
             CacheDirectoryMode=0700\nConfigurationDirectory=herdwick\n\
             Environment=HERDWICK_STATE_DIR=%S/{unit}\nEnvironment=HERDWICK_CACHE_DIR=%C/{unit}\n\
             Environment=HERDWICK_CONFIG_DIR=%E/herdwick\n"
        );
    }
    let _ = write!(out, "\n{}", hardening(*kind, *scope));
    let target = if *scope == Scope::User { "default.target" } else { "multi-user.target" };
    let _ = write!(out, "\n[Install]\nWantedBy={target}\n");
    out
}

/// What it never needs. `MemoryDenyWriteExecute` is not among it: plugins are compiled to machine code here.
fn hardening(kind: Kind, scope: Scope) -> String {
    let mut out = "# What it never needs is taken away. Memory that is written and then run it needs: plugins are compiled.\n\
                   NoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\nRestrictSUIDSGID=yes\n\
                   RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK\nSystemCallArchitectures=native\n"
        .to_owned();
    if scope == Scope::User {
        // The rest needs namespaces, which not every system lets users make; then the service would not start.
        return out;
    }
    out.push_str(
        "ProtectSystem=strict\nProtectHome=read-only\nPrivateTmp=yes\nProtectControlGroups=yes\n\
         ProtectKernelLogs=yes\nProtectKernelModules=yes\nProtectKernelTunables=yes\nProtectHostname=yes\n\
         RestrictNamespaces=yes\nCapabilityBoundingSet=\n",
    );
    if kind == Kind::Router {
        // An agent may have to look at the machine's GPUs.
        out.push_str("PrivateDevices=yes\n");
    }
    out
}

/// One word of a command line. Where `expands`, a `$` would name a variable; the program itself is taken as it is.
fn quoted(word: &str, expands: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut out = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out.push_str("%%"),
            '$' if expands => out.push_str("$$"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::HARD;
    use super::*;

    /// Sections with their keys, in their order. Strict: nothing but comments, sections and `Key=value`, no key twice
    /// but those of which there may be several.
    fn parsed(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
        let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut section = None;
        for line in text.lines() {
            assert!(!line.ends_with('\\') && !line.contains('\r'), "a line goes on: {line:?}");
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                assert!(["Unit", "Service", "Install"].contains(&name), "{name}");
                assert!(sections.insert(name.to_owned(), Vec::new()).is_none(), "{name} stands twice");
                section = Some(name.to_owned());
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no key: {line:?}"));
            assert!(!key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric()), "{key:?}");
            assert_eq!(value, value.trim(), "systemd would trim it");
            let keys = sections.get_mut(section.as_ref().expect("a section comes first")).unwrap();
            assert!(key == "Environment" || keys.iter().all(|(have, _)| have != key), "{key} stands twice");
            keys.push((key.to_owned(), value.to_owned()));
        }
        sections
    }

    /// A command line as systemd takes it apart: words, quotes with their escapes, then `%`, then `$`.
    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        let mut chars = line.chars().peekable();
        loop {
            while chars.next_if(|c| *c == ' ').is_some() {}
            let Some(first) = chars.peek().copied() else { break };
            let is_quoted = first == '"';
            if is_quoted {
                chars.next();
            }
            let mut word = String::new();
            loop {
                match chars.next() {
                    Some('"') if is_quoted => {
                        assert!(matches!(chars.peek(), None | Some(' ')), "a word goes on behind its quotes");
                        break;
                    }
                    None => {
                        assert!(!is_quoted, "quotes stay open: {line}");
                        break;
                    }
                    Some(' ') if !is_quoted => break,
                    Some('\\') => {
                        let escaped = chars.next().expect("something is escaped");
                        assert!("\"\\".contains(escaped), "\\{escaped} means something else");
                        word.push(escaped);
                    }
                    Some(c) => {
                        assert!(is_quoted || !"\"'".contains(c), "a quote in the middle of a word: {line}");
                        word.push(c);
                    }
                }
            }
            let word = halved(&word, '%');
            words.push(if words.is_empty() { word } else { halved(&word, '$') });
        }
        words
    }

    /// With each double sign as one. A single one would be replaced by something else.
    fn halved(word: &str, sign: char) -> String {
        let mut out = String::new();
        let mut chars = word.chars();
        while let Some(c) = chars.next() {
            if c == sign {
                assert_eq!(chars.next(), Some(sign), "{word:?} would be expanded");
            }
            out.push(c);
        }
        out
    }

    fn value<'a>(
        sections: &'a BTreeMap<String, Vec<(String, String)>>,
        section: &str,
        key: &str,
    ) -> Option<&'a str> {
        sections[section].iter().find(|(have, _)| have == key).map(|(_, value)| value.as_str())
    }

    #[test]
    fn every_argument_comes_through_as_it_was() {
        for program in ["/usr/local/bin/herdwick", "/opt/a b/100% $x/hérd wick"] {
            for scope in [Scope::User, Scope::System] {
                let unit = parsed(&text(&Service::hard(scope, program)));
                let mut expected = vec![program, "serve"];
                expected.extend(HARD);
                assert_eq!(words(value(&unit, "Service", "ExecStart").unwrap()), expected);
            }
        }
    }

    #[test]
    fn a_service_of_the_system_has_its_own_user_and_folders() {
        for (kind, folder) in [(Kind::Router, "herdwick"), (Kind::Node, "herdwick-node")] {
            let service =
                Service { kind, flags: Vec::new(), ..Service::hard(Scope::System, "/usr/bin/herdwick") };
            let unit = parsed(&text(&service));
            for (key, expected) in [
                ("DynamicUser", "yes"),
                ("StateDirectory", folder),
                ("CacheDirectory", folder),
                ("ConfigurationDirectory", "herdwick"),
                ("ProtectSystem", "strict"),
                ("NoNewPrivileges", "yes"),
                ("Restart", "on-failure"),
                ("LimitNOFILE", "65536"),
                ("TimeoutStopSec", "150"),
            ] {
                assert_eq!(value(&unit, "Service", key), Some(expected), "{key}");
            }
            assert_eq!(value(&unit, "Service", "MemoryDenyWriteExecute"), None);
            assert_eq!(value(&unit, "Install", "WantedBy"), Some("multi-user.target"));
            assert_eq!(value(&unit, "Service", "PrivateDevices").is_some(), kind == Kind::Router);
        }
    }

    #[test]
    fn a_service_of_a_user_asks_for_nothing_that_users_may_not_have() {
        let unit = parsed(&text(&Service::hard(Scope::User, "/usr/bin/herdwick")));
        for key in ["DynamicUser", "ProtectSystem", "PrivateTmp", "CapabilityBoundingSet", "StateDirectory"] {
            assert_eq!(value(&unit, "Service", key), None, "{key}");
        }
        assert_eq!(value(&unit, "Service", "NoNewPrivileges"), Some("yes"));
        assert_eq!(value(&unit, "Install", "WantedBy"), Some("default.target"));
        assert_eq!(value(&unit, "Unit", "After"), None, "users have no such target");
    }
}
