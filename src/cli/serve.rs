//! `tagboat serve`: passes of many repositories, for ever.

use crate::cli::Outcome;
use crate::cli::arenas;
use crate::cli::logging::Logging;
use crate::cli::output::Failure;
use crate::cli::session::Session;
use crate::cli::signals::Kept;
use crate::pass::setup::SetupError;
use crate::report::exit::Exit;
use crate::service::{self, ServeError};

/// Serves until a signal ends it, from those on that were kept.
pub(super) fn run(session: &Session, logging: &Logging, kept: &Kept) -> Outcome {
    let common = &session.common;
    let file = match (&common.config, &common.service) {
        (Some(file), None) | (None, Some(file)) => file,
        (Some(_), Some(_)) => {
            let hint = "both name the operator's file here: leave one out".to_owned();
            return Err(Failure::usage("`serve` takes --config or --service, not both", hint));
        }
        (None, None) => {
            let hint = "name the operator's file: `tagboat serve --config service.yaml`".to_owned();
            return Err(Failure::usage("`serve` needs a configuration", hint));
        }
    };
    if common.snapshot.is_some() {
        let hint = "`tagboat plan --snapshot` decides on recorded answers".to_owned();
        return Err(Failure::usage("`serve` asks registries, and takes no --snapshot", hint));
    }
    arenas::keep_few(&session.environment);
    let follow = |log| logging.follow(log);
    service::serve(file, &session.environment, &follow, &|| kept.release()).map_err(|error| match error {
        ServeError::Setup(error @ SetupError::Unreadable { .. }) if !file.exists() => {
            let hint =
                "write one: `version: 1`, and `repositories` with the `url` of each, are all that it needs".to_owned();
            Failure::usage(error.to_string(), hint)
        }
        ServeError::Setup(error) => error.into(),
        other => Failure::Failed(other.into()),
    })?;
    Ok(Exit::Done)
}
