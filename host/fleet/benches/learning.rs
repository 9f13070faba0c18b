//! What learning costs per finished answer, and how near predictions are to the truth after fifty requests with guesses
//! that are wrong. The second is printed before anything is timed.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and has nothing to measure if it cannot be set up"
)]
#![allow(missing_docs, reason = "criterion's macros write functions without")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use herdwick_fleet::learned::shown::Told;
use herdwick_fleet::{App, Company, Learned, Load, ModelName, Moment, NodeId, OfModel, Rates, Shown, Speed};

/// A machine as it is: prompt and answer tokens per second, what each further stream costs; and what is guessed of it.
struct Machine {
    name: &'static str,
    prefill: f64,
    decode: f64,
    drag: f64,
    bytes: u64,
    bandwidth: Option<f64>,
}

const MACHINES: [Machine; 5] = [
    Machine {
        name: "guessed 8 times too fast",
        prefill: 300.0,
        decode: 9.4,
        drag: 0.15,
        bytes: 5 << 30,
        bandwidth: Some(2.7e11),
    },
    Machine {
        name: "guessed 4 times too slow",
        prefill: 4_000.0,
        decode: 110.0,
        drag: 0.15,
        bytes: 5 << 30,
        bandwidth: None,
    },
    Machine {
        name: "guessed 20 times too slow",
        prefill: 9_000.0,
        decode: 180.0,
        drag: 0.1,
        bytes: 17 << 30,
        bandwidth: None,
    },
    Machine {
        name: "few experts of many",
        prefill: 700.0,
        decode: 60.0,
        drag: 0.3,
        bytes: 60 << 30,
        bandwidth: Some(4e11),
    },
    Machine {
        name: "a processor",
        prefill: 40.0,
        decode: 8.0,
        drag: 0.8,
        bytes: 5 << 30,
        bandwidth: Some(6e10),
    },
];

/// A generator of numbers that look random: the same with each run (Numerical Recipes, ranqd1).
struct Dice(u32);

impl Dice {
    /// From 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0) / f64::from(u32::MAX)
    }

    /// Around 1, as services vary: 10 % most of the time, and one in 25 takes six times as long.
    fn noise(&mut self) -> f64 {
        let usual = 0.9 + 0.2 * self.roll();
        if self.roll() < 0.04 { usual * 6.0 } else { usual }
    }
}

/// One answer of this machine, in company.
fn answer(machine: &Machine, dice: &mut Dice) -> Shown {
    let prompt_tokens = (100.0 + 1_900.0 * dice.roll()).round();
    let answer_tokens = (40.0 + 300.0 * dice.roll()).round();
    let company = Company { same: (1.0 + 3.0 * dice.roll() * dice.roll()).round(), other: 0.0 };
    let noise = dice.noise();
    let token = (1.0 + machine.drag * (company.same - 1.0)) / machine.decode * noise;
    let first = prompt_tokens / machine.prefill * noise + token;
    Shown {
        first: Some(Duration::from_secs_f64(first)),
        total: Duration::from_secs_f64(first + token * (answer_tokens - 1.0)),
        frames: answer_tokens as u64,
        is_whole: true,
        prompt_bytes: Some(prompt_tokens * 3.1),
        prompt_tokens: Some(prompt_tokens as u64),
        answer_tokens: Some(answer_tokens as u64),
        company,
        load: Load::None,
        // It claims to be three times as fast.
        told: Told { answer: Some(Duration::from_secs_f64(token * answer_tokens / 3.0)), ..Told::default() },
        ..Shown::default()
    }
}

/// Predicted over true service, of an ordinary request in different company.
fn wrong(machine: &Machine, rates: Rates) -> f64 {
    let of = |same: f64| {
        let truth = 800.0 / machine.prefill + 200.0 * (1.0 + machine.drag * (same - 1.0)) / machine.decode;
        let company = Company { same, other: 0.0 };
        (rates.prefill_ms(800.0) + rates.decode_ms(200.0, company)) / 1e3 / truth - 1.0
    };
    [1.0, 2.0, 3.0].map(of).into_iter().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(0.0)
}

fn accuracy() {
    println!(
        "predicted against true service, of the worst of one to three streams (aimed at: within 15 % after 50)"
    );
    println!("{:<28} {:>8} {:>8} {:>8} {:>8} {:>8}", "machine", "guessed", "after 3", "10", "50", "200");
    for machine in &MACHINES {
        let (speed, mut dice) = (Speed::default(), Dice(7));
        let guess = Rates::guess(machine.bytes, machine.bandwidth);
        let now = |speed: &Speed| wrong(machine, speed.rates(guess).expect("its size is known")) * 100.0;
        let mut columns = vec![now(&speed)];
        for count in 1..=200 {
            speed.learn(&answer(machine, &mut dice), speed.rates(guess), machine.bytes, Moment(count));
            if matches!(count, 3 | 10 | 50 | 200) {
                columns.push(now(&speed));
            }
        }
        let columns: Vec<_> = columns.iter().map(|wrong| format!("{wrong:>+7.0}%")).collect();
        println!("{:<28} {}", machine.name, columns.join(" "));
    }
}

fn learning(criterion: &mut Criterion) {
    accuracy();
    let (speed, of_model, app) = (Speed::default(), OfModel::default(), App::new("open-webui/0.6"));
    // As many applications as are remembered at once, so that the last one is looked for longest.
    let mut dice = Dice(7);
    let answers: Vec<_> = (0..64).map(|_| answer(&MACHINES[1], &mut dice)).collect();
    for other in 0..31 {
        of_model.learn(&App::new(&format!("app-{other}")), &answers[0], Moment(0));
    }
    let guess = Rates::guess(5 << 30, Some(4e11));
    let mut at = 0;
    criterion.bench_function("learning/an answer", |bencher| {
        bencher.iter(|| {
            at += 1;
            let shown = black_box(&answers[at % answers.len()]);
            let known = speed.rates(guess);
            speed.learn(shown, known, 5 << 30, Moment(at as u64));
            of_model.learn(&app, shown, Moment(at as u64));
        });
    });
    criterion.bench_function("learning/rates for a decision", |bencher| {
        bencher.iter(|| black_box(&speed).rates(black_box(guess)));
    });
    criterion.bench_function("learning/lengths for a request", |bencher| {
        bencher
            .iter(|| (of_model.prompt_tokens(black_box(4_000.0)), of_model.answer_tokens(black_box(&app))));
    });
    let learned = fleet();
    let mut group = criterion.benchmark_group("learning/what changed");
    group.sample_size(20);
    group.bench_function("of 1,000 machines of ten models", |bencher| {
        bencher.iter(|| black_box(learned.take_changed(Moment(9))).len());
    });
}

/// A thousand machines of ten models of which something was learned, and told already.
fn fleet() -> Learned {
    let learned = Learned::default();
    let mut dice = Dice(7);
    for machine in 0..1_000 {
        let node = NodeId::from_origin(&format!("http://10.0.0.1:{machine}"));
        for model in 0..10 {
            let model = ModelName::parse(&format!("m{model}:1b")).expect("a good name");
            let speed = learned.speed(herdwick_fleet::BackendId { node, port: 11434 }, &model);
            speed.learn(&answer(&MACHINES[0], &mut dice), None, 0, Moment(0));
        }
    }
    learned.take_changed(Moment(1));
    learned
}

criterion_group!(benches, learning);
criterion_main!(benches);
