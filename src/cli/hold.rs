//! `tagboat hold` and `tagboat release`: a person's word on a version, on record in Git.

use crate::cli::Outcome;
use crate::cli::arguments::{Forged, Hold, Place, Release};
use crate::cli::output::{Failure, note, print};
use crate::cli::session::Session;
use crate::clock::{Clock, SystemClock};
use crate::model::image::{Tag, Written, shorten};
use crate::pass::hold::{self, HoldError, Holding, Order};
use crate::pass::order::one_line;
use crate::pass::permissions::TokenOfActions;
use crate::pass::setup::{self, Opened};
use crate::report::exit::Exit;
use crate::report::{json, text};

/// Holds a version.
pub(super) fn hold(session: &Session, arguments: &Hold) -> Outcome {
    let (image, Some(tag)) = version(&arguments.version)? else {
        let hint = format!("write it as {}:TAG", arguments.version);
        return Err(Failure::usage(format!("`{}` names no tag", shorten(&arguments.version)), hint));
    };
    let order = Order::Hold {
        environment: arguments.environment.as_deref().map(Into::into),
        image,
        tag,
        until: arguments.until,
        by: setup::person(&arguments.place.target(), &session.environment),
        reason: reason(Some(&arguments.reason))?,
    };
    follow(session, &arguments.place, &arguments.forged, &order)
}

/// Releases versions.
pub(super) fn release(session: &Session, arguments: &Release) -> Outcome {
    let (image, tag) = version(&arguments.version)?;
    let order = Order::Release {
        image,
        tag,
        environment: arguments.environment.as_deref().map(Into::into),
        by: setup::person(&arguments.place.target(), &session.environment),
        reason: reason(arguments.reason.as_deref())?,
    };
    follow(session, &arguments.place, &arguments.forged, &order)
}

/// Takes a reason that fits on the line of an entry or a trailer.
fn reason(given: Option<&str>) -> Result<Option<String>, Failure> {
    let Some(reason) = given.map(str::trim).filter(|reason| !reason.is_empty()) else { return Ok(None) };
    if reason.chars().any(char::is_control) {
        let hint = "put what does not fit into the message of a commit, or into a ticket that it names".to_owned();
        return Err(Failure::usage("a reason is one line, without control characters".to_owned(), hint));
    }
    Ok(Some(one_line(reason)))
}

fn follow(session: &Session, place: &Place, forged: &Forged, order: &Order) -> Outcome {
    let (service, environment) = (session.service()?, &session.environment);
    let opened = setup::remote(&place.target(), forged.named(), &service, environment)?;
    let (choice, named) = forged.named();
    let publishing = opened.publishing((choice, named), &service, environment)?;
    let Opened { remote, branch, url, .. } = opened;
    let given = Holding {
        remote,
        branch: &branch,
        config: session.common.config.as_deref().map(setup::repository_file).transpose()?,
        publishing: publishing.clone(),
        now: SystemClock.now(),
    };
    let runtime = session.runtime()?;
    let followed = runtime.block_on(hold::follow(&given, order));
    let outcome = followed.map_err(|error| match error {
        HoldError::Pass(error) => Failure::from(error),
        refused if refused.is_usage() => Failure::usage(refused.to_string(), None),
        other => Failure::Failed(anyhow::Error::new(other)),
    })?;
    let token = TokenOfActions::of(choice, &url, &service, environment);
    if let Some(warning) = runtime.block_on(token.warning_after(&publishing, &outcome)) {
        note(session, warning);
    }
    print(|out| {
        if session.wants_json() { json::outcome(&outcome, out) } else { text::holds(&outcome, &session.view(), out) }
    })?;
    Ok(Exit::Done)
}

/// Reads `IMAGE:TAG`.
pub(super) fn version(written: &str) -> Result<(Written, Option<Tag>), Failure> {
    let (name, tag) = parts(written)?;
    let image = name.parse().map_err(|_error| wrong(written, "image"))?;
    Ok((image, tag))
}

/// Splits a name from its tag; the port of a registry is no tag.
pub(super) fn parts(written: &str) -> Result<(&str, Option<Tag>), Failure> {
    let (name, tag) = match written.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (written, None),
    };
    let tag = tag.map(str::parse).transpose().map_err(|_error| wrong(written, "version of an image"))?;
    Ok((name, tag))
}

fn wrong(written: &str, what: &str) -> Failure {
    let message = format!("`{}` is no {what}", shorten(written));
    Failure::usage(message, "write IMAGE:TAG, as in ghcr.io/acme/web:1.5.0".to_owned())
}
