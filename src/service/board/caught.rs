//! What the program logs while a pass runs, for the pass's own page.
//!
//! Entry points: [`Caught::catch`], for the time of a pass on its thread, and [`layer`], which belongs into the program's log. Catches
//! what the log's level lets through and no request; what other threads log for a pass is in the operator's log alone. Without `-v` the
//! operator's log has what is caught in the one line of its pass.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::service::board::log::{Level, Line};

/// How many lines of one pass are caught.
const MOST_LINES: usize = 50;

thread_local! {
    /// The lines of the pass that runs on this thread, and how many more there were.
    static CATCHING: RefCell<Option<(Vec<Line>, usize)>> = const { RefCell::new(None) };
}

/// The lines of passes that have ended and were not fetched yet, by repository.
#[derive(Debug, Default)]
pub(super) struct Caught(Mutex<HashMap<String, Vec<Line>>>);

/// Catches until it is dropped, which a panic does, too.
#[derive(Debug)]
pub(in crate::service) struct Catching<'a> {
    caught: &'a Caught,
    url: &'a str,
}

impl Caught {
    /// Begins to catch what this thread logs.
    pub(super) fn catch<'a>(&'a self, url: &'a str) -> Catching<'a> {
        CATCHING.set(Some((Vec::new(), 0)));
        Catching { caught: self, url }
    }

    /// Fetches the lines of a repository's last pass.
    pub(super) fn take(&self, url: &str) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(url).unwrap_or_default()
    }
}

impl Drop for Catching<'_> {
    fn drop(&mut self) {
        let Some((mut lines, more)) = CATCHING.take() else { return };
        if more > 0 {
            lines.push(Line::new(Level::Info, &format!("… and {more} more lines")));
        }
        self.caught.0.lock().unwrap_or_else(PoisonError::into_inner).insert(self.url.to_owned(), lines);
    }
}

/// Whether a pass runs on this thread.
pub(in crate::service) fn is_catching() -> bool {
    CATCHING.with_borrow(Option::is_some)
}

/// Returns the layer that sees what is logged.
pub(in crate::service) fn layer<S: Subscriber>() -> impl Layer<S> + Send + Sync {
    Catcher
}

struct Catcher;

impl<S: Subscriber> Layer<S> for Catcher {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            tracing::Level::INFO => Level::Info,
            _ => return,
        };
        CATCHING.with_borrow_mut(|catching| {
            let Some((lines, more)) = catching else { return };
            if lines.len() < MOST_LINES {
                let mut words = Words::default();
                event.record(&mut words);
                lines.push(Line::new(level, &format!("{}{}", words.message, words.fields)));
            } else {
                *more += 1;
            }
        });
    }
}

/// An event as the text form of the log has it.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.add(field, format_args!("{value:?}"));
    }
}

impl Words {
    fn add(&mut self, field: &Field, value: std::fmt::Arguments<'_>) {
        let written = match field.name() {
            "message" => write!(self.message, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
        written.expect("a string takes whatever is written to it");
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn what_a_pass_logs_is_its_own_and_bounded() {
        let subscriber = tracing_subscriber::registry().with(layer());
        let _guard = tracing::subscriber::set_default(subscriber);
        let caught = Caught::default();
        tracing::warn!("before");
        let catching = caught.catch("a");
        tracing::warn!(host = "ghcr.io", tries = 3, "tried\nagain");
        tracing::debug!("a request");
        std::thread::spawn(|| tracing::warn!("elsewhere")).join().unwrap();
        drop(catching);
        tracing::warn!("behind");
        assert_eq!(caught.take("a"), [Line::new(Level::Warning, "tried\nagain host=ghcr.io tries=3")]);
        assert!(caught.take("a").is_empty());
        let failed = std::panic::catch_unwind(|| {
            let _catching = caught.catch("b");
            (0..60).for_each(|number| tracing::info!("line {number}"));
            panic!("a pass that cannot be");
        });
        assert!(failed.is_err());
        let lines = caught.take("b");
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines[MOST_LINES], Line::new(Level::Info, "… and 10 more lines"));
    }
}
