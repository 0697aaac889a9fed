use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::cache::Tally;
use crate::clock::SystemClock;
use crate::config::environment::Environment;
use crate::service::joining::Joined;
use crate::service::live::Live;
use crate::service::metrics::Metrics;

fn passed() -> Passed {
    Passed {
        result: Ok(Outcome::default()),
        usage: Usage::default(),
        cache: Tally { asked: 0, answered: 0 },
        cache_warning: None,
        inactive: None,
        follows: std::collections::BTreeSet::new(),
    }
}

/// An engine over a configuration with these repositories, each due at once.
fn engine(folder: &Path, urls: &[&str], work: Work) -> Engine {
    let file = folder.join("service.yaml");
    let rows: String = urls.iter().map(|url| format!("  - {{url: \"{url}\", schedule: every 1s}}\n")).collect();
    std::fs::write(&file, format!("version: 1\nrepositories:\n{rows}")).unwrap();
    let metrics = Metrics::new();
    let clock: Arc<dyn crate::clock::Clock> = Arc::new(SystemClock);
    let live = Live::read(&file, &Environment::default(), &clock, metrics.witness()).unwrap();
    Engine::new(Arc::new(Shared::new(live, clock, metrics, Joined::alone())), work)
}

#[tokio::test]
async fn a_panic_is_the_failure_of_its_own_pass() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, good) = ("https://git.example/bad", "https://git.example/good");
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let work = move |url: &str, _: Timestamp, _: &(dyn Fn() + Sync)| {
        log.lock().unwrap().push(url.to_owned());
        assert!(url != bad, "a pass that cannot be");
        passed()
    };
    let mut engine = engine(folder.path(), &[bad, good], Arc::new(work));
    while seen.lock().unwrap().iter().filter(|url| *url == good).count() < 2 {
        let rest = engine.begin();
        if engine.is_busy() {
            engine.ended().await;
        } else {
            let clock = Arc::clone(&engine.shared.clock);
            clock.wait_until(clock.instant() + rest).await;
        }
    }
    let text = engine.shared.metrics.text();
    let series = |series: &str| text.contains(&format!("tagboat_{series}\n"));
    assert!(series(&format!("passes_total{{repository=\"{bad}\",result=\"panicked\"}} 1")), "{text}");
    assert!(series(&format!("passes_total{{repository=\"{good}\",result=\"panicked\"}} 0")), "{text}");
    assert!(series(&format!("consecutive_failures{{repository=\"{bad}\"}} 1")), "{text}");
    assert!(!text.contains(&format!("last_success_timestamp_seconds{{repository=\"{bad}\"}}")), "{text}");
    assert_eq!(engine.shared.unready(), None);
}
