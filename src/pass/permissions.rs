//! What the forge's credential may do: the warning about the token of GitHub Actions, and `check --forge`.
//!
//! Entry points: [`token_warning`] and [`lacking`]. Changes nothing on any forge.

use std::path::Path;

use crate::config::environment::Environment;
use crate::config::service::Service;
use crate::forge::{Forge, ForgeError};
use crate::git::url::RemoteUrl;
use crate::http::connection::Connection;
use crate::model::outcome::{Finding, Severity};
use crate::model::pull_request::Lack;
use crate::pass::clients::Clients;
use crate::pass::propose::Publishing;
use crate::pass::setup::{ForgeChoice, SetupError, publishing, repository, watched};
use crate::pass::{deployments, forges};

/// Returns the one warning about the token: that of GitHub Actions itself starts no workflow.
pub fn token_warning(
    choice: ForgeChoice,
    url: &RemoteUrl,
    service: &Service,
    environment: &Environment,
) -> Option<&'static str> {
    let is_github = match choice {
        ForgeChoice::Auto => forges::told(url, environment) == Some(ForgeChoice::GitHub),
        other => other == ForgeChoice::GitHub,
    };
    let is_named = watched(service, url).is_some_and(|watched| watched.auth.is_some());
    let address = forges::Address {
        repository: url,
        named: None,
        token: None,
        connection: Connection::default(),
        environment,
        clients: &Clients::default(),
    };
    (is_github && !is_named && forges::is_actions_own(&address)).then_some(
        "warning: pull requests that are made with the GITHUB_TOKEN of Actions start no workflows, so their checks never \
         run: give the token of a GitHub App, or a personal one, as TAGBOAT_TOKEN",
    )
}

/// Asks the forge of a checkout's `origin` what the credential lacks; one finding each.
///
/// # Errors
///
/// [`SetupError`] when the folder is no checkout, or what the operator names is of no use.
pub async fn lacking(folder: &Path, service: &Service, environment: &Environment) -> Result<Vec<Finding>, SetupError> {
    let (_, url) = crate::git::checkout::Checkout::discover_origin(folder)?;
    let finding = |severity, rule, message: String, hint: Option<&str>| Finding {
        severity,
        rule,
        message,
        hint: hint.map(str::to_owned),
        file: None,
        away: None,
        position: None,
    };
    let mut findings = Vec::new();
    if let Some(warning) = token_warning(ForgeChoice::Auto, &url, service, environment) {
        let message = warning.trim_start_matches("warning: ").to_owned();
        findings.push(finding(Severity::Warning, "actions-token", message, None));
    }
    match publishing(ForgeChoice::Auto, None, &url, service, environment)? {
        Publishing::Plain => {}
        Publishing::Missing(reason) => findings.push(finding(Severity::Warning, "no-forge", reason, None)),
        Publishing::Forge(forge) => match lacks(&*forge, folder).await {
            Ok(lacks) => findings.extend(lacks.into_iter().map(|lack| {
                let message = format!("the forge's credential lacks `{}`, to {}", lack.permission, lack.needed_to);
                finding(Severity::Error, "missing-permission", message, Some("grant it to the token or the App"))
            })),
            Err(error) => findings.push(finding(Severity::Error, "forge", error.to_string(), None)),
        },
    }
    Ok(findings)
}

/// Lists what the credential lacks for everything that the folder's configuration asks for.
async fn lacks(forge: &dyn Forge, folder: &Path) -> Result<Vec<Lack>, ForgeError> {
    let mut lacks = forge.lacks().await?;
    // What is wrong with the configuration is a finding of its own.
    if repository(folder, None).is_ok_and(|config| deployments::are_wanted(&config)) {
        lacks.extend(forge.lacks_for_deployments().await?);
    }
    Ok(lacks)
}
