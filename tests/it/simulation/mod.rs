//! The simulation: random weeks of builds, people, faults and passes, all in memory, judged after every effect.
//!
//! `docs/simulation.md` says what is modelled, which rules there are, and how a story is read. The number of seeds is
//! `TAGBOAT_SEEDS`, the first one `TAGBOAT_SEED`.

mod acts;
mod around;
mod client;
mod ledger;
mod moving;
mod play;
mod rules;
mod script;
mod session;
mod setting;
mod settle;
mod shrink;
mod upstream;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use self::play::{play, runtime};
use self::script::Script;
use self::shrink::{Failure, shrink};

/// How many seeds are played where nobody says otherwise.
const SEEDS: u64 = 16;

fn number(name: &str, otherwise: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how much is simulated is a matter of who runs the tests")]
    let value = std::env::var(name);
    value.map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Plays a seed; returns what is wrong, if anything.
fn judge(script: &Script, runtime: &tokio::runtime::Runtime) -> Option<Failure> {
    match catch_unwind(AssertUnwindSafe(|| play(script, runtime))) {
        Ok(world) => {
            let violation = world.violation?;
            Some(Failure { rule: violation.rule, story: world.story })
        }
        Err(_) => Some(Failure { rule: "nothing panics", story: vec!["see the panic above".to_owned()] }),
    }
}

#[test]
fn weeks_of_faults_and_people_break_no_promise() {
    let (first, count) = (number("TAGBOAT_SEED", 0), number("TAGBOAT_SEEDS", SEEDS));
    let most = number("TAGBOAT_FAILURES", 1);
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let found: Mutex<Vec<String>> = Mutex::default();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(usize::try_from(count).unwrap_or(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let runtime = runtime();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        break;
                    }
                    let script = Script::draw(seed);
                    if let Some(failure) = judge(&script, &runtime) {
                        let story = shrink(script, failure, &runtime);
                        let mut found = found.lock().unwrap();
                        found.push(story);
                        stop.store(found.len() as u64 >= most, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "\n{}", found.join("\n\n"));
}

#[test]
fn a_seed_tells_the_same_story_twice() {
    let runtime = runtime();
    for seed in 1_000..1_002 {
        let script = Script::draw(seed);
        let (one, other) = (play(&script, &runtime), play(&script, &runtime));
        assert_eq!(one.story, other.story, "seed {seed}");
        assert_eq!((one.effects, &one.git.main), (other.effects, &other.git.main));
    }
}
