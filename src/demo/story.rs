//! What the demo's repository and registry hold, and the words between the passes.

use std::collections::BTreeSet;
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

use crate::config::holds::HOLDS_FILE;
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

/// The tag that fails.
pub(super) const BROKEN: [(&str, &str); 1] = [("shop/web", "1.6.0")];

/// The tag that mends it.
pub(super) const MENDED: [(&str, &str); 1] = [("shop/web", "1.6.1")];

/// What the reconciler reports of staging.
pub(super) const CHECK: &str = "deploy/staging";

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
    onFailure: {{checks: [{CHECK}], within: 1h}}
  - name: prod
    files: [envs/prod/**]
    after: staging
    gates:
      checks: [{CHECK}]
      windows: [{{days: mon-thu, hours: \"09:00-16:00\", zone: UTC}}]
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
        ("envs/prod/values.yaml", values),
    ]
}

fn heading(text: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n=== {text}\n")
}

/// Tells what there is.
pub(super) fn opening(host: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "A registry on {host} holds shop/web 1.4.0 and shop/worker v7.1.")?;
    writeln!(out, "A bare Git repository runs them in three environments, in this order:\n")?;
    writeln!(out, "  dev      follows the registry by policy               (a Deployment)")?;
    writeln!(out, "  staging  takes what has soaked in dev for 30 minutes  (Kustomize)")?;
    writeln!(out, "           and goes back by itself when `{CHECK}` fails")?;
    writeln!(out, "  prod     takes what staging runs once that has passed (Helm values)")?;
    writeln!(out, "           Monday to Thursday, 09:00 to 16:00\n")?;
    writeln!(out, "`{CHECK}` is what a reconciler, such as Argo CD or Flux, reports of the")?;
    writeln!(out, "commit that it deployed; here one is pretended, and so is the clock: three days")?;
    writeln!(out, "pass in a moment. All else is real. Times are in UTC.")?;
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
    heading("Friday, 14:30: they have soaked in dev, and staging follows", out)?;
    writeln!(out, "Prod waits for two things: the check, and a window that opens on Monday.\n")
}

/// Tells that the window opens.
pub(super) fn monday(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 09:00: the check passed on Friday, the window opens, prod follows", out)
}

/// Tells that another version appears.
pub(super) fn another(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 10:00: shop/web 1.6.0 is pushed, and dev takes it", out)
}

/// Tells that it has soaked.
pub(super) fn another_soaked(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 10:30: it has soaked, and staging follows", out)
}

/// Tells that it fails.
pub(super) fn fails(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 10:35: it fails in staging, which goes back by itself", out)?;
    writeln!(out, "`{CHECK}` reports a failure of the commit that brought web 1.6.0. Nobody")?;
    writeln!(out, "is called: the next pass brings back what ran before.\n")
}

/// Tells that it stays away.
pub(super) fn held(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 11:00: the version that failed stays out of staging and of prod", out)?;
    writeln!(out, "Dev still runs 1.6.0, and its soak is long over. The hold keeps it there:\n")
}

/// Tells that a mended version appears.
pub(super) fn mended(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 12:00: shop/web 1.6.1 mends it; a newer version is not held", out)
}

/// Tells that the mended version has soaked.
pub(super) fn mended_soaked(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 12:30: it has soaked, and prod waits for the check alone", out)
}

/// Tells that the mended version has passed.
pub(super) fn mended_arrives(out: &mut dyn Write) -> io::Result<()> {
    heading("Monday, 12:32: the check has passed, and the window is open", out)
}

/// Shows the commits as `git log --patch` does: message and diff.
pub(super) fn commits(outcome: &Outcome, view: &View, out: &mut dyn Write) -> io::Result<()> {
    heading("What Git keeps of that: one commit, with the reason and the hold", out)?;
    for landed in &outcome.commits {
        writeln!(out, "commit {}", landed.commit)?;
        for line in landed.message.trim_end().lines() {
            writeln!(out, "{}", format!("    {line}").trim_end())?;
        }
        writeln!(out)?;
        let of_this = |change: &&Change| change.environment == landed.environment;
        let files: BTreeSet<_> = outcome.changes.iter().filter(of_this).map(|change| change.file.as_str()).collect();
        let is_of_it = |edit: &&FileEdit| files.contains(edit.file.as_str()) || edit.file.as_str() == HOLDS_FILE;
        let edits: Vec<FileEdit> = outcome.files.iter().filter(is_of_it).cloned().collect();
        text::diff(&edits, view, out)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Says where to go from here.
pub(super) fn ending(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nWhat a person takes back, by hand or by `git revert`, is held in the same way.")?;
    writeln!(out, "The registry and the repository are gone again. In a repository of your own:\n")?;
    writeln!(out, "  tagboat plan        what would change, and why; changes nothing")?;
    writeln!(out, "  tagboat init        a first configuration, from what the folder holds")?;
    writeln!(out, "  tagboat status      what runs where, and what the next version waits for")
}
