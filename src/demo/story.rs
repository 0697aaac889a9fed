//! What the demo's repository and registry hold, and the words between the passes.

use std::collections::BTreeSet;
use std::io::{self, Write};

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

/// One commit for each environment.
pub(super) const EXPECTED_COMMITS: usize = 3;

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
    publish: commit
  - name: prod
    files: [envs/prod/**]
    after: staging
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
    writeln!(out, "A bare Git repository runs them in three environments: dev (a Deployment),")?;
    writeln!(out, "staging (Kustomize) and prod (Helm values). Dev follows the registry by policy;")?;
    writeln!(out, "staging takes what dev runs, and prod what staging runs.")?;
    heading("First pass: is there anything newer?", out)
}

/// Tells that tags appear.
pub(super) fn a_tag_appears(out: &mut dyn Write) -> io::Result<()> {
    heading("New tags are pushed", out)?;
    writeln!(out, "  shop/web     1.5.0-rc.1, 1.5.0, 2.0.0  policy `semver: \">=1.4.0 <2.0.0\"`")?;
    writeln!(out, "  shop/worker  v7.2, v7.2-debug          policy `semver: minor`, -debug ignored")?;
    heading("Second pass", out)
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

/// Announces the last pass.
pub(super) fn again(out: &mut dyn Write) -> io::Result<()> {
    heading("Third pass: nothing moves twice", out)
}

/// Says where to go from here.
pub(super) fn ending(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\nThe registry and the repository are gone again. In a repository of your own:\n")?;
    writeln!(out, "  tagboat plan        what would change, and why; changes nothing")
}
