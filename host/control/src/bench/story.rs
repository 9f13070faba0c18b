//! A run from its beginning to its end: what was in memory, loads, prompts, answers; then everything is put back as it
//! was, clients are let in again, and only then is anything learned. Whoever ends it early ends it at any await; what is
//! put back is put back all the same.

use std::sync::Arc;
use std::time::{Duration, Instant};

use herdwick_fleet::{Claim, Observation};
use herdwick_measure::{Keep, MeasureError, Question, Subject, Timeline, decoding, prefilling};
use herdwick_wire::bench::BenchFigureView;

use crate::admin::Admin;
use crate::bench::hold::Hold;
use crate::bench::lesson;
use crate::bench::plan::Plan;
use crate::bench::residency::Residency;
use crate::bench::routing::{self, Winners};
use crate::bench::run::{LOOK, Run, Stop};
use crate::bench::target::Target;

/// A first load that takes so many times as long as the second read the model from disk.
const FROM_DISK: f64 = 1.5;
/// Looks in a row at which clients wait, until the run gives way: one may be about to get a slot elsewhere.
const PATIENT: u32 = 3;

/// What a run begins with.
pub(crate) struct Parts {
    pub(crate) target: Target,
    pub(crate) hold: Hold,
    pub(crate) before: Winners,
}

/// Why a run did not come to its end.
enum Ended {
    Stopped(Stop),
    Failed(MeasureError),
    /// Its server does not say what is in its memory.
    Blind(String),
}

impl From<MeasureError> for Ended {
    fn from(error: MeasureError) -> Self {
        Self::Failed(error)
    }
}

/// Measures, puts back, learns.
pub(crate) async fn tell(admin: Admin, run: Arc<Run>, parts: Parts) {
    let Parts { target, hold, before } = parts;
    let mut failed = Vec::new();
    let ended = match Residency::look(&admin, &target).await {
        Err(why) => Err(Ended::Blind(why.to_string())),
        Ok(residency) => {
            let measured = tokio::select! {
                measured = measure(&run, &target, &residency) => measured.map_err(Ended::Failed),
                stop = run.stopped() => Err(Ended::Stopped(stop)),
                stop = clients(&admin, &run) => Err(Ended::Stopped(stop)),
            };
            run.tidies();
            if measured.is_ok() {
                // It was in memory a moment ago, whatever comes next.
                target.holding.live.credit_success(admin.now());
            }
            failed = residency.restore(&admin, &target).await;
            failed.iter().for_each(|failed| run.note(failed));
            measured
        }
    };
    drop(hold);
    wake(&admin, &target);
    match ended {
        Ok(()) => learn(&admin, &run, &target, before).await,
        Err(ended) => {
            let (state, problem) = told(&ended, &target, &failed);
            run.end(|view| {
                view.state = state.to_owned();
                view.problem = Some(problem);
            });
        }
    }
}

/// Everything that is measured, in order.
async fn measure(run: &Run, target: &Target, residency: &Residency) -> Result<(), MeasureError> {
    let model = target.model();
    let is_resident = residency.has(model);
    let context = residency.context(model);
    let keep = residency.keep(model);
    let loader = target.subject(context, keep);
    // A question about what somebody else loaded says nothing of how long it stays.
    let subject = target.subject(context, if is_resident { Keep::AsItIs } else { Keep::Briefly });
    let slots = target.holding.live.slots.total();
    let plan = Plan::new(run.quick, context, slots, loader.loads_when_asked());
    run.plan(plan.steps(is_resident));
    loads(run, target, &loader, &plan, is_resident).await?;
    let mut asker = Asker { subject: &subject, seed: seed() };
    // The first answer after a load pays for much that later ones find done.
    run.step("a first answer, which does not count");
    let first = asker.ask(plan.short, plan.brief()).await?;
    let answer = plan.answer_for(pace(&first));
    let long = plan.long_for(first.prompt_tokens.unwrap_or_default() as f64 / seconds(first.first()));
    prompts(run, &mut asker, &plan, long).await?;
    answers(run, &mut asker, plan.streams, answer).await
}

/// Loads the model once or twice, and says how fast that was, as far as it can be told.
async fn loads(
    run: &Run,
    target: &Target,
    loader: &Subject,
    plan: &Plan,
    is_resident: bool,
) -> Result<(), MeasureError> {
    let times = if plan.loads > 0 { plan.loads } else { u32::from(!is_resident) };
    if times == 0 || !loader.loads_when_asked() {
        return Ok(());
    }
    let mut took = Vec::new();
    for round in 0..times {
        if is_resident || round > 0 {
            run.step(format!("letting go of {}", loader.model));
            loader.unload().await?;
        }
        run.step(format!("loading {}", loader.model));
        took.push(loader.load().await?);
    }
    let bytes = target.holding.model.bytes;
    if bytes == 0 {
        run.note("its server does not tell how large the model is, so that loads have no rate");
        return Ok(());
    }
    for (quantity, took) in judge(&took, is_resident) {
        run.measured(BenchFigureView {
            quantity: quantity.to_owned(),
            unit: "bytes/s".to_owned(),
            measured: bytes as f64 / seconds(Some(took)),
            ..BenchFigureView::default()
        });
    }
    if took.len() > 1 && !judge(&took, is_resident).iter().any(|(quantity, _)| *quantity == "load-disk") {
        run.note(
            "the model lay in the machine's page cache already, so nothing is told of its disk: only a machine that \
             needs the memory, or a restart, empties that",
        );
    }
    Ok(())
}

/// What loads say: from disk or from the page cache. A model that was loaded a moment before lies in the page cache,
/// unless the machine has no room for that.
fn judge(took: &[Duration], was_resident: bool) -> Vec<(&'static str, Duration)> {
    match took {
        [first, second] if !was_resident && first.as_secs_f64() > second.as_secs_f64() * FROM_DISK => {
            vec![("load-disk", *first), ("load-cache", *second)]
        }
        [first, second] => vec![("load-cache", *first.min(second))],
        // Once, and nobody knows where from: it was not used lately, so it counts as what is slower.
        [only] => vec![("load-disk", *only)],
        _ => Vec::new(),
    }
}

/// Prompts of two lengths.
async fn prompts(run: &Run, asker: &mut Asker<'_>, plan: &Plan, long: u32) -> Result<(), MeasureError> {
    let (mut shorter, mut longer) = (Vec::new(), Vec::new());
    for _ in 0..plan.repeats {
        run.step(format!("reading a prompt of about {} tokens", plan.short));
        shorter.push(asker.ask(plan.short, plan.brief()).await?);
        run.step(format!("reading a prompt of about {long} tokens"));
        longer.push(asker.ask(long, plan.brief()).await?);
    }
    let Some(found) = prefilling(&shorter, &longer) else {
        run.note("its server does not count the tokens of prompts, so that nothing is told of how fast it reads them");
        return Ok(());
    };
    doubt(run, found.disagrees, "reads prompts");
    run.measured(BenchFigureView {
        quantity: "prefill".to_owned(),
        unit: "tokens/s".to_owned(),
        measured: found.per_s,
        ..BenchFigureView::default()
    });
    Ok(())
}

/// One answer alone, and as many at once as there are slots.
async fn answers(run: &Run, asker: &mut Asker<'_>, streams: u32, tokens: u32) -> Result<(), MeasureError> {
    for at_once in [1, streams] {
        if at_once > 1 {
            run.step(format!("making {at_once} answers at once"));
        } else {
            run.step("making an answer alone");
        }
        let answers = asker.ask_at_once(at_once, tokens).await?;
        let Some(found) = decoding(&answers) else {
            let longest = answers.iter().map(Timeline::tokens).max().unwrap_or_default();
            if at_once == 1 {
                return Err(MeasureError::Short(longest));
            }
            run.note(format!(
                "its answers did not run at once although it has {streams} slots, as far as is told"
            ));
            return Ok(());
        };
        doubt(run, found.disagrees, "makes answers");
        run.measured(BenchFigureView {
            quantity: "decode".to_owned(),
            streams: at_once,
            unit: "tokens/s".to_owned(),
            measured: found.per_s,
            ..BenchFigureView::default()
        });
        if streams == 1 {
            break;
        }
    }
    Ok(())
}

/// Asks one model, never the same twice.
struct Asker<'a> {
    subject: &'a Subject,
    seed: u64,
}

impl Asker<'_> {
    async fn ask(&mut self, prompt_tokens: u32, answer_tokens: u32) -> Result<Timeline, MeasureError> {
        let question = self.next(prompt_tokens, answer_tokens);
        self.subject.ask_timed(question).await
    }

    async fn ask_at_once(&mut self, count: u32, answer_tokens: u32) -> Result<Vec<Timeline>, MeasureError> {
        /// Prompts are short, so that answers begin together.
        const PROMPT: u32 = 32;
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..count {
            let (subject, question) = (self.subject.clone(), self.next(PROMPT, answer_tokens));
            asking.spawn(async move { subject.ask_timed(question).await });
        }
        // Dropped before its end, the set ends all of them.
        let mut answers = Vec::new();
        while let Some(answer) = asking.join_next().await {
            match answer {
                Ok(answer) => answers.push(answer?),
                Err(error) => return Err(MeasureError::Garbled(error.to_string())),
            }
        }
        Ok(answers)
    }

    fn next(&mut self, prompt_tokens: u32, answer_tokens: u32) -> Question {
        self.seed = self.seed.wrapping_add(1);
        Question { seed: self.seed, prompt_tokens, answer_tokens }
    }
}

/// Returns when clients wait for longer than it takes to find them a place, unless they are to wait.
async fn clients(admin: &Admin, run: &Run) -> Stop {
    let mut waited = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let is_waited = run.gives_way && admin.counters.read().waiting > 0;
        waited = if is_waited { waited + 1 } else { 0 };
        if waited >= PATIENT {
            return Stop::Clients;
        }
    }
}

/// Why it ended, in state and words.
fn told(ended: &Ended, target: &Target, failed: &[String]) -> (&'static str, String) {
    let (node, model) = (target.node(), target.model());
    let as_before = match failed {
        [] => "nothing was learned, and all is as it was".to_owned(),
        failed => format!("nothing was learned; {}", failed.join("; ")),
    };
    match ended {
        Ended::Stopped(Stop::Wanted) => ("stopped", format!("the bench was ended: {as_before}; begin anew when it suits")),
        Ended::Stopped(Stop::Lease) => {
            ("stopped", format!("nobody asked any more how far the bench is: {as_before}; begin anew when it suits"))
        }
        Ended::Stopped(Stop::Clients) => (
            "stopped",
            "the bench gave way: requests of clients waited; try again when less is going on, or have them wait with \
             --force"
                .to_owned(),
        ),
        Ended::Stopped(Stop::Router) => {
            ("stopped", format!("the router is stopping: {as_before}; start it and begin anew"))
        }
        Ended::Failed(error) => (
            "failed",
            format!("{model} on {node} cannot be measured: {error}; `herdwick nodes test {node}` looks closer"),
        ),
        Ended::Blind(why) => (
            "failed",
            format!("{node} does not tell what is in its memory: {why}; `herdwick nodes test {node}` looks closer"),
        ),
    }
}

fn doubt(run: &Run, disagrees: bool, does: &str) {
    if disagrees {
        run.note(format!(
            "it says of itself that it {does} at another pace; what was observed is what counts"
        ));
    }
}

/// Tokens per second of a short answer, roughly.
fn pace(answer: &Timeline) -> f64 {
    let between = answer.pieces.first().zip(answer.pieces.last());
    let took = between.map(|(first, last): (&Instant, &Instant)| last.duration_since(*first));
    answer.tokens().saturating_sub(1) as f64 / seconds(took)
}

/// Never 0, so that it can be divided by.
fn seconds(took: Option<Duration>) -> f64 {
    took.unwrap_or_default().as_secs_f64().max(1e-6)
}

/// A beginning that no run before had: prompts of two runs are not alike either.
fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(Instant::now())
}

/// What was measured is learned, once clients are let in again.
async fn learn(admin: &Admin, run: &Run, target: &Target, before: Winners) {
    let figures = lesson::teach(admin, run, target).await;
    let after = routing::winners(admin, target, &admin.fleet.load());
    run.end(|view| {
        view.state = "done".to_owned();
        view.steps_done = view.steps;
        view.figures = figures;
        view.routes = routing::changes(before, after);
    });
}

/// Those that wait look again: slots are free.
fn wake(admin: &Admin, target: &Target) {
    let claim = Claim::Readings(Vec::new(), Duration::ZERO);
    // A keeper who has too much to do publishes a picture anyway.
    let _ = admin.desk.observe(Observation { backend: target.backend.id, at: admin.now(), claim });
}
