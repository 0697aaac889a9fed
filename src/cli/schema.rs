//! `tagboat schema`: the JSON schema of a configuration file.

use std::io::Write;

use crate::cli::Outcome;
use crate::cli::arguments::SchemaOf;
use crate::config::schema::{Which, schema};
use crate::report::exit::Exit;

/// Prints the schema.
pub(super) fn run(which: SchemaOf) -> Outcome {
    let schema = schema(match which {
        SchemaOf::Repository => Which::Repository,
        SchemaOf::Service => Which::Service,
        SchemaOf::Holds => Which::Holds,
    });
    std::io::stdout().lock().write_all(schema.as_bytes())?;
    Ok(Exit::Done)
}
