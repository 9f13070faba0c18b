//! Firewalls that are known to be on here. They are named only when something did not come through: by themselves they
//! are no fault.

use std::path::Path;

use super::line::Line;

/// What the check is called.
const CHECK: &str = "firewall";

/// A firewall, and how it lets us through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Suspect {
    name: &'static str,
    commands: Vec<String>,
}

/// Looks at what the system tells without a privilege. `port` is the router's.
pub(crate) fn look(root: &Path, port: u16) -> Vec<Suspect> {
    let mut found = Vec::new();
    let text = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let is_on = |line: &str| {
        line.split('#').next().is_some_and(|line| line.trim().eq_ignore_ascii_case("enabled=yes"))
    };
    if text("etc/ufw/ufw.conf").lines().any(is_on) {
        found.push(Suspect {
            name: "ufw",
            commands: vec![format!("sudo ufw allow {port}/tcp"), "sudo ufw allow 5353/udp".to_owned()],
        });
    }
    if root.join("run/firewalld").is_dir() {
        found.push(Suspect {
            name: "firewalld",
            commands: vec![
                format!("sudo firewall-cmd --permanent --add-port={port}/tcp --add-service=mdns"),
                "sudo firewall-cmd --reload".to_owned(),
            ],
        });
    }
    let rules = text("etc/nftables.conf");
    if found.is_empty() && rules.contains("hook input") && rules.contains("drop") {
        found.push(Suspect {
            name: "nftables (/etc/nftables.conf)",
            commands: vec![format!("sudo nft list ruleset   # let TCP {port} and UDP 5353 in")],
        });
    }
    found
}

/// The suspects, if something `failed` that a firewall may have done.
pub(crate) fn judge(suspects: &[Suspect], failed: &[&str]) -> Option<Line> {
    if failed.is_empty() {
        return None;
    }
    let failed = failed.join(", ");
    let Some(first) = suspects.first() else {
        // These have one from the start, which does not tell a program whether it is on.
        return (cfg!(windows) || cfg!(target_os = "macos")).then(|| {
            Line::note(CHECK, format!("this system has one, which may be why ({failed})"))
                .fix("let herdwick take connections in the firewall's settings")
        });
    };
    let names: Vec<_> = suspects.iter().map(|suspect| suspect.name).collect();
    let line = Line::note(CHECK, format!("{} is on here, which may be why ({failed})", names.join(" and ")));
    let line = line.fix("let the router and mDNS in:");
    Some(first.commands.iter().fold(line, |line, command| line.command(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ones_that_are_on_are_found() {
        let root = std::env::temp_dir().join(format!("herdwick-doctor-firewall-{}", std::process::id()));
        for folder in ["etc/ufw", "run/firewalld"] {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::fs::write(root.join("etc/ufw/ufw.conf"), "# on?\nENABLED=yes # here\nLOGLEVEL=low\n").unwrap();
        let names = |found: Vec<Suspect>| found.into_iter().map(|one| one.name).collect::<Vec<_>>();
        assert_eq!(names(look(&root, 1)), ["ufw", "firewalld"]);
        std::fs::write(root.join("etc/ufw/ufw.conf"), "ENABLED=no\n").unwrap();
        std::fs::remove_dir(root.join("run/firewalld")).unwrap();
        assert_eq!(look(&root, 1), []);
        std::fs::write(root.join("etc/nftables.conf"), "type filter hook input priority 0; policy drop;")
            .unwrap();
        assert_eq!(names(look(&root, 1)), ["nftables (/etc/nftables.conf)"]);
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn nobody_is_suspected_where_nothing_failed() {
        let suspects = [Suspect { name: "ufw", commands: vec!["sudo ufw allow 1/tcp".to_owned()] }];
        assert_eq!(judge(&suspects, &[]), None);
        let line = judge(&suspects, &["multicast", "node studio"]).unwrap();
        assert!(line.found.contains("ufw is on here") && line.found.contains("multicast, node studio"));
        assert_eq!(line.commands, ["sudo ufw allow 1/tcp"]);
    }
}
