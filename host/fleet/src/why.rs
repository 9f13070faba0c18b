//! A decision in words: one line for a header, a table for people.

use std::fmt;

use crate::cost::Term;
use crate::decision::{Basis, Decision, Ranked};
use crate::id::PluginId;
use crate::model::Residency;
use crate::moment::Ms;

impl Decision {
    /// One line for people: who won over whom, by how much and by which signal, and who was out of the running.
    pub fn why(&self) -> String {
        let mut why = match (self.ranked.first(), self.ranked.get(1)) {
            (None, _) => match &self.basis {
                Basis::Refused(plugin) => format!("{plugin} failed and nothing is answered without it"),
                _ => format!("nobody can serve {}", self.model),
            },
            (Some(only), None) => format!("{} is the only one that can take it now", Named(only)),
            (Some(won), Some(next)) => self.between(won, next),
        };
        for out in self.eliminated.iter().take(3) {
            why.push_str(&format!("; {} {}", out.node, out.why));
        }
        if let Some(more) = self.eliminated.len().checked_sub(3).filter(|more| *more > 0) {
            why.push_str(&format!("; {more} more cannot"));
        }
        why
    }

    fn between(&self, won: &Ranked, next: &Ranked) -> String {
        match &self.basis {
            Basis::Baseline => format!("{} has the least in flight (no signal answered)", Named(won)),
            Basis::BaselineFor(plugin) => {
                format!("{} has the least in flight ({plugin} failed)", Named(won))
            }
            Basis::LessInFlight => format!("{} costs as little as others and has less in flight", Named(won)),
            Basis::Lot => format!("{} drawn among equals", Named(won)),
            Basis::Costs | Basis::Refused(_) => {
                let ahead = Ms(next.ms - won.ms);
                let reason = self.deciding(won, next).map_or(String::new(), |(signal, here, there)| {
                    format!(": {signal} {} against {}", Ms(here), Ms(there))
                });
                format!("{} is {ahead} ahead of {}{reason}", Named(won), Named(next))
            }
        }
    }

    /// The signal that speaks most for `won`.
    fn deciding<'a>(&'a self, won: &Ranked, next: &Ranked) -> Option<(&'a PluginId, f64, f64)> {
        let pairs = self.signals.iter().zip(self.terms(won).iter().zip(self.terms(next)));
        pairs
            .map(|(signal, (here, there))| (signal, here.ms, there.ms))
            .max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)))
    }
}

/// `studio (model resident)`.
struct Named<'a>(&'a Ranked);

impl fmt::Display for Named<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.0.residency {
            Some(Residency::Resident) => "model resident",
            Some(Residency::Loading) => "model loading",
            Some(Residency::Warm) => "model in page cache",
            Some(Residency::OnDisk) => "model on disk",
            None => "model state unknown",
        };
        write!(out, "{} ({state})", self.0.node)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}: {}", self.model, self.why())?;
        writeln!(out, "fleet generation {}, plugin set {}", self.fleet, self.plugins)?;
        let width = |text: &str| text.len().max(9);
        write!(out, "  {:<20} {:>9}", "node", "total")?;
        for signal in &self.signals {
            write!(out, "  {:>w$}", signal.as_str(), w = width(signal.as_str()))?;
        }
        writeln!(out)?;
        for ranked in &self.ranked {
            write!(out, "  {:<20} {:>9}", &*ranked.node, Ms(ranked.ms).to_string())?;
            for (signal, term) in self.signals.iter().zip(self.terms(ranked)) {
                let text = match term {
                    Term { abstained: true, .. } => format!("~{}", Ms(term.ms)),
                    Term { ms, .. } => Ms(*ms).to_string(),
                };
                write!(out, "  {text:>w$}", w = width(signal.as_str()))?;
            }
            writeln!(out)?;
        }
        for eliminated in &self.eliminated {
            writeln!(out, "  {:<20} {:>9}  {}", eliminated.node, "out", eliminated.why)?;
        }
        for shadow in &self.shadows {
            let would = if shadow.changes { "another candidate" } else { "the same" };
            writeln!(out, "  {} (shadow) would have chosen {would}", shadow.plugin)?;
        }
        for (plugin, fault) in &self.faults {
            writeln!(out, "  {plugin} was ignored: {fault}")?;
        }
        Ok(())
    }
}
