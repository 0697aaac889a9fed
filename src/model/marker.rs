//! The hidden line in the body of a pull request, by which Tagboat knows its own again.
//!
//! Entry points: [`write()`] and [`read`], which are inverse. Says nothing about whether a marker is to be believed.

use serde_json::{Value, json};

use crate::model::brought::Brought;
use crate::model::commit::CommitId;
use crate::model::environment::BranchName;
use crate::model::image::shorten;
use crate::model::pull_request::{Armed, Marker, Queued, Was};

/// How the hidden line begins; never written by anything else, since `<` is escaped.
const START: &str = "<!-- tagboat: ";
/// How it ends.
const END: &str = " -->";
/// The most bytes that what is brought may take: some sixty images with their digests. Of larger groups the trailers of the
/// commits tell.
const MOST_BROUGHT: usize = 7_000;
/// The same of what was brought before, which counts only while a pull request is being turned into something else.
pub const MOST_BROUGHT_BEFORE: usize = 400;
/// The same of the names of base branches: Git bounds each part of one to 255.
pub const MOST_BASE: usize = 300;

/// Writes a marker as the hidden line of a body.
pub fn write(marker: &Marker) -> String {
    let mut json = json!({
        "key": marker.key,
        "environment": marker.environment.as_str(),
        "group": marker.group,
        "withdrawn": marker.withdrawn,
    });
    if marker.unfinished {
        json["unfinished"] = true.into();
    }
    if marker.left {
        json["left"] = true.into();
    }
    let mut room = MOST_BASE;
    for (name, branch) in [("base", &marker.base), ("home", &marker.home)] {
        let branch = branch.as_ref().map(|branch| Value::from(branch.as_str()));
        if let Some(branch) = branch.filter(|branch| escaped(branch).len() <= room) {
            room -= escaped(&branch).len();
            json[name] = branch;
        }
    }
    match marker.armed {
        Armed::No => {}
        Armed::Perhaps => json["armed"] = "perhaps".into(),
        Armed::Yes => json["armed"] = "yes".into(),
    }
    if let Some(queued) = &marker.queued {
        json["queued"] = json!({"commit": queued.commit.as_str(), "base": queued.base.as_str()});
        if let Some(left) = &queued.left {
            json["queued"]["left"] = shorten(left).into();
        }
    }
    for (name, text) in [("said", &marker.said), ("what", &marker.what), ("instead", &marker.instead)] {
        if let Some(text) = text {
            json[name] = shorten(text).into();
        }
    }
    if let Some(to) = brought(&marker.brought, MOST_BROUGHT) {
        json["to"] = to;
    }
    if let Some(was) = &marker.was {
        json["was"] = json!({"key": was.key, "commit": was.commit.as_str()});
        if let Some(to) = brought(&was.brought, MOST_BROUGHT_BEFORE) {
            json["was"]["to"] = to;
        }
    }
    format!("{START}{}{END}", escaped(&json))
}

/// `--` ends a comment in HTML: no text of ours holds it unescaped.
fn escaped(json: &Value) -> String {
    json.to_string().replace("--", "\\u002d\\u002d").replace('<', "\\u003c").replace('>', "\\u003e")
}

/// Writes what is brought, where there is room for it.
fn brought(brought: &Brought, most: usize) -> Option<Value> {
    let mut written = serde_json::Map::new();
    for (image, version) in brought.pairs() {
        let versions = written.entry(image).or_insert_with(|| json!(""));
        let before = versions.as_str().unwrap_or_default();
        *versions = if before.is_empty() { version.into() } else { format!("{before} {version}").into() };
    }
    let written = Value::Object(written);
    (!brought.is_empty() && escaped(&written).len() <= most).then_some(written)
}

fn read_brought(json: &Value) -> Brought {
    let images = json.as_object().into_iter().flatten();
    let versions = images.filter_map(|(image, versions)| Some((image, versions.as_str()?)));
    versions
        .flat_map(|(image, versions)| versions.split(' ').map(|version| (image.clone(), version.to_owned())))
        .collect()
}

/// Replaces the last marker of a body; a body without one stays as it is.
pub fn replace(body: &str, marker: &Marker) -> String {
    let is_marker = |line: &str| line.trim().strip_prefix(START).is_some_and(|rest| rest.ends_with(END));
    let Some(last) = body.lines().rev().find(|line| is_marker(line)) else { return body.to_owned() };
    // The last line of its text: earlier ones may hold the same.
    let (before, after) = body.rsplit_once(last).unwrap_or((body, ""));
    format!("{before}{}{after}", write(marker))
}

/// Reads the last marker of a body.
pub fn read(body: &str) -> Option<Marker> {
    let line = body.lines().rev().find_map(|line| line.trim().strip_prefix(START)?.strip_suffix(END))?;
    let json: Value = serde_json::from_str(line).ok()?;
    Some(Marker {
        key: json["key"].as_str()?.to_owned(),
        environment: json["environment"].as_str()?.into(),
        group: json["group"].as_str()?.to_owned(),
        withdrawn: json["withdrawn"].as_bool()?,
        unfinished: json["unfinished"].as_bool().unwrap_or(false),
        left: json["left"].as_bool().unwrap_or(false),
        base: json["base"].as_str().map(BranchName::from),
        home: json["home"].as_str().map(BranchName::from),
        armed: match json["armed"].as_str() {
            None => Armed::No,
            Some("yes") => Armed::Yes,
            Some(_) => Armed::Perhaps,
        },
        queued: read_queued(&json["queued"]),
        said: json["said"].as_str().map(shorten),
        what: json["what"].as_str().map(shorten),
        instead: json["instead"].as_str().map(shorten),
        brought: read_brought(&json["to"]),
        was: read_was(&json["was"]),
    })
}

fn read_queued(json: &Value) -> Option<Queued> {
    let commit = |name: &str| Some(CommitId(json[name].as_str()?.into()));
    Some(Queued { commit: commit("commit")?, base: commit("base")?, left: json["left"].as_str().map(shorten) })
}

fn read_was(json: &Value) -> Option<Was> {
    let (key, commit) = (json["key"].as_str()?.to_owned(), CommitId(json["commit"].as_str()?.into()));
    Some(Was { key, commit, brought: read_brought(&json["to"]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Brought {
        pairs.iter().map(|(image, version)| ((*image).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn a_marker_is_read_back_and_cannot_be_broken_out_of() {
        for group in ["web", "a--b", "--> <script>", "\"}", "x\\u002d"] {
            let (key, environment, group) = ("k".to_owned(), "prod".into(), group.to_owned());
            let (what, instead) = (Some("web 1--5 -->".to_owned()), Some("<b>".to_owned()));
            let written = Marker {
                key,
                environment,
                group,
                withdrawn: true,
                unfinished: true,
                left: true,
                base: Some(BranchName::from("release--1")),
                home: Some(BranchName::from("main--1")),
                said: Some("--a".to_owned()),
                armed: Armed::Perhaps,
                queued: Some(Queued {
                    commit: CommitId("c--d".into()),
                    base: CommitId("e".into()),
                    left: Some("-->".to_owned()),
                }),
                what,
                instead,
                brought: pairs(&[("acme/web--x", "1.5.0@sha256:aa"), ("acme/web--x", "1.5.0-a"), ("b", "2-->")]),
                was: Some(Was {
                    key: "a--b".to_owned(),
                    commit: CommitId("c--d".into()),
                    brought: pairs(&[("b", "1--2")]),
                }),
            };
            let line = write(&written);
            assert_eq!(line.matches("-->").count(), 1, "{line}");
            let body = format!("text\n{line}\n");
            assert_eq!(read(&body), Some(written.clone()));
            let other =
                Marker { withdrawn: false, unfinished: false, left: false, armed: Armed::No, queued: None, ..written };
            // Forges turn line ends about, and people write before and after.
            for body in [body.clone(), body.replace('\n', "\r\n"), format!("{line}\n{body}more")] {
                let replaced = replace(&body, &other);
                assert_eq!((read(&replaced), replaced.len() < body.len()), (Some(other.clone()), true));
            }
        }
        for broken in ["", "<!-- tagboat: {} -->", "<!-- tagboat: nonsense -->", "<!-- tagboat: {\"key\":1} -->"] {
            assert_eq!(read(broken), None);
        }
    }
}
