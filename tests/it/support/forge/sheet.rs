//! A description of an interface as `tests/run` brings it: one entry a line, each parsed once, when it is asked for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::Value;

/// The entries by name. What is given out is borrowed: an exchange looks at hundreds of them.
pub(crate) struct Sheet(HashMap<String, Entry>);

struct Entry {
    text: String,
    parsed: OnceLock<Value>,
}

impl Sheet {
    /// Reads the sheet that this machine has, or says that it has none.
    #[expect(clippy::print_stdout, reason = "what is skipped is said where the test's output is read")]
    #[expect(clippy::disallowed_methods, reason = "the folder of descriptions is where `tests/run` puts it")]
    pub(super) fn read(name: &str) -> Option<Self> {
        let named = std::env::var_os("TAGBOAT_OPENAPI").map(PathBuf::from);
        let folder =
            named.clone().unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/../openapi")));
        let Ok(text) = std::fs::read_to_string(folder.join(format!("{name}.txt"))) else {
            assert!(named.is_none(), "TAGBOAT_OPENAPI names a folder without {name}.txt");
            println!("skipped: nothing is compared with the description `{name}`; `tests/run` brings it");
            return None;
        };
        let rows = text.lines().filter_map(|line| line.split_once(' '));
        Some(rows.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let entry = self.0.get(name)?;
        Some(entry.parsed.get_or_init(|| serde_json::from_str(&entry.text).unwrap()))
    }
}

impl FromIterator<(String, String)> for Sheet {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(rows: I) -> Self {
        Self(rows.into_iter().map(|(name, text)| (name, Entry { text, parsed: OnceLock::new() })).collect())
    }
}
