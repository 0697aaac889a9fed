//! `tagboat explain`: for one image, why each tag was or was not chosen.

use std::collections::BTreeSet;

use crate::cli::Outcome;
use crate::cli::arguments::Explain;
use crate::cli::output::{Failure, note, print};
use crate::cli::session::Session;
use crate::model::environment::EnvironmentName;
use crate::model::image::{ImageName, Written};
use crate::model::site::Site;
use crate::pass::{Detail, report};
use crate::report::{exit, json, text};

/// Decides about the one image, and prints every reason.
pub(super) fn run(session: &Session, arguments: &Explain) -> Outcome {
    let image: Written = arguments.image.parse().map_err(|error| Failure::usage(format!("{error}"), None))?;
    explain(session, arguments, image.exactly())
}

fn explain(session: &Session, arguments: &Explain, image: &ImageName) -> Outcome {
    let only = std::slice::from_ref(image);
    let (mut planned, config) =
        session.plan(&arguments.source, arguments.at.at, Detail::EveryTag, only, arguments.forged.named())?;
    let mut explanations = report::explanations(&planned, &config.environments);
    // Those of its group were decided along with it.
    explanations.retain(|explanation| explanation.decision.question.image == *image);
    let found = !explanations.is_empty();
    // `web` and `acme/web` are short for `ghcr.io/acme/web`.
    if !found && let Ok(written) = arguments.image.parse::<Written>() {
        let meant = written.among(planned.observation.sites.iter().filter_map(|site| site.image.as_ref()));
        let meant = meant.map_err(|error| Failure::usage(error.to_string(), None))?;
        if meant != *image {
            note(session, &format!("note: {written} is {meant} here"));
            return explain(session, arguments, &meant);
        }
    }
    if let Some(name) = &arguments.environment {
        let name = EnvironmentName::from(name.as_str());
        if config.environments.named(&name).is_none() {
            let names: Vec<&str> = config.environments.0.iter().map(|other| other.name.as_str()).collect();
            let hint = format!("there are: {}", names.join(", "));
            return Err(Failure::usage(format!("there is no environment `{name}`"), hint));
        }
        explanations.retain(|explanation| explanation.decision.question.environment == name);
    }
    if let (true, Some(row)) = (explanations.is_empty(), planned.observation.absent.first()) {
        let hint = format!("it may stand where this checkout does not reach: {}: {}", row.what, row.reason);
        return Err(Failure::usage(format!("{image} is not followed in what is at hand"), hint));
    }
    if explanations.is_empty() {
        let place = if found { "in that environment" } else { "in any environment" };
        let hint = match alike(image, &planned.observation.sites) {
            Some(names) if !found => format!("did you mean {names}?"),
            _ => "`tagboat scan` lists every reference, and why some are not followed".to_owned(),
        };
        return Err(Failure::usage(format!("{image} is not followed {place}"), hint));
    }
    // What is not at hand may hold the image, too.
    for row in &planned.observation.absent {
        note(session, &format!("note: {}: {}", row.what, row.reason));
    }
    let usage = std::mem::take(&mut planned.usage);
    let outcome = report::outcome(planned, &config);
    for row in outcome.skipped.iter().filter(|row| row.what == image.as_str()) {
        note(session, &format!("note: {}: {}", row.what, row.reason));
    }
    print(|out| {
        if session.wants_json() {
            json::explain(&explanations, &outcome.images, &usage, &outcome.errors, out)
        } else {
            text::explain(&explanations, &outcome.images, &outcome.errors, &session.view(), out)?;
            text::asked(&usage, &session.view(), out)
        }
    })?;
    Ok(exit::of_errors(&outcome.errors))
}

/// Names up to three images of the repository that end as an image does: `redis` is another one in another registry.
fn alike(image: &ImageName, sites: &[Site]) -> Option<String> {
    fn last(name: &ImageName) -> Option<&str> {
        name.as_str().rsplit('/').next()
    }
    let others: BTreeSet<&ImageName> = sites.iter().filter_map(|site| site.image.as_ref()).collect();
    let names = others.into_iter().filter(|other| *other != image && last(other) == last(image)).take(3);
    let names: Vec<&str> = names.map(ImageName::as_str).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}
