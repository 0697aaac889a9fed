//! `tagboat rollback` and `tagboat promote`: what a person orders, on record in Git.

use std::collections::BTreeSet;

use crate::cli::Outcome;
use crate::cli::arguments::{Place, Promote, Publishing, Rollback};
use crate::cli::hold::parts;
use crate::cli::output::{Failure, note};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::clock::{Clock, SystemClock};
use crate::model::gate::GateName;
use crate::model::image::{Tag, shorten};
use crate::pass::order::{Order, OrderError, Ordering, follow, one_line};
use crate::pass::permissions::TokenOfActions;
use crate::pass::setup::{self, Opened};
use crate::report::exit::{self, OnChanges};
use crate::report::text::Occasion;

/// Goes back to a version before.
pub(super) fn rollback(session: &Session, arguments: &Rollback) -> Outcome {
    let to = arguments.to.as_deref().map(|tag| {
        let wrong = |_error| Failure::usage(format!("`{}` is no tag", shorten(tag)), None);
        tag.parse::<Tag>().map_err(wrong)
    });
    let order = Order::Rollback {
        environment: arguments.environment.as_str().into(),
        what: arguments.what.clone(),
        to: to.transpose()?,
    };
    run(session, &order, arguments.reason.as_deref(), &arguments.publishing, &arguments.place)
}

/// Brings a version now.
pub(super) fn promote(session: &Session, arguments: &Promote) -> Outcome {
    let (what, Some(tag)) = parts(&arguments.version)? else {
        let hint = format!("write it as {}:TAG", arguments.version);
        return Err(Failure::usage(format!("`{}` names no tag", shorten(&arguments.version)), hint));
    };
    let mut skipped = BTreeSet::new();
    for name in &arguments.skip {
        let known = GateName::ALL.into_iter().find(|gate| gate.as_str() == name.trim());
        skipped.insert(known.ok_or_else(|| {
            let all: Vec<&str> = GateName::ALL.iter().map(|gate| gate.as_str()).collect();
            Failure::usage(format!("`{}` is no gate", shorten(name)), format!("there are: {}", all.join(", ")))
        })?);
    }
    let (environment, what) = (arguments.to.as_str().into(), what.to_owned());
    let order = Order::Promote { environment, what, tag, at_once: arguments.now, skipped };
    run(session, &order, arguments.reason.as_deref(), &arguments.publishing, &arguments.place)
}

fn run(session: &Session, order: &Order, reason: Option<&str>, publishing: &Publishing, place: &Place) -> Outcome {
    let service = session.service()?;
    let (choice, named) = publishing.forged.named();
    let opened = setup::remote(&place.target(), (choice, named), &service, &session.environment)?;
    let asked = opened.publishing((choice, named), &service, &session.environment)?;
    let Opened { remote, branch, url, .. } = opened;
    let source = setup::source(&service, session.common.snapshot.as_deref(), &session.environment)?;
    let bar = Bar::new(session.common.quiet);
    let given = Ordering {
        remote,
        branch: &branch,
        config: session.common.config.as_deref().map(setup::repository_file).transpose()?,
        neighbours: &setup::neighbours(Some(&url), &service, &session.environment),
        source: &*source,
        sources: &setup::sources(&service, &session.environment),
        cache: session.cache(&service),
        limits: &setup::limits(&service),
        now: SystemClock.now(),
        publishing: asked.clone(),
        publish: publishing.publish.map(Into::into),
        by: setup::person(&place.target(), &session.environment),
        reason: reason.map(one_line).filter(|reason| !reason.is_empty()),
        progress: &|progress| bar.tell(progress),
    };
    let runtime = session.runtime()?;
    let followed = runtime.block_on(follow(&given, order));
    drop(bar);
    let outcome = followed.map_err(|error| match error {
        OrderError::Pass(error) => Failure::from(error),
        OrderError::Usage { message, hint } => Failure::usage(message, hint),
        OrderError::Ambiguous(error) => Failure::usage(error.to_string(), None),
        OrderError::Refused { message, hint } => Failure::Refused { message, hint },
        other => Failure::Failed(anyhow::Error::new(other)),
    })?;
    let token = TokenOfActions::of(choice, &url, &service, &session.environment);
    if let Some(warning) = runtime.block_on(token.warning_after(&asked, &outcome)) {
        note(session, warning);
    }
    session.print_outcome(&outcome, Occasion::Run, &place.folder)?;
    Ok(exit::of_outcome(&outcome, OnChanges::Ignore))
}
