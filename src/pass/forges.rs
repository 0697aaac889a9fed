//! From a repository's URL to its forge: which one it is, where its API lies, and which token it gets.
//!
//! Entry points: [`told`], [`github`], [`gitlab`], [`gitea`] and [`plain`]; [`can_sign`] where commits are to be signed. Asks nobody: everything is read off URLs and variables.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::runtime::{Handle, RuntimeFlavor};
use url::Url;

use crate::clock::SystemClock;
use crate::config::environment::Environment;
use crate::forge::Desk;
use crate::forge::gitea::Gitea;
use crate::forge::github::identity::{App, Identity};
use crate::forge::github::vault::Vault;
use crate::forge::github::{GitHub, PUBLIC_API};
use crate::forge::gitlab::{GitLab, GitLabToken};
use crate::forge::plain::Plain;
use crate::git::Remote;
use crate::git::url::{Reach, RemoteUrl};
use crate::http::connection::Connection;
use crate::http::target::is_loopback;
use crate::model::commit::Sign;
use crate::model::image::shorten;
use crate::pass::clients::{Clients, Print};
use crate::pass::propose::Publishing;
use crate::pass::setup::{ForgeChoice, SetupError};
use crate::publish::making;

/// Whether commits can be signed in some way here; else what is missing, and what to do.
///
/// # Errors
///
/// The words for people; where nobody knows the forge that is to sign, why not.
pub(super) fn can_sign(publishing: &Publishing, remote: &dyn Remote, way: Option<Sign>) -> Result<(), String> {
    match publishing {
        Publishing::Missing(reason) if way == Some(Sign::Forge) => Err(reason.clone()),
        _ => making::can_sign(remote, publishing.forge(), way),
    }
}

/// Where a forge is, and who asks.
pub(super) struct Address<'a> {
    /// The repository.
    pub(super) repository: &'a RemoteUrl,
    /// What `--forge-url` says.
    pub(super) named: Option<&'a str>,
    /// The token for this repository: that of the operator's file, else a variable's.
    pub(super) token: Option<SecretString>,
    /// How the forge is connected to.
    pub(super) connection: Connection,
    /// The variables of this process.
    pub(super) environment: &'a Environment,
    /// The clients that were made before.
    pub(super) clients: &'a Clients,
}

/// A GitHub App as the operator names it.
pub(super) struct NamedApp {
    /// Its number.
    pub(super) id: u64,
    /// Its private key.
    pub(super) key: SecretString,
    /// Its installation, where that is named.
    pub(super) installation: Option<u64>,
}

impl NamedApp {
    fn identity(&self, kept: Option<Arc<dyn Vault>>) -> Result<Identity, SetupError> {
        let app = App::new(self.id, &self.key, self.installation).map(|app| app.kept_in(kept));
        app.map(|app| Identity::App(Box::new(app)))
            .map_err(|error| SetupError::App(format!("its private key: {error}")))
    }

    /// Returns what tells that it is another one than before.
    fn print(&self) -> Print {
        let id = format!("{} {:?}", self.id, self.installation);
        Print::of(&["app", &id, self.key.expose_secret()])
    }
}

/// Tells a forge by the repository's host, or by the variables of the CI that runs on it.
pub(super) fn told(repository: &RemoteUrl, environment: &Environment) -> Option<ForgeChoice> {
    let host = host_name(repository)?;
    let is_here = |url: Option<Url>| url.is_some_and(|url| url.host_str() == Some(&*host));
    let begins = |name: &str| host.split('.').next() == Some(name);
    if host == "github.com" || residency(&host).is_some() || begins("github") || is_here(ci_github(environment)) {
        return Some(ForgeChoice::GitHub);
    }
    if host == "gitlab.com" || begins("gitlab") || is_here(ci_gitlab(environment)) {
        return Some(ForgeChoice::GitLab);
    }
    let is_gitea = matches!(&*host, "codeberg.org" | "gitea.com") || begins("gitea") || begins("forgejo");
    (is_gitea || is_here(ci_gitea(environment))).then_some(ForgeChoice::Gitea)
}

/// Returns the pull requests of a repository on GitHub; as an App where the operator names one.
///
/// # Errors
///
/// [`SetupError::ForgeUrl`] when the address is none.
pub(super) fn github(address: &Address<'_>, app: Option<&NamedApp>) -> Result<Publishing, SetupError> {
    let forge = match (app, address.token.clone()) {
        (Some(app), _) => of_app(address, app)?,
        (None, Some(token)) => {
            let print = Print::of(&["token", token.expose_secret()]);
            client(address, &print, &print, || Ok(Identity::Token(token)))?
        }
        (None, None) => {
            let reason = "GitHub opens pull requests for nobody without a token: set TAGBOAT_TOKEN, or GITHUB_TOKEN (in a job, \
                          that is for the job's own server alone), or name a GitHub App in the service configuration";
            return Ok(Publishing::Missing(reason.to_owned()));
        }
    };
    Ok(match forge {
        Some(forge) => Publishing::Forge(Arc::new(forge)),
        None => nowhere("github"),
    })
}

/// Returns a token of an App's installation, which is good for Git, too. Blocks until GitHub has given it.
///
/// # Errors
///
/// [`SetupError::App`] when it gives none.
pub(super) fn installation_token(address: &Address<'_>, app: &NamedApp) -> Result<SecretString, SetupError> {
    let failed = |reason: String| SetupError::App(reason);
    let Some(forge) = of_app(address, app)? else {
        return Err(failed("it opens no folder: name the repository's URL".to_owned()));
    };
    // On a thread of its own: whoever calls may be in the middle of asynchronous work. Where that goes on meanwhile, its
    // connections are used again.
    let current = Handle::try_current().ok().filter(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
    let asked = std::thread::spawn(move || {
        if let Some(current) = current {
            return current.block_on(forge.token()).map_err(|error| error.to_string());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(forge.token()).map_err(|error| error.to_string())
    });
    match asked.join() {
        Ok(token) => token.map_err(failed),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Lets the token go that is held of an App's installation; tells whether there can be another.
///
/// # Errors
///
/// [`SetupError`] when the App, or where it is asked, is of no use.
pub(super) async fn let_go(address: &Address<'_>, app: &NamedApp) -> Result<bool, SetupError> {
    match of_app(address, app)? {
        Some(forge) => Ok(forge.let_go().await),
        None => Ok(false),
    }
}

fn of_app(address: &Address<'_>, app: &NamedApp) -> Result<Option<GitHub>, SetupError> {
    // All that it may do counts together, wherever it is installed.
    let user = Print::of(&["app", &app.id.to_string()]);
    client(address, &app.print(), &user, || app.identity(address.clients.kept()))
}

/// Returns the client of a repository on GitHub: the one that was made before, if it asks as the same.
fn client(
    address: &Address<'_>,
    print: &Print,
    user: &Print,
    identity: impl FnOnce() -> Result<Identity, SetupError>,
) -> Result<Option<GitHub>, SetupError> {
    let is_public = |host: Option<&str>| matches!(host, Some("github.com" | "api.github.com" | "ssh.github.com"));
    let host = match address.named {
        Some(named) => named_url(named)?.host_str().map(str::to_owned),
        None => host_name(address.repository),
    };
    let place = if is_public(host.as_deref()) {
        Place { base: named_url(PUBLIC_API)?, path: address.repository.path() }
    } else if let Some(api) = host.as_deref().and_then(residency) {
        Place { base: named_url(&api)?, path: address.repository.path() }
    } else {
        match place(address, ci_github(address.environment), "api/v3")? {
            Some(place) => place,
            None => return Ok(None),
        }
    };
    // The last two parts, whatever stands before them.
    let mut parts = place.path.rsplit('/');
    let (Some(name), Some(owner)) = (parts.next(), parts.next()) else {
        return Err(SetupError::ForgeUrl("the repository's URL does not end in owner/name, as GitHub's do"));
    };
    let made = || {
        let desk = desk(address, &place, (print, user));
        Ok(GitHub::new(place.base.clone(), owner, name, identity()?, Arc::new(SystemClock)).at(desk))
    };
    address
        .clients
        .github()
        .client((&place.base, &place.path), print, made)
        .map(|forge| Some(forge.for_pass(address.clients.ends(), address.clients.turn().clone())))
}

/// What the tokens of people and OAuth apps begin with on GitHub: none of them is a job's.
const TOKENS_OF_PEOPLE: [&str; 4] = ["ghp_", "github_pat_", "gho_", "ghu_"];

/// Whether a token is the one that GitHub Actions gives to its jobs, by which nothing starts any workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OfActions {
    /// It is.
    Surely,
    /// It may be, or it is one of an App's installation, which begins alike: GitHub tells.
    Perhaps,
    /// It is not.
    No,
}

/// Tells whether the token by which GitHub is asked is that of Actions itself; `named` is the one of the operator's file.
pub(super) fn of_actions(named: Option<SecretString>, environment: &Environment) -> OfActions {
    let variable = |name: &str| environment.secret(name).ok();
    let own = variable("GITHUB_TOKEN");
    let token = named.or_else(|| variable("TAGBOAT_TOKEN")).or_else(|| own.clone());
    let (Some(token), true) = (token, environment.is_github_actions()) else { return OfActions::No };
    let token = token.expose_secret();
    // The token of a job and those of installations begin so, and no other.
    let is_installation = token.starts_with("ghs_");
    if TOKENS_OF_PEOPLE.iter().any(|begin| token.starts_with(begin)) {
        return OfActions::No;
    }
    match own {
        // An App's token is handed on under that name, too, where there is no other.
        Some(own) if own.expose_secret() == token && is_installation && variable("TAGBOAT_TOKEN").is_none() => {
            OfActions::Perhaps
        }
        Some(own) if own.expose_secret() == token => OfActions::Surely,
        None if is_installation => OfActions::Perhaps,
        _ => OfActions::No,
    }
}

/// Returns the merge requests of a GitLab project.
///
/// # Errors
///
/// [`SetupError::ForgeUrl`] when the address is none.
pub(super) fn gitlab(address: &Address<'_>) -> Result<Publishing, SetupError> {
    let Some(place) = place(address, ci_gitlab(address.environment), "api/v4")? else { return Ok(nowhere("gitlab")) };
    let token = address.token.clone().map(GitLabToken::Access);
    let token = match token {
        // Many hand the job's own token on under another name.
        Some(GitLabToken::Access(token)) if is_job_token(&token, address.environment) => Some(GitLabToken::Job(token)),
        Some(token) => Some(token),
        None => job_token(address.repository, address.environment).map(GitLabToken::Job),
    };
    let print = match &token {
        None => Print::of(&["nobody"]),
        Some(GitLabToken::Access(token)) => Print::of(&["token", token.expose_secret()]),
        Some(GitLabToken::Job(token)) => Print::of(&["job", token.expose_secret()]),
    };
    let made = || {
        let desk = desk(address, &place, (&print, &print));
        Ok(GitLab::new(place.base.clone(), &place.path, token.as_ref(), Arc::new(SystemClock)).at(desk))
    };
    let forge = address.clients.gitlab().client((&place.base, &place.path), &print, made)?;
    Ok(Publishing::Forge(Arc::new(forge.for_pass(address.clients.ends(), address.clients.turn().clone()))))
}

/// Returns the token of the job of GitLab CI in which this runs, for a repository of the very same GitLab: nobody else is to see it.
pub(super) fn job_token(repository: &RemoteUrl, environment: &Environment) -> Option<SecretString> {
    let (host, ci) = (host_name(repository)?, ci_gitlab(environment)?);
    environment.secret("CI_JOB_TOKEN").ok().filter(|_| ci.host_str() == Some(&*host))
}

/// Whether a token is that of the job of GitLab CI in which this runs.
pub(super) fn is_job_token(token: &SecretString, environment: &Environment) -> bool {
    environment.secret("CI_JOB_TOKEN").is_ok_and(|job| job.expose_secret() == token.expose_secret())
}

/// Returns the pull requests of a repository on Gitea or Forgejo.
///
/// # Errors
///
/// [`SetupError::ForgeUrl`] when the address is none.
pub(super) fn gitea(address: &Address<'_>) -> Result<Publishing, SetupError> {
    let Some(place) = place(address, ci_gitea(address.environment), "api/v1")? else { return Ok(nowhere("gitea")) };
    // Over HTTP more than two parts tell of a path that the API lies below, too; over SSH they tell where the server keeps it.
    let mut parts: Vec<&str> = place.path.rsplitn(3, '/').collect();
    parts.truncate(if address.repository.reach() == Reach::Ssh { 2 } else { 3 });
    let [name, owner] = parts.as_slice() else {
        let path = shorten(&place.path);
        return Ok(Publishing::Missing(format!(
            "`{path}` is no owner/name on Gitea: where it lies below a path of its host, `--forge-url` says which"
        )));
    };
    let token = address.token.clone();
    let print = match &token {
        None => Print::of(&["nobody"]),
        Some(token) => Print::of(&["token", token.expose_secret()]),
    };
    let made = || {
        let desk = desk(address, &place, (&print, &print));
        Ok(Gitea::new(place.base.clone(), owner, name, token.as_ref(), Arc::new(SystemClock)).at(desk))
    };
    let forge = address.clients.gitea().client((&place.base, &place.path), &print, made)?;
    Ok(Publishing::Forge(Arc::new(forge.for_pass(address.clients.ends(), address.clients.turn().clone()))))
}

/// Returns what stands for a forge where a repository is on none.
pub(super) fn plain(repository: &RemoteUrl) -> Plain {
    Plain::at(repository.host().unwrap_or_default().to_owned(), repository.path())
}

fn nowhere(forge: &str) -> Publishing {
    Publishing::Missing(format!(
        "the repository is a folder, of which no forge knows: name its URL, or leave `--forge {forge}` out"
    ))
}

/// Returns the API of a company whose data GitHub keeps in a region of its choice: `https://api.SUBDOMAIN.ghe.com` beside
/// `SUBDOMAIN.ghe.com` (GitHub's documentation, "Network details for GHE.com").
fn residency(host: &str) -> Option<String> {
    let company = host.strip_suffix(".ghe.com")?;
    let company = company.strip_prefix("api.").unwrap_or(company);
    (!company.is_empty() && !company.contains('.')).then(|| format!("https://api.{company}.ghe.com/"))
}

/// Returns what whoever asks with a credential has in common with others, and with those who ask with it in other processes.
fn desk(address: &Address<'_>, place: &Place, (print, user): (&Print, &Print)) -> Desk {
    let desk = address.clients.desk(&place.base, user, &address.connection, address.environment);
    Desk { asker: Some(print.asker((&place.base, &place.path))), ..desk }
}

/// An API's base, and the repository's path on it.
struct Place {
    base: Url,
    path: String,
}

/// Finds the API: where it is named, else where CI says for this host, else on the repository's host.
fn place(address: &Address<'_>, ci: Option<Url>, api: &str) -> Result<Option<Place>, SetupError> {
    let Some(host) = host_name(address.repository) else { return Ok(None) };
    let ci = ci.filter(|url| url.host_str() == Some(&*host));
    let mut base = match (address.named, ci) {
        (Some(named), _) => named_url(named)?,
        (None, Some(ci)) => ci,
        (None, None) => {
            let written = match address.repository.reach() {
                Reach::Http => address.repository.to_string(),
                Reach::Ssh | Reach::Local => format!("https://{host}"),
            };
            let mut url = named_url(&written)?;
            url.set_path("/");
            url
        }
    };
    let below = base.path().trim_matches('/');
    let below = below.strip_suffix(api).unwrap_or(below).trim_matches('/').to_owned();
    let path = address.repository.path();
    // A forge below a path of its host has that path in the URLs for HTTP alone.
    let path = match path.strip_prefix(&format!("{below}/")) {
        Some(rest) if address.repository.reach() == Reach::Http && !below.is_empty() => rest.to_owned(),
        _ => path,
    };
    base.set_path(&if below.is_empty() { api.to_owned() } else { format!("{below}/{api}") });
    Ok(Some(Place { base, path }))
}

/// Parses a forge's URL: HTTPS, or HTTP on this machine, without anything secret in it.
fn named_url(text: &str) -> Result<Url, SetupError> {
    let fault = |reason| SetupError::ForgeUrl(reason);
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let mut url = url.ok_or_else(|| fault("it is no URL of the form https://host"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("it holds a user or password: tokens come by environment variables"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(fault("plain http would send the token in clear text: write https://"));
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// Returns the host without its port, in lower case.
pub(super) fn host_name(repository: &RemoteUrl) -> Option<String> {
    let host = repository.host()?;
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    Some(name.to_ascii_lowercase())
}

/// GitHub's own CI names the server and its API; the runners of Gitea and Forgejo set the same variables.
fn ci_github(environment: &Environment) -> Option<Url> {
    let server = environment.variable("GITHUB_SERVER_URL").and_then(|url| named_url(url.to_str()?).ok())?;
    let api = environment.github_api_url().and_then(|url| named_url(url).ok())?;
    let is_enterprise = server.host_str() == api.host_str() && !is_gitea_job(environment);
    is_enterprise.then_some(api)
}

fn ci_gitlab(environment: &Environment) -> Option<Url> {
    environment.gitlab_api_url().and_then(|url| named_url(url).ok())
}

/// The runners of Gitea and Forgejo set GitHub's variables, and one of their own.
fn ci_gitea(environment: &Environment) -> Option<Url> {
    environment.github_api_url().filter(|_| is_gitea_job(environment)).and_then(|url| named_url(url).ok())
}

/// Whether this is a job of Gitea's or Forgejo's own CI, wherever that may be.
pub(super) fn is_gitea_job(environment: &Environment) -> bool {
    ["GITEA_ACTIONS", "FORGEJO_ACTIONS"]
        .iter()
        .any(|name| environment.variable(name).is_some_and(|value| value == "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(repository: &str, named: Option<&str>, variables: &[(&str, &str)], api: &str) -> Option<(String, String)> {
        let repository: RemoteUrl = repository.parse().unwrap();
        let environment = Environment::of(variables.iter().copied());
        let ci = if api == "api/v4" { ci_gitlab(&environment) } else { ci_gitea(&environment) };
        let address = Address {
            repository: &repository,
            named,
            token: None,
            connection: Connection::default(),
            environment: &environment,
            clients: &Clients::default(),
        };
        let place = place(&address, ci, api).unwrap()?;
        Some((place.base.to_string(), place.path))
    }

    #[test]
    fn a_company_with_data_residency_has_an_api_of_its_own() {
        for host in ["acme.ghe.com", "api.acme.ghe.com"] {
            assert_eq!(residency(host).as_deref(), Some("https://api.acme.ghe.com/"));
        }
        for host in ["ghe.com", "api.ghe.com.acme.example", "a.b.ghe.com", "acme-ghe.com", ".ghe.com"] {
            assert_eq!(residency(host), None, "{host}");
        }
    }

    #[test]
    fn the_api_lies_on_the_host_of_the_repository_or_where_it_is_named() {
        let v4 = "api/v4";
        let ci = [("CI_API_V4_URL", "https://git.acme.example/lab/api/v4")];
        for (repository, named, variables, base, path) in [
            ("https://gitlab.com/acme/web/gitops.git", None, &[][..], "https://gitlab.com/api/v4", "acme/web/gitops"),
            ("git@gitlab.com:acme/gitops.git", None, &[], "https://gitlab.com/api/v4", "acme/gitops"),
            (
                "ssh://git@git.acme.example:2222/acme/gitops.git",
                None,
                &[],
                "https://git.acme.example/api/v4",
                "acme/gitops",
            ),
            (
                "https://git.acme.example:8443/acme/gitops",
                None,
                &[],
                "https://git.acme.example:8443/api/v4",
                "acme/gitops",
            ),
            (
                "https://git.acme.example/lab/acme/gitops.git",
                Some("https://git.acme.example/lab/"),
                &[],
                "https://git.acme.example/lab/api/v4",
                "acme/gitops",
            ),
            (
                "git@git.acme.example:lab/gitops.git",
                Some("https://git.acme.example/lab/api/v4"),
                &[],
                "https://git.acme.example/lab/api/v4",
                "lab/gitops",
            ),
            ("https://git.acme.example/lab/a/b.git", None, &ci, "https://git.acme.example/lab/api/v4", "a/b"),
            // CI's own forge is another one: it gets neither the question nor the token.
            ("https://gitlab.com/a/b.git", None, &ci, "https://gitlab.com/api/v4", "a/b"),
        ] {
            let expected = Some((base.to_owned(), path.to_owned()));
            assert_eq!(found(repository, named, variables, v4), expected, "{repository}");
        }
        assert_eq!(found("/srv/gitops.git", None, &[], v4), None);
    }

    #[test]
    fn the_token_of_actions_itself_is_known() {
        let is_own = |variables: &[(&str, &str)], named: Option<&str>| {
            of_actions(named.map(SecretString::from), &Environment::of(variables.iter().copied()))
        };
        let actions = ("GITHUB_ACTIONS", "true");
        assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", "t")], None), OfActions::Surely);
        assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", "t"), ("TAGBOAT_TOKEN", "t")], None), OfActions::Surely);
        assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", "t")], Some("t")), OfActions::Surely);
        assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", "ghs_t"), ("TAGBOAT_TOKEN", "ghs_u")], None), OfActions::No);
        assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", "t")], Some("mine")), OfActions::No);
        assert_eq!(is_own(&[("GITHUB_TOKEN", "t")], None), OfActions::No);
        for mine in ["ghp_t", "github_pat_t", "gho_t", "ghu_t"] {
            assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", mine)], None), OfActions::No);
        }
        assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", "ghs_t")], None), OfActions::Perhaps);
        assert_eq!(is_own(&[actions, ("GITHUB_TOKEN", "ghs_t"), ("TAGBOAT_TOKEN", "ghs_t")], None), OfActions::Surely);
        assert_eq!(is_own(&[actions, ("TAGBOAT_TOKEN", "ghs_t")], None), OfActions::Perhaps);
        assert_eq!(is_own(&[actions, ("TAGBOAT_TOKEN", "ghp_t")], None), OfActions::No);
    }

    #[test]
    fn a_job_s_token_is_for_its_own_gitlab_alone() {
        let ci = [("CI_API_V4_URL", "https://git.acme.example/api/v4"), ("CI_JOB_TOKEN", "j0b")];
        let environment = Environment::of(ci);
        let is_sent = |url: &str| job_token(&url.parse().unwrap(), &environment).is_some();
        assert!(is_sent("https://git.acme.example/a/b.git"));
        assert!(!is_sent("https://gitlab.com/a/b.git") && !is_sent("/srv/gitops.git"));
    }

    #[test]
    fn a_forge_is_told_by_its_host_or_by_its_ci() {
        let found = |url: &str, variables: &[(&str, &str)]| {
            told(&url.parse().unwrap(), &Environment::of(variables.iter().copied()))
        };
        let lab = [("CI_API_V4_URL", "https://git.acme.example/api/v4")];
        let tea = [("GITEA_ACTIONS", "true"), ("GITHUB_API_URL", "https://git.acme.example/api/v1")];
        assert_eq!(found("https://gitlab.com/a/b", &[]), Some(ForgeChoice::GitLab));
        assert_eq!(found("git@codeberg.org:a/b.git", &[]), Some(ForgeChoice::Gitea));
        assert_eq!(found("https://git.acme.example/a/b", &[]), None);
        assert_eq!(found("https://git.acme.example/a/b", &lab), Some(ForgeChoice::GitLab));
        assert_eq!(found("https://git.acme.example/a/b", &tea), Some(ForgeChoice::Gitea));
        assert_eq!(found("https://git.acme.example/a/b", &tea[1..]), None, "that is GitHub's variable");
        assert_eq!(found("https://github.com/a/b", &lab), Some(ForgeChoice::GitHub));
        let hub =
            [("GITHUB_API_URL", "https://git.acme.example/api/v3"), ("GITHUB_SERVER_URL", "https://git.acme.example")];
        assert_eq!(found("https://git.acme.example/a/b", &hub), Some(ForgeChoice::GitHub));
        assert_eq!(found("git@other.example:a/b", &hub), None);
    }

    #[test]
    fn an_address_that_gives_the_token_away_is_refused() {
        for text in ["git.acme.example", "http://git.acme.example", "https://me:pw@git.acme.example", "ssh://git@x/y"] {
            assert!(matches!(named_url(text), Err(SetupError::ForgeUrl(_))), "{text}");
        }
        assert!(named_url("http://127.0.0.1:3000/forge").is_ok());
    }
}
