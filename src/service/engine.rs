//! Runs passes, each on a thread that may block, and tells logs and metrics what they came to.
//!
//! What a pass does is handed in as [`Work`]; a panic in it is that pass's failure and nobody else's.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use crate::model::image::shorten;
use crate::model::outcome::Outcome;
use crate::model::proposal::Action;
use crate::model::usage::Usage;
use crate::pass::watched::{Impulse, Passed, WatchedError};
use crate::queue::row::Row;
use crate::queue::{Cause, Event, Lease};
use crate::service::Shared;
use crate::service::board;
use crate::service::board::log::{Level, Line};
use crate::service::board::memory::{PassNote, Seen};
use crate::service::figures::{self, Figures};
use crate::service::metrics::PassResult;
use crate::service::notify::news::News;
use crate::service::timetable::Ended;

/// How many errors, and how many warnings, the line of one pass has.
const MOST_ROWS: usize = 20;

/// How wide faults are told in logs, in columns.
const WIDTH: usize = 120;

/// Runs one pass of a repository at a moment, upon an impulse, and tells when Git has answered it.
pub(super) type Work = Arc<dyn Fn(&str, Impulse, Timestamp, &(dyn Fn() + Sync)) -> Passed + Send + Sync>;

/// A pass that runs.
struct Running {
    lease: Lease,
    began: Timestamp,
    since: Instant,
}

/// What was taken out of a pass where it ran.
#[derive(Default)]
struct Told {
    seen: Option<Seen>,
    news: Option<News>,
    /// When the next one may do something that this one could not.
    earliest: Option<Timestamp>,
}

/// Runs what is due.
pub(super) struct Engine {
    shared: Arc<Shared>,
    work: Work,
    tasks: JoinSet<(Passed, Told)>,
    running: HashMap<Id, Running>,
    /// The warnings of each repository that were told last, so that each is told once.
    told: HashMap<String, Vec<String>>,
}

impl Engine {
    /// Makes one that runs nothing yet.
    pub(super) fn new(shared: Arc<Shared>, work: Work) -> Self {
        Self { shared, work, tasks: JoinSet::new(), running: HashMap::new(), told: HashMap::new() }
    }

    /// Whether a pass runs.
    pub(super) fn is_busy(&self) -> bool {
        !self.running.is_empty()
    }

    /// Returns how many run.
    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    /// Asks for every pass that is due, and begins what the queue gives. Returns how long there is nothing to do if
    /// nothing else happens.
    pub(super) fn begin(&mut self) -> Duration {
        let now = self.shared.clock.now();
        let queue = Arc::clone(&self.shared.queue);
        loop {
            if queue.is_open() {
                self.shared.timetable().due(now).into_iter().for_each(|ask| queue.ask(ask));
            }
            let event = {
                let timetable = self.shared.timetable();
                queue.room(timetable.free(now));
                queue.take(&timetable.leave(now))
            };
            // What is heard may be due at once, or be no longer.
            let Some(event) = event else { break };
            self.hear(event, now);
        }
        let timetable = self.shared.timetable();
        self.shared.metrics.load(self.running.len(), timetable.waiting(now));
        let rest = timetable.wake_at().filter(|_| queue.is_open()).map(|moment| moment.duration_since(now));
        rest.map_or(Duration::MAX, |rest| Duration::try_from(rest).unwrap_or_default())
    }

    fn hear(&mut self, event: Event, now: Timestamp) {
        match event {
            Event::Job(lease) => self.run(lease, now),
            Event::Kept(url, wish) => self.shared.timetable().kept(&url, wish),
            Event::Forgotten => self.shared.timetable().ask_again(),
            Event::Heard(url, row) => {
                self.shared.timetable().learn(&url, &row);
                // What it was told of by a webhook nobody has told here.
                if row.cause != Cause::Schedule.as_str() {
                    self.shared.live().watcher.doubt(&url);
                }
                self.shared.had_a_pass.store(true, Ordering::Relaxed);
                self.shared.metrics.heard(&url, row.failures, row.ended);
                self.shared.board.heard(&url, &row);
            }
            Event::Joined { is_first } => {
                if is_first {
                    self.shared.timetable().start(now);
                }
            }
        }
    }

    /// Runs a pass on a thread of its own.
    fn run(&mut self, lease: Lease, now: Timestamp) {
        let url = lease.repository.clone();
        // What came since it was asked for is in no word of the queue's.
        let is_routine = lease.cause == Cause::Schedule && !self.shared.timetable().has_news(&url, now);
        let impulse = if is_routine { Impulse::Routine } else { Impulse::News };
        if !self.shared.timetable().begin(&url, now) {
            self.shared.queue.give_back(lease);
            return;
        }
        if lease.is_taken_over {
            tracing::warn!(repository = url, "a pass is taken over: whoever began it fell silent");
            self.shared.metrics.taken_over();
        }
        let (work, of_work) = (Arc::clone(&self.work), url.clone());
        let repositories = self.shared.live().watcher.service().repositories.len();
        let shared = Arc::clone(&self.shared);
        let pass = move || {
            let answered = || {
                if shared.timetable().answered(&of_work, shared.clock.now()) {
                    // Others that ask the same host may begin.
                    shared.wake.notify_one();
                }
            };
            let mut passed = work(&of_work, impulse, now, &answered);
            let outcome = passed.result.as_ref().ok().filter(|_| shared.notifier.is_wanted());
            let news = outcome.map(|outcome| News::of(outcome, &of_work, shared.clock.now()));
            // The board takes out how things stand, holds and their ends with it.
            let earliest = passed.result.as_ref().ok().and_then(|one| one.next_move(shared.clock.now()));
            let seen = passed.result.as_mut().ok().and_then(|outcome| Seen::of(outcome, repositories, now));
            (passed, Told { seen, news, earliest })
        };
        let id = self.tasks.spawn_blocking(pass).id();
        self.shared.board.began(&url);
        self.running.insert(id, Running { lease, began: now, since: self.shared.clock.instant() });
    }

    /// Waits for a pass to end, and notes what it came to.
    pub(super) async fn ended(&mut self) {
        let Some(joined) = self.tasks.join_next_with_id().await else { return };
        let (id, passed, Told { seen, news, earliest }) = match joined {
            Ok((id, (passed, told))) => (id, Ok(passed), told),
            Err(error) => (
                error.id(),
                Err(error.try_into_panic().map_or_else(|_| "cut short".to_owned(), |panic| in_words(&*panic))),
                Told::default(),
            ),
        };
        let Some(running) = self.running.remove(&id) else { return };
        news.into_iter().for_each(|news| self.shared.notifier.tell(news));
        self.shared.had_a_pass.store(true, Ordering::Relaxed);
        let row = self.note(&running, &passed, (seen, earliest));
        self.shared.queue.end(running.lease, row);
    }

    /// Notes what a pass came to. Returns how its repository stands, or nothing where it is watched no longer.
    fn note(
        &mut self,
        running: &Running,
        passed: &Result<Passed, String>,
        (seen, earliest): (Option<Seen>, Option<Timestamp>),
    ) -> Option<Row> {
        let Running { lease: Lease { repository: url, cause, .. }, began, since } = running;
        let now = self.shared.clock.now();
        let took = self.shared.clock.instant().saturating_duration_since(*since);
        let mut figures = Figures::default();
        let mut requests = 0;
        let (result, how) = match passed {
            Err(_) => (PassResult::Panicked, Ended::Failed),
            Ok(passed) => {
                requests = all_requests(&passed.usage);
                self.shared.metrics.asked(passed);
                if passed.cache_warning.is_none() {
                    self.shared.had_a_cache.store(true, Ordering::Relaxed);
                }
                match &passed.result {
                    Err(_) => (PassResult::Failed, Ended::Failed),
                    Ok(outcome) => {
                        figures = Figures::of(outcome);
                        let result = if is_partial(outcome) { PassResult::Partial } else { PassResult::Done };
                        let (images, tips) = (figures::images(outcome), outcome.tips.clone());
                        let has_landed = figures.commits > 0 || figures.proposals(Action::Merged) > 0;
                        (result, Ended::Done { earliest, images, follows: passed.follows.clone(), tips, has_landed })
                    }
                }
            }
        };
        let earliest = match &how {
            Ended::Done { earliest, .. } => *earliest,
            Ended::Failed => None,
        };
        let failures = self.shared.timetable().end(url, how, now);
        match failures {
            Some(failures) => {
                self.shared.metrics.ended(url, result, took, failures, now);
                if matches!(result, PassResult::Done | PassResult::Partial) {
                    self.shared.metrics.figures(url, &figures);
                }
            }
            // It was taken out of the configuration meanwhile: its series are gone.
            None => drop(self.told.remove(url)),
        }
        let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (cause, word) = (cause.as_str(), result.as_str());
        let caught = self.shared.board.caught(url);
        let warnings = self.warnings(url, passed, &caught);
        let note = PassNote {
            began: *began,
            milliseconds,
            cause,
            result: word,
            requests,
            figures: figures.clone(),
            log: caught.into_iter().chain(log(passed)).collect(),
            reason: match passed {
                Err(reason) => Some(reason.clone()),
                Ok(Passed { result: Err(error), .. }) => Some(in_full(error)),
                Ok(Passed { result: Ok(_), .. }) => None,
            },
        };
        if let (Some(reason), Some(failures)) = (&note.reason, failures) {
            self.shared.notifier.tell(News::failed(url, now, failures, reason.clone()));
        }
        self.shared.board.ended(url, note, seen, failures.unwrap_or_default());
        let reason = match passed {
            Ok(Passed { result: Ok(outcome), .. }) => errors(outcome),
            // The places of faults stand on the board.
            Ok(Passed { result: Err(error), .. }) => Some(error.to_string()),
            Err(reason) => Some(reason.clone()),
        };
        let (reason, warnings) = (reason.as_deref().map(one_line), warnings.as_deref().map(one_line));
        let next_move = earliest.map(|moment| moment.to_string());
        // One line, whose level is known when the program is built.
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    repository = url,
                    cause,
                    result = word,
                    %began,
                    milliseconds,
                    decisions = figures.all_decisions(),
                    changes = figures.changes,
                    commits = figures.commits,
                    waiting = figures.proposals(Action::Waiting),
                    held = figures.holds,
                    errors = figures.errors,
                    skipped = figures.skipped,
                    requests,
                    failures,
                    next_move,
                    reason,
                    warnings,
                    "pass"
                )
            };
        }
        match result {
            PassResult::Failed | PassResult::Panicked => tell!(error),
            PassResult::Done | PassResult::Partial if reason.is_some() || warnings.is_some() => tell!(warn),
            PassResult::Done | PassResult::Partial => tell!(info),
        }
        let told = self.shared.timetable().told(url).unwrap_or_default();
        let row = |failures| Row {
            began: *began,
            ended: now,
            failures,
            earliest,
            images: told.images,
            follows: told.follows,
            tips: told.tips,
            cause: cause.to_owned(),
            result: word.to_owned(),
            by: self.shared.others.name.clone(),
        };
        failures.map(row)
    }

    /// Returns what a pass warned of: what was caught of it, and what its configuration and the cache say, unless they said the
    /// same before.
    fn warnings(&mut self, url: &str, passed: &Result<Passed, String>, caught: &[Line]) -> Option<String> {
        let mut warnings: Vec<String> = Vec::new();
        for line in caught.iter().filter(|line| line.level != Level::Info) {
            // Each round of a pass may say it once more.
            if warnings.len() < MOST_ROWS && !warnings.contains(&line.text) {
                warnings.push(line.text.clone());
            }
        }
        if let Ok(passed) = passed {
            let lasting = [&passed.inactive, &passed.cache_warning].into_iter().flatten();
            let lasting: Vec<String> =
                lasting.map(|warning| warning.strip_prefix("warning: ").unwrap_or(warning).to_owned()).collect();
            if self.told.get(url) != Some(&lasting) {
                warnings.extend(lasting.iter().cloned());
                self.told.insert(url.to_owned(), lasting);
            }
        }
        (!warnings.is_empty()).then(|| warnings.join("; "))
    }
}

/// Returns what could not be done in a pass, where that is something.
fn errors(outcome: &Outcome) -> Option<String> {
    let mut rows: Vec<String> = outcome.errors.iter().take(MOST_ROWS).map(ToString::to_string).collect();
    if outcome.errors.len() > MOST_ROWS {
        rows.push(format!("and {} more", outcome.errors.len() - MOST_ROWS));
    }
    (!rows.is_empty()).then(|| rows.join("; "))
}

/// Returns a text as a part of one line.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Returns what the board shows as a pass's log.
fn log(passed: &Result<Passed, String>) -> Vec<Line> {
    match passed {
        Err(reason) => vec![Line::new(Level::Error, reason)],
        Ok(passed) => {
            let warnings = [&passed.inactive, &passed.cache_warning].into_iter().flatten();
            let mut lines: Vec<Line> = warnings
                .map(|warning| Line::new(Level::Warning, warning.strip_prefix("warning: ").unwrap_or(warning)))
                .collect();
            match &passed.result {
                Ok(outcome) => lines.extend(board::log::of(outcome, &passed.usage)),
                Err(error) => lines.push(Line::new(Level::Error, &in_full(error))),
            }
            lines
        }
    }
}

/// Whether some targets of a pass failed.
fn is_partial(outcome: &Outcome) -> bool {
    !outcome.errors.is_empty() || outcome.proposals.iter().any(|proposal| proposal.action == Action::Failed)
}

fn all_requests(usage: &Usage) -> u64 {
    usage.0.values().map(crate::model::usage::RegistryUsage::requests).sum()
}

/// Returns why a pass failed, with the places of a configuration's faults.
fn in_full(error: &WatchedError) -> String {
    match error.faults() {
        Some(faults) => faults.render(false, WIDTH).trim_end().to_owned(),
        None => error.to_string(),
    }
}

/// Returns what a panic said.
fn in_words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    shorten(said.unwrap_or("a panic without words"))
}

#[cfg(test)]
mod tests;
