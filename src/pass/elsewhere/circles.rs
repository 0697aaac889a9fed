//! Environments that follow themselves through other repositories, so that nothing ever comes first.
//!
//! Entry point: `circles`. Each configuration by itself is sound, so that only who sees both of them can tell; fetches nothing.

use std::sync::Arc;

use crate::config::repository::Repository;
use crate::git::url::RemoteUrl;
use crate::model::environment::{EnvironmentName, Predecessor};
use crate::model::file::Position;
use crate::model::outcome::{Finding, Severity};
use crate::pass::elsewhere::{CIRCLE, Other, Others, is_circle};

/// An environment on the way back from one: of this repository, or of another one by its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stop {
    repository: Option<Arc<str>>,
    name: EnvironmentName,
}

/// Where another repository names an environment of this one.
struct WayBack {
    repository: Arc<str>,
    /// The environment there that comes after one of this repository.
    there: EnvironmentName,
    /// Its configuration.
    file: String,
    at: Position,
    /// The one of this repository.
    here: EnvironmentName,
}

/// Finds environments that follow themselves: through the URL of their own repository, or through another one whose environments come after
/// some of this one. `own` is this repository's URL, where it has one.
pub(in crate::pass) fn circles(config: &Repository, others: &Others, own: Option<&RemoteUrl>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for environment in &config.environments.0 {
        for before in &environment.after {
            let Predecessor::Elsewhere { repository, environment: there, name, at } = before else { continue };
            let Some(Ok(other)) = others.get(repository) else { continue };
            let (message, hint) = if is_circle(&other.config, repository, there) {
                let hint = "an environment of this repository is named by its name alone";
                (format!("{name} comes after itself: {CIRCLE}"), hint)
            } else {
                let first = Stop { repository: Some(Arc::clone(repository)), name: there.clone() };
                let Some(back) = way_back(config, others, own, (&environment.name, first)) else { continue };
                let WayBack { repository, there, file, at: Position { line, column }, here } = back;
                let message = format!(
                    "{} comes after itself, so that nothing ever comes first: it comes after {name}, and in {repository} \
                     {there} comes after {here} of this repository ({file}:{line}:{column} there)",
                    environment.name
                );
                (message, "take one of the two out of `after`")
            };
            findings.push(Finding {
                severity: Severity::Error,
                rule: "circle",
                message,
                hint: Some(hint.to_owned()),
                file: Some(config.file.clone()),
                away: None,
                position: Some(*at),
            });
        }
    }
    findings
}

/// Walks back from an environment of another repository to one of this one; `None` where it is not met.
fn way_back(
    config: &Repository,
    others: &Others,
    own: Option<&RemoteUrl>,
    (wanted, first): (&EnvironmentName, Stop),
) -> Option<WayBack> {
    let known = |url: &Arc<str>| -> Option<&Other> { others.get(url)?.as_ref().ok() };
    let is_own = |url: &str| own.zip(url.parse::<RemoteUrl>().ok()).is_some_and(|(own, url)| is_one(own, &url));
    // Each with the way by which this repository was entered last.
    let mut waiting: Vec<(Stop, Option<usize>)> = vec![(first, None)];
    let mut entered: Vec<WayBack> = Vec::new();
    let mut seen: Vec<Stop> = Vec::new();
    while let Some((stop, way)) = waiting.pop() {
        if stop.repository.is_none() && stop.name == *wanted {
            return way.map(|way| entered.swap_remove(way));
        }
        if seen.contains(&stop) {
            continue;
        }
        let of = match &stop.repository {
            None => Some(config),
            Some(url) => known(url).map(|other| &other.config),
        };
        let after = of.and_then(|of| Some((of, &of.environments.named(&stop.name)?.after)));
        for (of, before) in after.into_iter().flat_map(|(of, after)| after.iter().map(move |before| (of, before))) {
            let (next, way) = match (before, &stop.repository) {
                (Predecessor::Here(name), _) => (Stop { repository: stop.repository.clone(), name: name.clone() }, way),
                (Predecessor::Elsewhere { repository, environment: here, at, .. }, Some(there))
                    if is_own(repository) =>
                {
                    entered.push(WayBack {
                        repository: Arc::clone(there),
                        there: stop.name.clone(),
                        file: of.file.clone(),
                        at: *at,
                        here: here.clone(),
                    });
                    (Stop { repository: None, name: here.clone() }, Some(entered.len() - 1))
                }
                (Predecessor::Elsewhere { repository, environment, .. }, _) => {
                    (Stop { repository: Some(Arc::clone(repository)), name: environment.clone() }, way)
                }
            };
            waiting.push((next, way));
        }
        seen.push(stop);
    }
    None
}

/// Whether two URLs lead to one repository, whichever way it is reached.
fn is_one(one: &RemoteUrl, other: &RemoteUrl) -> bool {
    let is_same_place = || one.host().is_some() && one.host() == other.host() && one.path() == other.path();
    one.to_string() == other.to_string() || is_same_place()
}
