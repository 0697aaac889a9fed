//! `environments:`: their graph and their parts.
//!
//! Owns the checks of names and of the graph. Which files two environments claim shows only when
//! there are files; that is not decided here.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::fault::{SourceLine, quote};
use crate::config::reader::{Located, Reader, closest};
use crate::config::repository::raw::{RawBefore, RawElsewhere, RawEnvironment, RawOnFailure};
use crate::config::repository::{gates, path_globs};
use crate::config::shapes::ShortOrLong;
use crate::model::checks::CheckName;
use crate::model::environment::{Environment, EnvironmentName, Environments, OnFailure, Predecessor, Publish};
use crate::model::file::Span;
use crate::model::glob::PathGlobs;

/// How many environments there may be.
const MAX_ENVIRONMENTS: usize = 1000;

/// An edge of the graph: the environment, the one it comes after, and where that stands.
struct Edge {
    of: EnvironmentName,
    after: EnvironmentName,
    span: Span,
}

/// Turns `environments:` into the model's environments.
///
/// Beside them stand the lines on which they begin, for faults that show only beside the repository's files.
pub(crate) fn environments(
    raw: Located<Vec<Located<RawEnvironment>>>,
    reader: &mut Reader<'_>,
) -> (Environments, Vec<(EnvironmentName, SourceLine)>) {
    if raw.value.is_empty() && reader.is_clean() {
        let hint = "name one, or remove `environments`: then one environment `default` holds all files".to_owned();
        reader.fault(raw.span.clone(), "no environment is named", Some(hint));
    }
    if raw.value.len() > MAX_ENVIRONMENTS {
        reader.fault(raw.span, format!("there are more than {MAX_ENVIRONMENTS} environments"), None);
        return (Environments::default(), Vec::new());
    }
    let mut edges = Vec::new();
    let mut lines = Vec::new();
    let mut environments: Vec<Environment> = Vec::new();
    for Located { value, .. } in raw.value {
        if let Some(name) = &value.name.given
            && let Some(first) = environments.iter().find(|other| other.name == name.value)
        {
            let message = format!("the environment {} is already on line {}", quote(name.value.as_str()), first.line);
            reader.fault(name.span.clone(), message, None);
        }
        let at = value.at.clone();
        if let Some(environment) = environment(value, reader, &mut edges) {
            lines.push((environment.name.clone(), reader.source_line(&at)));
            environments.push(environment);
        }
    }
    check_graph(&environments, &edges, reader);
    (Environments(environments), lines)
}

fn environment(raw: RawEnvironment, reader: &mut Reader<'_>, edges: &mut Vec<Edge>) -> Option<Environment> {
    let position = reader.position(raw.at.start);
    // Parts are looked at although the name is at fault: each may hold a fault of its own.
    let files = path_globs(raw.files, reader);
    let publish = raw.publish.value().unwrap_or_default();
    let gates = raw.gates.value().map(|gates| gates::gates(gates, publish, reader)).unwrap_or_default();
    let on_failure = raw.on_failure.value().and_then(|raw| on_failure(raw, publish, reader));
    let own = raw.name.value()?;
    let names_after = raw.after.key.clone();
    let listed = raw.after.value().map(|list| list.0);
    if let (Some(key), Some([])) = (names_after, listed.as_deref()) {
        let hint = "name the environment before, or leave `after` out: then versions come from the registry".to_owned();
        reader.fault(key, "`after` names no environment", Some(hint));
    }
    let listed = listed.unwrap_or_default();
    let is_alone = listed.len() == 1;
    let mut after: Vec<Predecessor> = Vec::new();
    let mut after_any = false;
    let mut add = |before: Predecessor, span: Span, reader: &mut Reader<'_>| {
        if after.iter().any(|known| known.name() == before.name()) {
            let message = format!("`after` names {} twice", quote(before.name().as_str()));
            reader.fault(span, message, Some("leave one of them out".to_owned()));
            return;
        }
        after.push(before);
    };
    let mut here = |name: EnvironmentName, span: Span| {
        edges.push(Edge { of: own.clone(), after: name.clone(), span });
        Predecessor::Here(name)
    };
    for item in listed {
        match item.value {
            ShortOrLong::Short(name) => add(here(name, item.span.clone()), item.span, reader),
            ShortOrLong::Long(RawBefore { any, repository, environment, .. }) => {
                match (any.given, repository.value()) {
                    (Some(any), _) => {
                        if !is_alone {
                            let hint = "name all of them in `any`, or all of them beside it".to_owned();
                            reader.fault(any.span, "`any` stands beside other environments", Some(hint));
                            continue;
                        }
                        if let Some(key) = environment.key {
                            reader.fault(key, "`environment` goes with `repository`, which is not there", None);
                        }
                        if any.value.0.is_empty() {
                            let hint = "name the environments of which one is enough".to_owned();
                            reader.fault(any.span.clone(), "`any` names no environment", Some(hint));
                        }
                        after_any = true;
                        for item in any.value.0 {
                            match item.value {
                                ShortOrLong::Short(name) => {
                                    add(here(name, item.span.clone()), item.span, reader);
                                }
                                ShortOrLong::Long(RawElsewhere { repository, environment, .. }) => {
                                    if let (Some(url), Some(there)) = (repository.value(), environment.value()) {
                                        let position = reader.position(item.span.start);
                                        add(Predecessor::elsewhere(&url.0, there, position), item.span, reader);
                                    }
                                }
                            }
                        }
                    }
                    (None, Some(url)) => match environment.value() {
                        Some(there) => {
                            let position = reader.position(item.span.start);
                            add(Predecessor::elsewhere(&url.0, there, position), item.span, reader);
                        }
                        None => {
                            let hint = "write `environment` beside it".to_owned();
                            reader.fault(item.span, "which environment of that repository is not said", Some(hint));
                        }
                    },
                    (None, None) => {}
                }
            }
        }
    }
    let reviewers = raw.reviewers.value().map(|list| list.0).unwrap_or_default();
    Some(Environment {
        name: own,
        // An environment whose files are at fault stays in the graph, so that names are found.
        files: files.unwrap_or_else(|| PathGlobs::parse::<&str>(&[]).expect("no pattern can be at fault")),
        branch: raw.branch.value(),
        after,
        after_any,
        gates,
        publish,
        max_open: raw.max_open.value().map(|most| most.0),
        reviewers: reviewers.into_iter().map(|reviewer| reviewer.value.0).collect(),
        on_failure,
        deployments: raw.deployments.as_ref().copied().unwrap_or_default(),
        line: position.line,
        column: position.column,
    })
}

fn on_failure(raw: RawOnFailure, publish: Publish, reader: &mut Reader<'_>) -> Option<OnFailure> {
    let checks = raw.checks.given?;
    if checks.value.0.is_empty() {
        reader.fault(checks.span, "no check is named", Some("name one, or remove `onFailure`".to_owned()));
    }
    Some(OnFailure {
        checks: checks.value.0.into_iter().map(|check| CheckName::from(&*check.value.0)).collect(),
        within: raw.within.value()?,
        publish: raw.publish.value().unwrap_or(publish),
    })
}

fn check_graph(environments: &[Environment], edges: &[Edge], reader: &mut Reader<'_>) {
    for edge in edges {
        if !environments.iter().any(|environment| environment.name == edge.after) {
            let close = closest(edge.after.as_str(), environments.iter().map(|environment| environment.name.as_str()));
            let hint = close.map(|name| format!("did you mean `{name}`?"));
            reader.fault(edge.span.clone(), format!("no environment is named {}", quote(edge.after.as_str())), hint);
        }
    }
    let mut before: BTreeMap<&EnvironmentName, Vec<&Edge>> = BTreeMap::new();
    for edge in edges {
        before.entry(&edge.of).or_default().push(edge);
    }
    let mut done: BTreeSet<&EnvironmentName> = BTreeSet::new();
    for environment in environments {
        find_circles(&environment.name, &before, &mut done, reader);
    }
}

/// Walks back from an environment, depth first; an edge to an environment on the way closes a circle.
fn find_circles<'e>(
    start: &'e EnvironmentName,
    before: &BTreeMap<&'e EnvironmentName, Vec<&'e Edge>>,
    done: &mut BTreeSet<&'e EnvironmentName>,
    reader: &mut Reader<'_>,
) {
    if !done.insert(start) {
        return;
    }
    // Each environment on the way, and which of its edges comes next.
    let mut way: Vec<(&EnvironmentName, usize)> = vec![(start, 0)];
    while let Some((name, next)) = way.last_mut() {
        let Some(edge) = before.get(*name).and_then(|edges| edges.get(*next)) else {
            way.pop();
            continue;
        };
        *next += 1;
        if let Some(first) = way.iter().position(|(on_way, _)| **on_way == edge.after) {
            let mut names: Vec<&str> = way[first..].iter().map(|(name, _)| name.as_str()).collect();
            names.push(edge.after.as_str());
            let message = format!("environments wait for each other: {}", names.join(" after "));
            reader.fault(edge.span.clone(), message, Some("remove one `after` of the circle".to_owned()));
        } else if done.insert(&edge.after) {
            way.push((&edge.after, 0));
        }
    }
}
