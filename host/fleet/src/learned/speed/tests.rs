//! What each kind of answer teaches of a model on a backend, and what none of them can spoil.

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;
/// Of 5 GB on an unknown machine: 30 tokens a second, and 300 of a prompt.
const GUESS: fn() -> Option<Rates> = || Rates::guess(5_000_000_000, None);

/// A stream that reads 500 prompt tokens in a second and then makes 100 tokens in two.
fn stream() -> Shown {
    Shown {
        // The first token takes its 20 ms as well.
        first: Some(MS(1_020)),
        total: MS(3_000),
        frames: 100,
        is_whole: true,
        prompt_tokens: Some(500),
        answer_tokens: Some(100),
        ..Shown::default()
    }
}

fn taught(shown: &Shown, times: usize) -> Speed {
    let speed = Speed::default();
    (0..times).for_each(|_| _ = speed.learn(shown, speed.rates(GUESS()), 5_000_000_000, Moment(0)));
    speed
}

fn near(got: f64, wanted: f64) -> bool {
    (got / wanted - 1.0).abs() < 0.03
}

#[test]
fn a_stream_teaches_both_rates_from_the_routers_own_clock() {
    let speed = taught(&stream(), 5);
    let rates = speed.rates(GUESS()).expect("known");
    assert!(near(rates.decode_per_s, 50.0) && near(rates.prefill_per_s, 500.0), "{rates:?}");
    assert_eq!(rates.samples, 5);
}

#[test]
fn a_node_that_lies_about_its_speed_is_not_believed_and_is_flagged() {
    let told = Told { load: None, prompt: Some(MS(333)), answer: Some(MS(660)) };
    let speed = Speed::default();
    let learn =
        |_| speed.learn(&Shown { told, ..stream() }, speed.rates(GUESS()), 0, Moment(0)).disagrees.is_some();
    assert_eq!((0..5).map(learn).collect::<Vec<_>>(), [false, false, true, false, false], "said once");
    assert!(near(speed.rates(GUESS()).expect("known").decode_per_s, 50.0));
    assert!(near(speed.disagrees().expect("flagged"), 1.0 / 3.0));
    // In one piece as well: what it tells does not even decide how the answer divides.
    let whole = Shown { first: None, frames: 0, told, ..stream() };
    let lied = taught(&whole, 20);
    let rates = lied.rates(GUESS()).expect("known");
    let seconds = (rates.prefill_ms(500.0) + rates.decode_ms(100.0, Company::ALONE)) / 1e3;
    assert!(near(seconds, 3.0), "{rates:?} is {seconds} s");
    // An honest one is not flagged, and twice is too few for anybody.
    let told = Told { answer: Some(MS(1_900)), ..told };
    assert_eq!(taught(&Shown { told, ..stream() }, 5).disagrees(), None);
    assert_eq!(
        taught(&Shown { told: Told { answer: Some(MS(600)), ..told }, ..stream() }, 2).disagrees(),
        None
    );
}

#[test]
fn an_answer_in_one_piece_is_divided_as_its_backend_says_if_that_can_be_true() {
    let told = Told { load: None, prompt: Some(MS(950)), answer: Some(MS(1_900)) };
    let speed = taught(&Shown { first: None, frames: 0, told, ..stream() }, 5);
    let rates = speed.rates(GUESS()).expect("known");
    assert!(near(rates.decode_per_s, 50.0) && near(rates.prefill_per_s, 510.0), "{rates:?}");
}

#[test]
fn without_a_word_of_the_backend_both_rates_are_corrected_alike() {
    let speed = taught(&Shown { first: None, frames: 0, ..stream() }, 30);
    let rates = speed.rates(GUESS()).expect("known");
    let seconds = (rates.prefill_ms(500.0) + rates.decode_ms(100.0, Company::ALONE)) / 1e3;
    assert!(near(seconds, 3.0), "{rates:?} is {seconds} s");
}

#[test]
fn an_answer_teaches_only_what_it_can() {
    let learn = |shown: &Shown| {
        let speed = Speed::default();
        speed.learn(shown, GUESS(), 5_000_000_000, Moment(0))
    };
    let (whole, none) = (Some(Taken::Whole), None);
    for (what, shown, prefill, decode) in [
        ("whole", stream(), whole, whole),
        ("its client left", Shown { is_whole: false, prompt_tokens: None, ..stream() }, none, whole),
        ("it broke", Shown { is_whole: false, is_broken: true, prompt_tokens: None, ..stream() }, none, none),
        ("its client was slow", Shown { is_held_up: true, ..stream() }, whole, none),
        ("the prompt was cached", Shown { cached_tokens: 490.0, ..stream() }, none, whole),
        ("the prompt is tiny", Shown { prompt_tokens: Some(12), ..stream() }, none, whole),
        ("the answer is tiny", Shown { frames: 4, answer_tokens: Some(4), ..stream() }, whole, none),
        ("it came in two frames", Shown { frames: 2, prompt_tokens: None, ..stream() }, none, none),
        ("another's load", Shown { load: Load::Joined, ..stream() }, none, whole),
        ("nothing is known of it", Shown::default(), none, none),
    ] {
        let learnt = learn(&shown);
        assert_eq!((learnt.prefill, learnt.decode, learnt.load), (prefill, decode, None), "{what}");
    }
    let loaded = Told { load: Some(MS(700)), ..Told::default() };
    assert_eq!(learn(&Shown { told: loaded, ..stream() }).prefill, None, "it loaded when nobody knew");
}

#[test]
fn a_load_teaches_its_rate_and_no_prompt_rate() {
    let shown = Shown { first: Some(MS(6_020)), total: MS(8_000), load: Load::Disk, ..stream() };
    let speed = taught(&stream(), 5);
    let before = speed.rates(GUESS());
    let learnt = speed.learn(&shown, before, 5_000_000_000, Moment(0));
    assert_eq!((learnt.prefill, learnt.load), (None, Some(Taken::Whole)));
    assert!(near(speed.load_bytes_per_s(false), 1e9), "{}", speed.load_bytes_per_s(false));
    assert!(near(speed.load_bytes_per_s(true), LOAD_CACHE_BYTES_PER_S * OPTIMISM), "the other is not known");
    // Once both are known, a load says itself which of them it was.
    speed.learn_load(Load::Cache, 5_000_000_000, MS(500), Moment(0));
    speed.learn_load(Load::Disk, 5_000_000_000, MS(490), Moment(0));
    assert!(near(speed.load_bytes_per_s(false), 1e9) && near(speed.load_bytes_per_s(true), 1e10));
    assert_eq!(speed.learn_load(Load::Disk, 5_000_000_000, MS(3), Moment(0)), None, "that was none");
    assert_eq!(speed.learn_load(Load::Disk, 0, MS(700), Moment(0)), None, "of no known size");
}

#[test]
fn company_is_learned_once_it_is_known_how_fast_the_model_is_alone() {
    // The third of three streams makes 50 / 1.6 tokens a second.
    let company = Company { same: 3.0, other: 0.0 };
    let crowded = Shown { total: MS(1_020) + MS(1_980).mul_f64(1.6), company, ..stream() };
    let speed = taught(&stream(), 5);
    (0..20).for_each(|_| _ = speed.learn(&crowded, speed.rates(GUESS()), 0, Moment(0)));
    let rates = speed.rates(GUESS()).expect("known");
    assert!(near(rates.decode_per_s, 50.0) && (rates.same_drag - 0.3).abs() < 0.02, "{rates:?}");
    // Where it never runs alone, its rate is told from what company usually costs.
    let rates = taught(&crowded, 20).rates(GUESS()).expect("known");
    let predicted = rates.decode_ms(99.0, company);
    assert!(near(predicted, 1_980.0 * 1.6), "{rates:?}: {predicted}");
    // Streams of other models.
    let company = Company { same: 1.0, other: 1.0 };
    let beside = Shown { total: MS(1_020) + MS(1_980).mul_f64(2.0), company, ..stream() };
    let speed = taught(&stream(), 5);
    (0..30).for_each(|_| _ = speed.learn(&beside, speed.rates(GUESS()), 0, Moment(0)));
    let rates = speed.rates(GUESS()).expect("known");
    assert!(near(rates.decode_per_s, 50.0) && (rates.other_drag - 1.0).abs() < 0.05, "{rates:?}");
}

#[test]
fn what_no_company_explains_is_the_machine() {
    let company = Company { same: 2.0, other: 0.0 };
    let slowed = Shown { total: MS(1_020) + MS(1_980) * 8, company, ..stream() };
    let speed = taught(&stream(), 10);
    (0..10).for_each(|_| _ = speed.learn(&slowed, speed.rates(GUESS()), 0, Moment(0)));
    let rates = speed.rates(GUESS()).expect("known");
    assert!(rates.decode_per_s < 30.0, "{rates:?}");
    assert!(rates.same_drag <= SAME_DRAG_MOST);
}

#[test]
fn a_wrong_guess_is_corrected_by_the_first_answers_whichever_way_it_is_wrong() {
    for bandwidth in [2e12, 2.5e11, 6e9] {
        let speed = Speed::default();
        let guess = Rates::guess(5_000_000_000, Some(bandwidth));
        (0..3).for_each(|_| _ = speed.learn(&stream(), speed.rates(guess), 0, Moment(0)));
        let rates = speed.rates(guess).expect("known");
        assert!((rates.decode_per_s / 50.0 - 1.0).abs() < 0.02, "{rates:?}");
        assert!((rates.prefill_per_s / 500.0 - 1.0).abs() < 0.1, "{rates:?}");
    }
}

#[test]
fn of_one_rate_alone_the_other_follows() {
    let speed = taught(&Shown { prompt_tokens: None, ..stream() }, 3);
    let rates = speed.rates(None).expect("its size is not known, its pace is");
    assert!(near(rates.prefill_per_s, 50.0 * OPTIMISM * 10.0), "{rates:?}");
    assert_eq!(Speed::default().rates(None), None);
}

#[test]
fn a_wait_that_was_mispredicted_is_a_bias_in_milliseconds() {
    let speed = Speed::default();
    assert_eq!(speed.wait_bias_ms(), None);
    speed.learn_wait(MS(1_000), MS(1_500), Moment(0));
    assert_eq!(speed.wait_bias_ms(), Some(500.0));
    (0..30).for_each(|_| speed.learn_wait(MS(2_000), MS(1_000), Moment(0)));
    assert!(speed.wait_bias_ms().is_some_and(|bias| bias < -900.0));
}
