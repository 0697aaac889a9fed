//! Log lines on standard error: how many, in which form, and how a service changes both while it runs.
//!
//! Entry point: [`begin`]. Lets lines of this crate through and no others: those could hold what was sent.

use std::io::{self, Write};

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, Layered, SubscriberExt};
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
    // Whoever asks for more wants it when it happens, too.
    let is_verbose = common.verbose > 0 || log.level == Some(Level::Debug);
    let is_json = match common.log_format {
        Some(format) => format == LogFormat::Json,
        None => log.format == Some(Format::Json),
    };
    if is_json {
        Sifted { shown: fmt::layer().json().flatten_event(true).with_writer(io::stderr), is_verbose }.boxed()
    } else {
        let shown = fmt::layer().with_writer(|| OneLine(io::stderr())).with_target(false).with_ansi(color);
        Sifted { shown, is_verbose }.boxed()
    }
}

/// Shows events, but for those that the line of a pass tells at its end.
struct Sifted<L> {
    shown: L,
    is_verbose: bool,
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Sifted<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if self.is_verbose || !service::is_caught() {
            self.shown.on_event(event, context);
        }
    }
}

/// Writes a record, which comes in one piece, as one line: what it quotes may have several.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let (text, end) = record.strip_suffix(b"\n").map_or((record, &b""[..]), |text| (text, b"\n"));
        let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r' | 0x0b | 0x0c);
        if text.iter().any(is_break) {
            let parts: Vec<&[u8]> =
                text.split(is_break).map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()).collect();
            self.0.write_all(&[&parts.join(&b"; "[..]), end].concat())?;
        } else {
            self.0.write_all(record)?;
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
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
    fn a_record_is_one_line_whatever_it_quotes() {
        let written = |record: &str| {
            let mut line = OneLine(Vec::new());
            line.write_all(record.as_bytes()).unwrap();
            String::from_utf8(line.0).unwrap()
        };
        assert_eq!(written("WARN pass reason=a: b\r\n  --> c\n\n"), "WARN pass reason=a: b; --> c\n");
        assert_eq!(written("INFO  pass result=\"done\"\n"), "INFO  pass result=\"done\"\n");
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
