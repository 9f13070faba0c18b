//! All live signals of one generation. Immutable: a change is a new set, swapped in whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use herdwick_fleet::{
    Answer, Column, Generation, Matrix, Overruled, PluginId, Sheet, SignalPolicy, Situation, Step, Words,
};

use crate::config::OnFault;
use crate::fault::{Fault, LoadError};
use crate::instance_fallback::Asked;
use crate::lane::{Lane, Lanes};
use crate::load::Plugin;
use crate::member::{Guest, Member};
use crate::topology::Ground;
use crate::trial::checked;

/// One generation of signals with their lanes.
pub struct PluginSet {
    generation: Generation,
    ground: Ground,
    columns: Arc<[Column]>,
    members: Vec<Member>,
    /// Where each member finds its columns in a matrix of `columns`.
    places: Vec<Places>,
    lanes: Lanes,
}

/// Where a plugin's columns stand in a matrix, in the plugin's order; `None` for one that this version does not know.
type Places = Vec<Option<usize>>;

/// What one decision asks.
struct Question<'a> {
    matrix: &'a Matrix,
    words: &'a Words<'a>,
}

impl PluginSet {
    /// Makes every instance of the set. Fails with the first member that cannot be made.
    pub(crate) fn build(
        generation: Generation,
        ground: &Ground,
        members: Vec<Member>,
    ) -> Result<Self, (usize, LoadError)> {
        let lanes = Lanes::build(ground, &members).map_err(|(index, fault)| {
            let plugin = members
                .get(index)
                .map_or(crate::Source::BuiltIn(""), |member| member.plugin.source().clone());
            (index, LoadError { plugin, problem: fault.to_string() })
        })?;
        let wanted = members.iter().flat_map(|member| &member.described().columns);
        let wanted: BTreeSet<Column> = wanted.flatten().copied().collect();
        let columns: Arc<[Column]> = wanted.into_iter().collect();
        let places = members.iter().map(|member| places(member, &columns)).collect();
        Ok(Self { generation, ground: ground.clone(), columns, members, places, lanes })
    }

    /// Which set this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Replaces instances that died. To be called now and then, never from the path of a request.
    pub fn mend(&self) {
        self.lanes.mend(&self.ground, &self.members);
    }

    /// Tells the plugins who is in the fleet now.
    pub(crate) fn tell_topology(&self) {
        self.lanes.tell(&self.ground, &self.members);
    }

    /// Whether a member is out for misbehaviour.
    pub fn has_quarantined(&self) -> bool {
        self.members.iter().any(|member| member.stats.is_out())
    }

    fn ask(&self, lane: &mut Lane, question: &Question<'_>) -> Sheet {
        let mut sheet = Sheet { generation: self.generation, ..Sheet::default() };
        let Lane { guests, rows, .. } = lane;
        // A matrix of another set's columns is possible, and not the rule.
        let is_ours = *question.matrix.columns() == *self.columns;
        let mut began = Instant::now();
        for ((member, guest), places) in self.members.iter().zip(guests).zip(&self.places) {
            if member.is_off() || !matches!(*member.plugin, Plugin::Signal(_)) {
                continue;
            }
            let answer = if is_ours {
                ask_one(member, guest, (rows, places), question)
            } else {
                ask_one(member, guest, (rows, &self::places(member, question.matrix.columns())), question)
            };
            let ended = Instant::now();
            let plugin = member.id().clone();
            match answer {
                Ok(costs) => {
                    member.stats.count(ended.duration_since(began));
                    let answer = Answer { plugin, weight: member.config.weight, costs };
                    if member.is_shadow() { &mut sheet.shadows } else { &mut sheet.answers }.push(answer);
                }
                Err(fault) => {
                    member.stats.strike(&fault, ended);
                    overrule(&mut sheet, member);
                    sheet.faults.push((plugin, fault.to_string()));
                }
            }
            began = ended;
        }
        sheet
    }
}

/// What a fault of `member` does to the decision. A refusal outranks the baseline; a shadow does nothing.
fn overrule(sheet: &mut Sheet, member: &Member) {
    match member.on_fault() {
        OnFault::Reject if !member.is_shadow() => {
            sheet.overruled = Some(Overruled::Refuse(member.id().clone()));
        }
        OnFault::Baseline if !member.is_shadow() && sheet.overruled.is_none() => {
            sheet.overruled = Some(Overruled::Baseline(member.id().clone()));
        }
        _ => {}
    }
}

impl SignalPolicy for PluginSet {
    fn columns(&self) -> Arc<[Column]> {
        Arc::clone(&self.columns)
    }

    fn score(&self, matrix: &Matrix, words: &Words<'_>) -> Sheet {
        // All lanes out means more threads than lanes: an answer without signals beats waiting for them.
        let Some(mut lane) = self.lanes.take() else {
            return Sheet { generation: self.generation, ..Sheet::default() };
        };
        let sheet = self.ask(&mut lane, &Question { matrix, words });
        self.lanes.put(lane);
        sheet
    }

    fn next(&self, situation: &Situation<'_>) -> (Option<PluginId>, Step) {
        let Some(mut lane) = self.lanes.take() else { return (None, Step::Pass) };
        let advice = advise(&self.members, &mut lane, situation);
        self.lanes.put(lane);
        advice
    }

    fn explain(&self, matrix: &Matrix, words: &Words<'_>) -> Vec<(PluginId, Vec<String>)> {
        // An instance of its own: explaining must not keep a lane from a request.
        let explained = self.members.iter().filter_map(|member| {
            let Guest::Signal(mut instance) = member.guest(&self.ground).ok()? else {
                return None;
            };
            let mut rows = Vec::new();
            fill(&mut rows, &places(member, matrix.columns()), matrix);
            let phrases = instance.explain(&spoken(member, words), &rows).ok()?;
            (phrases.len() == matrix.rows()).then(|| (member.id().clone(), phrases))
        });
        explained.collect()
    }
}

fn ask_one(
    member: &Member,
    slot: &mut Option<Guest>,
    (rows, places): (&mut Vec<f64>, &Places),
    question: &Question<'_>,
) -> Result<Vec<f64>, Fault> {
    let Some(Guest::Signal(instance)) = slot else { return Err(Fault::Restarting) };
    fill(rows, places, question.matrix);
    let spoken = spoken(member, question.words);
    let answer = instance.cost((!spoken.is_empty()).then_some(spoken.as_slice()), rows);
    if answer.as_ref().is_err_and(Fault::kills) {
        *slot = None;
    }
    checked(answer?, question.matrix.rows(), member.described().may_veto)
}

/// The first advice that is not to pass.
fn advise(members: &[Member], lane: &mut Lane, situation: &Situation<'_>) -> (Option<PluginId>, Step) {
    let Lane { guests, rows, .. } = lane;
    for (member, slot) in members.iter().zip(guests) {
        let Some(Guest::Fallback(rule)) = slot else { continue };
        if member.is_off() {
            continue;
        }
        let matrix = &situation.decision.matrix;
        fill(rows, &places(member, matrix.columns()), matrix);
        let words = Words { model: situation.decision.model.as_str(), endpoint: situation.decision.endpoint };
        let asked = Asked::new(situation, spoken(member, &words), std::mem::take(rows));
        let began = Instant::now();
        match rule.next(&asked) {
            Ok(step) => {
                member.stats.count(began.elapsed());
                match step.into() {
                    Step::Pass => {}
                    step => return (Some(member.id().clone()), step),
                }
            }
            Err(fault) => {
                member.stats.strike(&fault, Instant::now());
                if fault.kills() {
                    *slot = None;
                }
            }
        }
    }
    (None, Step::Pass)
}

/// Where this plugin's columns stand among those of a matrix, which are sorted.
fn places(member: &Member, columns: &[Column]) -> Places {
    let place = |column: &Option<Column>| column.and_then(|column| columns.binary_search(&column).ok());
    member.described().columns.iter().map(place).collect()
}

/// Lays out the rows as a plugin wants them: the slot, then its columns in its order.
fn fill(rows: &mut Vec<f64>, places: &Places, matrix: &Matrix) {
    rows.clear();
    for (row, values) in matrix.iter() {
        rows.push(row);
        let value =
            |pick: &Option<usize>| pick.and_then(|index| values.get(index)).copied().unwrap_or(f64::NAN);
        rows.extend(places.iter().map(value));
    }
}

fn spoken(member: &Member, words: &Words<'_>) -> Vec<String> {
    member.described().words.iter().map(|name| words.get(name).to_owned()).collect()
}
