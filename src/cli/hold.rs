//! `tagboat hold` and `tagboat release`: a person's word on a version, on record in Git.

use crate::cli::Outcome;
use crate::cli::arguments::{Hold, Place, Release};
use crate::cli::output::{Failure, print};
use crate::cli::session::Session;
use crate::clock::{Clock, SystemClock};
use crate::model;
use crate::model::image::{ImageName, Tag, shorten};
use crate::pass::hold::{self, HoldError, Order};
use crate::pass::setup::{self, Opened};
use crate::report::exit::Exit;
use crate::report::{json, text};

/// Holds a version.
pub(super) fn hold(session: &Session, arguments: &Hold) -> Outcome {
    let (image, Some(tag)) = version(&arguments.version)? else {
        let hint = format!("write it as {}:TAG", arguments.version);
        return Err(Failure::usage(format!("`{}` names no tag", shorten(&arguments.version)), hint));
    };
    let reason = arguments.reason.trim();
    if reason.chars().any(char::is_control) {
        let hint = "put what does not fit into the message of a commit, or into a ticket that it names".to_owned();
        return Err(Failure::usage("a reason is one line, without control characters".to_owned(), hint));
    }
    let hold = model::hold::Hold {
        environment: arguments.environment.as_deref().map(Into::into),
        image,
        tag,
        until: arguments.until,
        by: session.environment.person(),
        reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
    };
    follow(session, &arguments.place, &Order::Hold(hold))
}

/// Releases versions.
pub(super) fn release(session: &Session, arguments: &Release) -> Outcome {
    let (image, tag) = version(&arguments.version)?;
    let environment = arguments.environment.as_deref().map(Into::into);
    follow(session, &arguments.place, &Order::Release { image, tag, environment, by: session.environment.person() })
}

fn follow(session: &Session, place: &Place, order: &Order) -> Outcome {
    let service = session.service()?;
    let Opened { remote, branch, .. } = setup::remote(&place.target(), &service, &session.environment)?;
    let config = session.common.config.as_deref().map(setup::repository_file).transpose()?;
    let followed = hold::follow(&remote, &branch, config.as_ref(), order, SystemClock.now());
    let outcome = followed.map_err(|error| match error {
        HoldError::Pass(error) => Failure::from(error),
        refused @ (HoldError::NoEnvironment { .. }
        | HoldError::NoImage { .. }
        | HoldError::NotHeld(_)
        | HoldError::Over(_)
        | HoldError::NoReason) => Failure::usage(refused.to_string(), None),
        other => Failure::Failed(anyhow::Error::new(other)),
    })?;
    print(|out| {
        if session.wants_json() { json::outcome(&outcome, out) } else { text::holds(&outcome, &session.view(), out) }
    })?;
    Ok(Exit::Done)
}

/// Splits `IMAGE:TAG`; the port of a registry is no tag.
pub(super) fn version(written: &str) -> Result<(ImageName, Option<Tag>), Failure> {
    let wrong = |what: &str| {
        let message = format!("`{}` is no {what}", shorten(written));
        Failure::usage(message, "write IMAGE:TAG, as in ghcr.io/acme/web:1.5.0".to_owned())
    };
    let (name, tag) = match written.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (written, None),
    };
    let image = name.parse().map_err(|_error| wrong("image"))?;
    let tag = tag.map(str::parse).transpose().map_err(|_error| wrong("version of an image"))?;
    Ok((image, tag))
}
