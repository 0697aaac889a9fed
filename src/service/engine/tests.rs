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
    engine_with(folder, "", urls, work)
}

fn engine_with(folder: &Path, further: &str, urls: &[&str], work: Work) -> Engine {
    let file = folder.join("service.yaml");
    let rows: String = urls.iter().map(|url| format!("  - {{url: \"{url}\", schedule: every 1s}}\n")).collect();
    let rows = if urls.is_empty() { "  - {url: \"https://git.example/none\"}\n".to_owned() } else { rows };
    std::fs::write(&file, format!("version: 1\n{further}repositories:\n{rows}")).unwrap();
    let metrics = Metrics::new();
    let clock: Arc<dyn crate::clock::Clock> = Arc::new(SystemClock);
    let live = Live::read(&file, &Environment::default(), &clock, metrics.witness()).1.unwrap();
    Engine::new(Arc::new(Shared::new(live, clock, metrics, Joined::alone())), work)
}

#[tokio::test]
async fn it_is_not_ready_before_its_cache_was_open_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache.db");
    std::fs::create_dir(&cache).unwrap();
    let engine = engine_with(folder.path(), "cache: cache.db\n", &[], Arc::new(|_, _, _, _| passed()));
    engine.shared.had_a_pass.store(true, Ordering::Relaxed);
    let reason = engine.shared.unready().await.unwrap();
    assert!(reason.contains("the cache is not open"), "{reason}");
    std::fs::remove_dir(&cache).unwrap();
    assert_eq!(engine.shared.unready().await, None);
    // What is lost later is no reason to send webhooks away.
    std::fs::remove_file(&cache).unwrap();
    std::fs::create_dir(&cache).unwrap();
    assert_eq!(engine.shared.unready().await, None);
}

#[tokio::test]
async fn a_panic_is_the_failure_of_its_own_pass() {
    let folder = tempfile::tempdir().unwrap();
    let (bad, good) = ("https://git.example/bad", "https://git.example/good");
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    let work = move |url: &str, _: Impulse, _: Timestamp, _: &(dyn Fn() + Sync)| {
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
    assert_eq!(engine.shared.unready().await, None);
}
