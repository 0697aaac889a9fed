//! What the forge's credential may do: the warning about the token of GitHub Actions, and `check --forge`.
//!
//! Entry points: [`TokenOfActions`], [`demands`] and [`lacking`]. Changes nothing on any forge.

use std::path::Path;

use crate::cache::Cache;
use crate::config::environment::Environment;
use crate::config::repository::Repository;
use crate::config::service::{RepositoryAuth, Service};
use crate::decide::questions::{Followed, follow};
use crate::git::checkout::Checkout;
use crate::git::url::RemoteUrl;
use crate::manifest;
use crate::model::environment::Publish;
use crate::model::gate::{GateName, GateSpec};
use crate::model::outcome::{Finding, Outcome, Severity};
use crate::model::proposal::Action;
use crate::model::pull_request::{Certainty, Demands, Lack};
use crate::observe::files::Files;
use crate::observe::scan::scan;
use crate::pass::PassError;
use crate::pass::forges::{self, OfActions};
use crate::pass::propose::Publishing;
use crate::pass::setup::{ForgeChoice, SetupError, named_token, publishing, settled, watched};

/// What is said of the token of Actions.
const WARNING: &str = "warning: pull requests that are made with the GITHUB_TOKEN of Actions start no workflows, so their checks \
                       never run: give the token of a GitHub App, or a personal one, as TAGBOAT_TOKEN";

/// What is said where only a push can tell.
const TOLD_BY_PUSHING: &str = "on plain Git, whether the remote may be pushed to is told when something is pushed";

/// Whose name is that token's.
const ACTIONS: &str = "github-actions[bot]";

/// Below which folder GitHub's workflows are.
const WORKFLOWS: &str = ".github/workflows/";

/// Whether a repository's forge is asked by the token that GitHub Actions gives to its jobs, which starts no workflow.
#[derive(Debug, Clone, Copy)]
pub struct TokenOfActions(OfActions);

impl TokenOfActions {
    /// Looks at the token by which a repository's forge is asked.
    pub fn of(choice: ForgeChoice, url: &RemoteUrl, service: &Service, environment: &Environment) -> Self {
        let is_app = || {
            let auth = watched(service, url).and_then(|watched| watched.auth.as_ref());
            matches!(auth, Some(RepositoryAuth::GithubApp { .. }))
        };
        if settled(choice, url, service, environment) != ForgeChoice::GitHub || is_app() {
            return Self(OfActions::No);
        }
        // That one cannot be read is told where it is needed.
        let named = named_token(url, service, environment).ok().flatten();
        Self(forges::of_actions(named, environment))
    }

    /// Returns the warning where it is known to be that token.
    pub fn warning(self) -> Option<&'static str> {
        (self.0 == OfActions::Surely).then_some(WARNING)
    }

    /// Returns the warning; asks the forge where it alone can tell, which is one question.
    pub async fn asked_warning(self, publishing: &Publishing) -> Option<&'static str> {
        let is_it = match (self.0, publishing) {
            (OfActions::Surely, _) => true,
            (OfActions::Perhaps, Publishing::Forge(forge)) => {
                matches!(forge.asks_as().await, Ok(Some(name)) if name == ACTIONS)
            }
            _ => false,
        };
        is_it.then_some(WARNING)
    }

    /// Returns the warning where something was done about a pull request.
    pub async fn warning_after(self, publishing: &Publishing, outcome: &Outcome) -> Option<&'static str> {
        let is_done = |action| matches!(action, Action::Opened | Action::Updated);
        match outcome.proposals.iter().any(|proposal| is_done(proposal.action)) {
            true => self.asked_warning(publishing).await,
            false => None,
        }
    }
}

/// Tells what a folder's configuration asks of the forge's credential.
///
/// # Errors
///
/// [`PassError::Files`] when the files could not be listed.
pub fn demands(
    folder: &Path,
    config: &Repository,
    files: &dyn Files,
    cache: &Cache,
    limits: &manifest::Limits,
) -> Result<Demands, PassError> {
    let base = Checkout::discover(folder).ok().map(|checkout| checkout.branch);
    let mut demands = Demands::default();
    for environment in &config.environments.0 {
        let branch = environment.branch.clone().or_else(|| base.clone());
        match environment.publish {
            Publish::Commit => demands.pushed.extend(branch),
            Publish::AutoMerge => demands.merged.extend(branch),
            Publish::PullRequest => {}
        }
        demands.opens |= environment.publish != Publish::Commit;
        let waits = |gate: &GateSpec| gate.name() == GateName::Checks;
        demands.checks |= environment.publish == Publish::AutoMerge || environment.gates.iter().any(waits);
        demands.checks |= environment.on_failure.is_some();
        demands.deployments |= environment.deployments;
        demands.teams.extend(environment.reviewers.iter().filter(|name| name.contains('/')).cloned());
    }
    let scanned = scan(files, &config.formats, limits, cache).map_err(PassError::Files)?;
    demands.workflows = scanned.sites.iter().any(|site| {
        site.file.as_str().starts_with(WORKFLOWS)
            && matches!(follow(site, &config.rules, &config.environments), Followed::Yes { .. })
    });
    Ok(demands)
}

/// Asks the forge of a checkout's `origin` what the credential lacks; one finding each. `forge` is what the command line says of the
/// forge and of its URL.
///
/// # Errors
///
/// [`SetupError`] when the folder is no checkout, or what the operator names is of no use.
pub async fn lacking(
    folder: &Path,
    (choice, named): (ForgeChoice, Option<&str>),
    demands: &Demands,
    service: &Service,
    environment: &Environment,
) -> Result<Vec<Finding>, SetupError> {
    let (_, url) = Checkout::discover_origin(folder)?;
    let publishing = publishing(choice, named, &url, service, environment)?;
    let mut findings = Vec::new();
    let token = TokenOfActions::of(choice, &url, service, environment);
    if let Some(warning) = token.asked_warning(&publishing).await {
        let message = warning.trim_start_matches("warning: ").to_owned();
        findings.push(finding(Severity::Warning, "actions-token", message, None));
    }
    match publishing {
        Publishing::Missing(reason) => {
            // Where pull requests are to be opened, `run` fails by that.
            let severity = if demands.opens { Severity::Error } else { Severity::Warning };
            findings.push(finding(severity, "no-forge", reason, None));
        }
        Publishing::Forge(forge) if !forge.has_pull_requests() => {
            findings.push(finding(Severity::Note, "untold-permission", TOLD_BY_PUSHING.to_owned(), None));
        }
        Publishing::Forge(forge) => match forge.lacks(demands).await {
            Ok(lacks) => findings.extend(lacks.iter().map(of_lack)),
            Err(error) => findings.push(finding(Severity::Error, "forge", error.to_string(), None)),
        },
    }
    Ok(findings)
}

fn of_lack(lack: &Lack) -> Finding {
    let Lack { permission, needed_to, certainty, instead } = lack;
    match certainty {
        Certainty::Missing => {
            let message = format!("the forge's credential lacks `{permission}`, to {needed_to}");
            let hint = instead.unwrap_or("grant it to the token or the App");
            finding(Severity::Error, "missing-permission", message, Some(hint))
        }
        Certainty::Untold => {
            let message = format!("whether the forge's credential has `{permission}`, to {needed_to}, cannot be told");
            finding(Severity::Note, "untold-permission", message, Some("see what it was made with"))
        }
    }
}

fn finding(severity: Severity, rule: &'static str, message: String, hint: Option<&str>) -> Finding {
    Finding { severity, rule, message, hint: hint.map(str::to_owned), file: None, away: None, position: None }
}
