//! Log lines on standard error: how many, in which form, and how a service changes both while it runs.
//!
//! Entry point: [`begin`]. Lets lines of this crate through and no others: those could hold what was sent.

use std::io;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, Layered, SubscriberExt};
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use crate::cli::arguments::{Common, LogFormat};
use crate::config::service::log::{Format, Level, Log};
use crate::service;

type Filtered = Layered<reload::Layer<Targets, Registry>, Registry>;

type Writer = Box<dyn Layer<Filtered> + Send + Sync>;

/// The log of this process.
pub(super) struct Logging {
    common: Common,
    is_service: bool,
    color: bool,
    filter: Handle<Targets, Registry>,
    writer: Handle<Writer, Filtered>,
}

/// Sends log lines to standard error: warnings, with `-v` what is done, with `-vv` every request. A service also tells
/// without `-v` what it does: a line for each pass.
pub(super) fn begin(common: &Common, is_service: bool, color: bool) -> Logging {
    let log = Log::default();
    let (targets, filter) = reload::Layer::new(targets(common, is_service, log));
    let (shown, writer) = reload::Layer::new(writer(common, color, log));
    let initialised = tracing_subscriber::registry().with(targets).with(shown).with(service::caught()).try_init();
    debug_assert!(initialised.is_ok(), "logging is set up once");
    Logging { common: common.clone(), is_service, color, filter, writer }
}

impl Logging {
    /// Goes on as the operator's file says, where the command line says nothing.
    pub(super) fn follow(&self, log: Log) {
        let changed = self.filter.reload(targets(&self.common, self.is_service, log));
        let changed = changed.and_then(|()| self.writer.reload(writer(&self.common, self.color, log)));
        if let Err(error) = changed {
            tracing::error!(%error, "the log stays as it is");
        }
    }
}

fn targets(common: &Common, is_service: bool, log: Log) -> Targets {
    let level = match (common.quiet, common.verbose, log.level) {
        (true, _, _) => LevelFilter::ERROR,
        // A line for each pass, as without; what happens within one is told by `-v`, and on the board's pages.
        (false, 0, None | Some(Level::Info)) if is_service => {
            let others = Targets::new().with_target("tagboat", LevelFilter::WARN);
            let others = others.with_target("tagboat::queue", LevelFilter::INFO);
            return others.with_target("tagboat::service", LevelFilter::INFO);
        }
        (false, 0, None) | (false, 0, Some(Level::Warn)) => LevelFilter::WARN,
        (false, 0, Some(Level::Error)) => LevelFilter::ERROR,
        (false, 1, _) | (false, 0, Some(Level::Info)) => LevelFilter::INFO,
        (false, 2.., _) | (false, 0, Some(Level::Debug)) => LevelFilter::DEBUG,
    };
    Targets::new().with_target("tagboat", level)
}

fn writer(common: &Common, color: bool, log: Log) -> Writer {
    let is_json = match common.log_format {
        Some(format) => format == LogFormat::Json,
        None => log.format == Some(Format::Json),
    };
    if is_json {
        fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
    } else {
        fmt::layer().with_writer(io::stderr).with_target(false).with_ansi(color).boxed()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use tracing::Level as Weight;

    use super::*;

    #[derive(Parser)]
    struct Called {
        #[command(flatten)]
        common: Common,
    }

    #[test]
    fn a_service_tells_a_line_for_each_pass_at_info_as_without_a_level() {
        let common = Called::parse_from(["tagboat"]).common;
        for level in [None, Some(Level::Info)] {
            let targets = targets(&common, true, Log { level, ..Log::default() });
            assert!(targets.would_enable("tagboat::service::engine", &Weight::INFO));
            assert!(!targets.would_enable("tagboat::observe::scan", &Weight::INFO), "{level:?}");
            assert!(targets.would_enable("tagboat::observe::scan", &Weight::WARN));
        }
        let verbose = Called::parse_from(["tagboat", "-v"]).common;
        assert!(targets(&verbose, true, Log::default()).would_enable("tagboat::observe::scan", &Weight::INFO));
    }
}
