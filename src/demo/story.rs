//! What the demo's repository and registry hold, and the words between the passes.

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::model::change::{Change, FileEdit};
use crate::model::outcome::Outcome;
use crate::report::View;
use crate::report::text;

/// The tags that the registry holds at first.
pub(super) const FIRST_TAGS: [(&str, &str); 4] =
    [("shop/web", "1.3.0"), ("shop/web", "1.4.0"), ("shop/worker", "v7.1"), ("shop/worker", "v7.1-debug")];

/// The tags that appear while the demo runs.
pub(super) const NEW_TAGS: [(&str, &str); 5] = [
    ("shop/web", "1.5.0-rc.1"),
    ("shop/web", "1.5.0"),
    ("shop/web", "2.0.0"),
    ("shop/worker", "v7.2"),
    ("shop/worker", "v7.2-debug"),
];

/// The tags that mend what is taken back.
pub(super) const MENDED: [(&str, &str); 1] = [("shop/web", "1.5.1")];

/// The file that a person edits.
pub(super) const PROD_FILE: &str = "envs/prod/values.yaml";

/// From the story's beginning, Friday at 14:00, to Monday at 09:00; in minutes.
pub(super) const MONDAY: i64 = (2 * 24 + 19) * 60;

/// Returns the Friday, 14:00 in UTC, on which the story begins: the next one from now on.
pub(super) fn start(now: Timestamp) -> Timestamp {
    let mut day = now.to_zoned(TimeZone::UTC).date();
    while day.weekday() != Weekday::Friday {
        let Ok(tomorrow) = day.tomorrow() else { return now };
        day = tomorrow;
    }
    day.at(14, 0, 0, 0).to_zoned(TimeZone::UTC).map_or(now, |begins| begins.timestamp())
}

/// Returns the repository's files: three environments, each kept in another format, as real ones are.
pub(super) fn files(host: &str) -> Vec<(&'static str, String)> {
    let config = format!(
        "version: 1
images:
  - match: {host}/shop/web
    semver: \">=1.4.0 <2.0.0\"
  - match: {host}/shop/*
    semver: minor
    ignore: ['-debug$']
environments:
  - name: dev
    files: [envs/dev/**]
    publish: commit
  - name: staging
    files: [envs/staging/**]
    after: dev
    gates: {{soak: 30m}}
    publish: commit
  - name: prod
    files: [envs/prod/**]
    after: staging
    gates: {{windows: [{{days: mon-thu, hours: \"09:00-16:00\", zone: UTC}}]}}
    publish: commit
"
    );
    let deployment = format!(
        "# The comments, the odd spacing and the quotes below are a person's.
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  template:
    spec:
      containers:
      - name:  web
        image: \"{host}/shop/web:1.4.0\"   # kept by the web team

      - {{name: worker, image: {host}/shop/worker:v7.1}}
"
    );
    let kustomization = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../../base]
images:
    - name: web
      newName: {host}/shop/web
      newTag: 1.4.0
    - name: worker
      newName: {host}/shop/worker
      newTag: 'v7.1'
"
    );
    let values = format!(
        "web:
  replicas: 3
  image:
    registry: {host}
    repository: shop/web
    tag: 1.4.0 # what customers see
worker:
  image: {{repository: {host}/shop/worker, tag: v7.1}}
"
    );
    vec![
        (".tagboat.yaml", config),
        ("envs/dev/shop.yaml", deployment),
        ("envs/staging/kustomization.yaml", kustomization),
        (PROD_FILE, values),
    ]
}

fn heading(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n=== {text}\n")
}

/// Tells what there is.
pub(super) fn opening(host: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "A registry on {host} holds shop/web 1.4.0 and shop/worker v7.1.")?;
    writeln!(out, "A bare Git repository runs them in three environments: dev (a Deployment),")?;
    writeln!(out, "staging (Kustomize) and prod (Helm values). Dev follows the registry by policy;")?;
    writeln!(out, "staging takes what has soaked in dev for 30 minutes; prod takes what staging")?;
    writeln!(out, "runs, Monday to Thursday, 09:00 to 16:00. The clock is the story's own: three")?;
    writeln!(out, "days pass in a moment. All times are in UTC.")?;
    heading("Friday, 14:00: is there anything newer?", out)
}

/// Tells that tags appear.
pub(super) fn tags_appear(out: &mut dyn Write) -> io::Result<()> {
    heading("Friday, 14:00: new tags are pushed, and dev takes them", out)?;
    writeln!(out, "  shop/web     1.5.0-rc.1, 1.5.0, 2.0.0  policy `semver: \">=1.4.0 <2.0.0\"`")?;
    writeln!(out, "  shop/worker  v7.2, v7.2-debug          policy `semver: minor`, -debug ignored\n")
}

/// Tells that the soak is over.
pub(super) fn soaked(out: &mut dyn Write) -> io::Result<()> {
    heading("Friday, 14:30: they have soaked in dev; staging follows, prod has a window", out)
}

/// Tells that the window opens.
pub(super) fn monday(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 09:00: the window opens, and prod follows", out)
}

/// Tells that somebody takes a version back.
pub(super) fn taken_back(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 10:00: customers lose their baskets", out)?;
    writeln!(out, "Somebody writes web 1.4.0 into the values of prod again and pushes, without a")?;
    writeln!(out, "word to Tagboat. The next pass sees a version that a person lowered, and keeps")?;
    writeln!(out, "it out of prod:\n")
}

/// Tells that a mended version appears.
pub(super) fn mended(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 11:00: shop/web 1.5.1 mends it; a newer version is not held", out)
}

/// Tells that the mended version has soaked.
pub(super) fn mended_soaked(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 11:30: it has soaked, and the window is open", out)
}

/// Shows the commits as `git log --patch` does: message and diff.
pub(super) fn commits(outcome: &Outcome, view: &View, out: &mut dyn Write) -> io::Result<()> {
    heading("What Git keeps: a commit for each environment; only the tags' bytes change", out)?;
    for landed in &outcome.commits {
        writeln!(out, "commit {}", landed.commit)?;
        for line in landed.message.trim_end().lines() {
            writeln!(out, "{}", format!("    {line}").trim_end())?;
        }
        writeln!(out)?;
        let of_this = |change: &&Change| change.environment == landed.environment;
        let files: BTreeSet<_> = outcome.changes.iter().filter(of_this).map(|change| &change.file).collect();
        let edits: Vec<FileEdit> = outcome.files.iter().filter(|edit| files.contains(&edit.file)).cloned().collect();
        text::diff(&edits, view, out)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Says where to go from here.
pub(super) fn ending(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nThe registry and the repository are gone again. In a repository of your own:\n")?;
    writeln!(out, "  tagboat plan        what would change, and why; changes nothing")?;
    writeln!(out, "  tagboat init        a first configuration, from what the folder holds")?;
    writeln!(out, "  tagboat status      what runs where, and what the next version waits for")
}
