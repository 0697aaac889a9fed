//! How `serve` logs: `log:` of `service.yaml`, which may be changed while it runs.

use serde_json::{Value as Json, json};

use crate::config::object::object;
use crate::config::reader::Scalar;
use crate::config::scalars::word;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What failed.
    Error,
    /// What was passed over, too.
    Warn,
    /// What is done, too.
    Info,
    /// Every request, too.
    Debug,
}

impl Scalar for Level {
    const WHAT: &'static str = "`error`, `warn`, `info` or `debug`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("error", Self::Error), ("warn", Self::Warn), ("info", Self::Info), ("debug", Self::Debug)])
    }

    fn schema() -> Json {
        json!({"enum": ["error", "warn", "info", "debug"]})
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line of text each.
    Text,
    /// A JSON object each.
    Json,
}

impl Scalar for Format {
    const WHAT: &'static str = "`text` or `json`";

    fn parse(text: &str) -> Result<Self, String> {
        word(text, &[("text", Self::Text), ("json", Self::Json)])
    }

    fn schema() -> Json {
        json!({"enum": ["text", "json"]})
    }
}

/// How it logs; `None` where the command line decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Log {
    /// How much.
    pub level: Option<Level>,
    /// In which form.
    pub format: Option<Format>,
}

object! {
    /// How `serve` logs. Options of the command line (`-v`, `-q`, `--log-format`) win where they are given.
    RawLog, "`log`";
    /// How much: `error`, `warn`, `info` or `debug`, which is every request. Default: what the service does, and warnings of
    /// everything else.
    "level" optional level: Level,
    /// In which form: `text` or `json`. Default: `text`.
    "format" optional format: Format,
}

impl RawLog {
    /// Returns the plain type.
    pub(super) fn plain(self) -> Log {
        Log { level: self.level.value(), format: self.format.value() }
    }
}
