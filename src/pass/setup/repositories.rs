//! Repositories that a pass works on: their remotes, who may push there, and where their pull requests are made.

use crate::cache::Cache;
use crate::config::environment::Environment;
use crate::config::service::words::ForgeWord;
use crate::config::service::{self, RepositoryAuth, SecretPlace, Service};
use crate::forge::turns::{Impulse, Turn};
use crate::git::Remote;
use crate::git::access::Access;
use crate::git::mirror::{Mirror, check_branch};
use crate::git::program::{PASSED_THROUGH, ProgramEnvironment};
use crate::git::signing::{GpgKey, Keys, SshKey};
use crate::git::url::{Reach, RemoteUrl, UrlError};
use crate::model::environment::BranchName;
use crate::model::outcome::Outcome;
use crate::pass::clients::Clients;
use crate::pass::elsewhere::Neighbour;
use crate::pass::forges::{self, NamedApp};
use crate::pass::propose::Publishing;
use crate::pass::run::Mode;
use crate::pass::setup::tokens::Spot;
use crate::pass::setup::{MAX_SECRET, SetupError, pass_end, read};
use crate::pass::transport;
use crate::pass::view::Unseen;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which repository a run works on.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The remote `origin` of a checkout, and its branch unless another is named.
    Checkout {
        /// A folder of the checkout.
        folder: &'a Path,
        /// The branch.
        branch: Option<&'a str>,
    },
    /// A repository by its URL or path.
    Url {
        /// The URL.
        url: &'a str,
        /// The branch.
        branch: Option<&'a str>,
    },
}

/// Which forge a repository is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForgeChoice {
    /// Told by the URL: a local path is plain Git.
    #[default]
    Auto,
    /// None: head branches and fast-forward merges.
    Plain,
    /// GitHub or Enterprise Server.
    GitHub,
    /// GitLab.
    GitLab,
    /// Gitea or Forgejo.
    Gitea,
}

/// A repository to work on.
pub struct Opened {
    /// The repository.
    pub remote: Arc<dyn Remote>,
    /// Its base branch.
    pub branch: BranchName,
    /// Its URL.
    pub url: RemoteUrl,
    pub(super) clients: Clients,
}

impl Opened {
    /// Returns where its pull requests are made, as [`publishing`] does; an App asks there with the token that Git was opened with.
    ///
    /// # Errors
    ///
    /// As [`publishing`].
    pub fn publishing(
        &self,
        (choice, named): (ForgeChoice, Option<&str>),
        service: &Service,
        environment: &Environment,
    ) -> Result<Publishing, SetupError> {
        publishing_by(&self.clients, Regard::Own, (choice, named), &self.url, service, environment)
    }

    /// Returns the same for a pass that follows others in processes of their own: by what these were told, which the cache has, the forge is
    /// asked in turns, unless the impulse says that something has happened. Until [`Opened::leave_turns`] nobody else has it, unless this is
    /// a dry run, which leaves everything as it is.
    #[must_use]
    pub fn in_turns(self, impulse: Impulse, mode: Mode, cache: &Cache) -> Self {
        let repository = self.place();
        Self { clients: self.clients.in_turns_by(cache, &repository, (impulse, mode)), ..self }
    }

    /// Leaves what the pass was told to the next one; for a pass that has ended.
    pub fn leave_turns(&self, cache: &Cache, outcome: &Outcome) {
        self.clients.leave_turns(cache, &self.place(), outcome);
    }

    /// Returns what the forge need not be asked.
    pub fn turn(&self) -> Turn {
        self.clients.turn().clone()
    }

    fn place(&self) -> String {
        format!("{} {}", self.url, self.branch)
    }
}

/// How a repository comes to be worked on, which tells whether the tokens that variables hold are for it: nobody wrote beside them for
/// which server they are.
#[derive(Debug, Clone, Copy)]
pub(in crate::pass) enum Regard<'a> {
    /// It is the one that a command is about, whose tokens they are.
    Own,
    /// It is looked at beside that one, where there is any: they are for it if it is on the same server.
    Beside(Option<&'a RemoteUrl>),
    /// It is one of all that the operator's file lists: they are for these if all are on one server.
    Listed,
}

/// Returns clients for a command, which is one pass from its beginning to its end.
pub(super) fn of_command(service: &Service) -> Clients {
    Clients::default().until(pass_end(service))
}

/// Returns where pull requests of a repository are made; `named` is the forge's URL where it cannot be told.
///
/// # Errors
///
/// [`SetupError`] when the forge's URL or the token that the operator names is of no use.
pub fn publishing(
    choice: ForgeChoice,
    named: Option<&str>,
    url: &RemoteUrl,
    service: &Service,
    environment: &Environment,
) -> Result<Publishing, SetupError> {
    publishing_by(&of_command(service), Regard::Own, (choice, named), url, service, environment)
}

/// As [`publishing`], by clients that were made before.
pub(in crate::pass) fn publishing_by(
    clients: &Clients,
    regard: Regard<'_>,
    (choice, named): (ForgeChoice, Option<&str>),
    url: &RemoteUrl,
    service: &Service,
    environment: &Environment,
) -> Result<Publishing, SetupError> {
    let entry = watched(service, url);
    let spot = spot((choice, named), url, service, environment);
    let Spot { choice, named, .. } = spot;
    let connection = transport::forge(service, entry);
    let is_app = matches!(entry.and_then(|entry| entry.auth.as_ref()), Some(RepositoryAuth::GithubApp { .. }));
    let token = match (choice, named_token(url, service, environment)?) {
        (ForgeChoice::Plain | ForgeChoice::Auto, _) => None,
        (_, Some(token)) => Some(token),
        (_, None) if is_app => None,
        (_, None) => variable_token(&spot, regard, service, environment)?,
    };
    let address = forges::Address { repository: url, named, token, connection, environment, clients };
    match choice {
        ForgeChoice::Plain => Ok(Publishing::Forge(Arc::new(forges::plain(url)))),
        ForgeChoice::GitHub => forges::github(&address, app(url, service)?.as_ref()),
        ForgeChoice::GitLab => forges::gitlab(&address),
        ForgeChoice::Gitea => forges::gitea(&address),
        ForgeChoice::Auto => Ok(Publishing::Missing(format!(
            "which forge {} is cannot be told: `forge` of its entry in service.yaml names it, or `--forge`; `plain` is \
             Git alone, and pushes the head branch for a person to merge",
            url.host().unwrap_or_default()
        ))),
    }
}

/// Returns which forge a repository is on: as the command line says, else the operator's file, else its URL; [`ForgeChoice::Auto`] where
/// nothing tells.
pub(in crate::pass) fn settled(
    choice: ForgeChoice,
    url: &RemoteUrl,
    service: &Service,
    environment: &Environment,
) -> ForgeChoice {
    let entry = watched(service, url);
    let said = match entry.map(|entry| entry.forge).unwrap_or_default() {
        ForgeWord::Auto => ForgeChoice::Auto,
        ForgeWord::GitHub => ForgeChoice::GitHub,
        ForgeWord::GitLab => ForgeChoice::GitLab,
        ForgeWord::Gitea => ForgeChoice::Gitea,
        ForgeWord::Plain => ForgeChoice::Plain,
    };
    match (choice, said, url.reach()) {
        (ForgeChoice::Auto, ForgeChoice::Auto, Reach::Local) => ForgeChoice::Plain,
        (ForgeChoice::Auto, ForgeChoice::Auto, Reach::Http | Reach::Ssh) => {
            let is_app = matches!(entry.and_then(|entry| entry.auth.as_ref()), Some(RepositoryAuth::GithubApp { .. }));
            let of_app = if is_app { ForgeChoice::GitHub } else { ForgeChoice::Auto };
            forges::told(url, environment).unwrap_or(of_app)
        }
        (ForgeChoice::Auto, said, _) => said,
        (choice, _, _) => choice,
    }
}

/// Returns where the token of a repository would be shown; `forged` is what the command line says of its forge and of that one's URL.
fn spot<'a>(
    (choice, named): (ForgeChoice, Option<&'a str>),
    repository: &'a RemoteUrl,
    service: &'a Service,
    environment: &Environment,
) -> Spot<'a> {
    let named = named.or_else(|| watched(service, repository)?.forge_url.as_deref());
    Spot { repository, choice: settled(choice, repository, service, environment), named }
}

/// Returns whom gates ask about a repository that is only looked at, and its base branch; `forge` is what the command line says of its
/// forge and of that one's URL. Never fails: where no forge can be told, that is what gates say.
pub fn asked(
    target: &Target<'_>,
    (choice, named): (ForgeChoice, Option<&str>),
    service: &Service,
    environment: &Environment,
) -> (Publishing, BranchName) {
    let nobody = |reason: String| (Publishing::Missing(reason), BranchName::from(""));
    let (url, branch) = match target {
        Target::Checkout { folder, .. } => match crate::git::checkout::Checkout::discover(folder) {
            Ok(checkout) => (checkout.origin, checkout.branch),
            Err(error) => return nobody(format!("no forge can be told: {error}")),
        },
        Target::Url { url, branch } => match url.parse::<RemoteUrl>() {
            Ok(url) => (url, BranchName::from(branch.unwrap_or_default())),
            Err(error) => return nobody(error.to_string()),
        },
    };
    match publishing(choice, named, &url, service, environment) {
        Ok(publishing) => (publishing, branch),
        Err(error) => nobody(error.to_string()),
    }
}

/// Returns the URL of the repository that a command is about, where it has one.
pub fn own(target: &Target<'_>) -> Option<RemoteUrl> {
    match target {
        Target::Checkout { folder, .. } => {
            let (_, origin) = crate::git::checkout::Checkout::discover_origin(folder).ok()?;
            Some(origin)
        }
        Target::Url { url, .. } => url.parse().ok(),
    }
}

/// Returns who is at work on a repository: whom the environment names, else Git's own `user.name`.
pub fn person(target: &Target<'_>, environment: &Environment) -> Option<String> {
    let folder = match target {
        Target::Checkout { folder, .. } => Some(*folder),
        Target::Url { .. } => None,
    };
    environment.person().or_else(|| crate::git::identity::user_name(folder, &environment.git_configs()))
}

/// Returns the token that the operator's file names for a repository.
pub(in crate::pass) fn named_token(
    url: &RemoteUrl,
    service: &Service,
    environment: &Environment,
) -> Result<Option<SecretString>, SetupError> {
    match watched(service, url).and_then(|watched| watched.auth.as_ref()) {
        Some(RepositoryAuth::Token(SecretPlace::File(path))) => secret_file(&service.resolve(path)).map(Some),
        Some(RepositoryAuth::Token(SecretPlace::Variable(name))) => Ok(Some(environment.secret(&name.0)?)),
        _ => Ok(None),
    }
}

/// Returns the GitHub App that the operator's file names for a repository.
fn app(url: &RemoteUrl, service: &Service) -> Result<Option<NamedApp>, SetupError> {
    match watched(service, url).and_then(|watched| watched.auth.as_ref()) {
        Some(RepositoryAuth::GithubApp { id, private_key_file, installation }) => {
            let key = secret_file(&service.resolve(private_key_file))?;
            Ok(Some(NamedApp { id: *id, key, installation: *installation }))
        }
        _ => Ok(None),
    }
}

/// Opens the mirror of a repository, and says which branch is meant; `forged` is what the command line says of its forge, whose token
/// Git is shown, and of that one's URL.
///
/// # Errors
///
/// [`SetupError`], each with what to do.
pub fn remote(
    target: &Target<'_>,
    forged: (ForgeChoice, Option<&str>),
    service: &Service,
    environment: &Environment,
) -> Result<Opened, SetupError> {
    remote_by(&of_command(service), Regard::Own, target, forged, service, environment)
}

/// As [`remote`], by clients that were made before.
pub(in crate::pass) fn remote_by(
    clients: &Clients,
    regard: Regard<'_>,
    target: &Target<'_>,
    forged: (ForgeChoice, Option<&str>),
    service: &Service,
    environment: &Environment,
) -> Result<Opened, SetupError> {
    let (url, branch) = match target {
        Target::Checkout { folder, branch: None } => {
            let checkout = crate::git::checkout::Checkout::discover(folder)?;
            (checkout.origin, Some(checkout.branch))
        }
        Target::Checkout { folder, branch: Some(branch) } => {
            let (_, origin) = crate::git::checkout::Checkout::discover_origin(folder)?;
            (origin, Some(BranchName::from(*branch)))
        }
        Target::Url { url, branch } => {
            let url: RemoteUrl = url.parse()?;
            let watched = watched(service, &url).and_then(|repository| repository.branch.clone());
            (url, branch.map(BranchName::from).or(watched))
        }
    };
    let access = access(&spot(forged, &url, service, environment), regard, service, environment, clients)?;
    let folder = mirror_folder(&url, service, environment)?;
    let mirror = Mirror::open_until(clients.ends(), &folder, url.clone(), access, program(environment))?;
    let mirror = mirror.with_keys(keys(service, environment)?).told_to(clients.witness().clone());
    let branch = match branch {
        Some(branch) => branch,
        None => mirror.default_branch()?.ok_or(SetupError::NoBranch)?,
    };
    check_branch(&branch).map_err(SetupError::Branch)?;
    Ok(Opened { remote: Arc::new(mirror), branch, url, clients: clients.clone() })
}

/// Returns how the other repositories are opened that a configuration names: those that the operator's file lists, and
/// no other, each with its own credential. `own` is the one that the command is about: without `auth`, others are shown the token that is
/// in a variable on its server alone.
pub fn neighbours<'a>(
    own: Option<&'a RemoteUrl>,
    service: &'a Service,
    environment: &'a Environment,
) -> impl Fn(&str) -> Result<Neighbour, Unseen> + Sync + 'a {
    let clients = of_command(service);
    move |text| neighbour(text, Regard::Beside(own), service, environment, &clients)
}

/// As [`neighbours`] for a service, by clients that were made before.
pub(in crate::pass) fn neighbours_by<'a>(
    clients: &'a Clients,
    service: &'a Service,
    environment: &'a Environment,
) -> impl Fn(&str) -> Result<Neighbour, Unseen> + Sync + 'a {
    move |text| neighbour(text, Regard::Listed, service, environment, clients)
}

pub(super) fn neighbour(
    text: &str,
    regard: Regard<'_>,
    service: &Service,
    environment: &Environment,
    clients: &Clients,
) -> Result<Neighbour, Unseen> {
    let url: RemoteUrl = text.parse().map_err(|error: UrlError| Unseen::Failed(error.to_string()))?;
    if service.repositories.is_empty() {
        return Err(Unseen::Absent(
            "which other repositories may be looked at stands under `repositories` of the operator's file: name it \
                 by `--service FILE`"
                .to_owned(),
        ));
    }
    let Some(watched) = watched(service, &url) else {
        return Err(Unseen::Failed(format!(
            "{} does not list this repository under `repositories`, and no other may be looked at",
            service.file
        )));
    };
    let failed = |error: SetupError| Unseen::Failed(error.to_string());
    let target = Target::Url { url: &watched.url, branch: None };
    let Opened { remote, branch, url, .. } =
        remote_by(clients, regard, &target, (ForgeChoice::Auto, None), service, environment).map_err(failed)?;
    let publishing = publishing_by(clients, regard, (ForgeChoice::Auto, None), &url, service, environment);
    // Whom to ask about checks is wanted by some gates alone, which say so.
    let publishing = publishing.unwrap_or_else(|error| Publishing::Missing(error.to_string()));
    Ok(Neighbour { remote, branch, publishing })
}

/// Returns the keys that commits are signed with. One that is of no use fails where a commit is to be signed with it.
fn keys(service: &Service, environment: &Environment) -> Result<Keys, SetupError> {
    let signing = &service.signing;
    let named = signing.ssh.as_ref().map(|place| secret(place, service, environment)).transpose()?;
    let ssh = named.or_else(|| environment.ssh_signing_key());
    let (variable, home) = environment.gpg_signing_key();
    let id = signing.gpg_key.clone().or_else(|| variable.map(str::to_owned));
    let home = signing.gpg_home.as_ref().map(|path| service.resolve(path)).or(home);
    Ok(Keys {
        ssh: ssh.map(|text| SshKey::read(&text).map_err(|error| error.to_string())),
        gpg: id.map(|id| GpgKey { id, home }),
    })
}

/// Returns what the operator's file says of a repository.
pub(in crate::pass) fn watched<'a>(service: &'a Service, url: &RemoteUrl) -> Option<&'a service::WatchedRepository> {
    service
        .repositories
        .iter()
        .find(|repository| repository.url.parse::<RemoteUrl>().is_ok_and(|other| other.to_string() == url.to_string()))
}

fn access(
    spot: &Spot<'_>,
    regard: Regard<'_>,
    service: &Service,
    environment: &Environment,
    clients: &Clients,
) -> Result<Access, SetupError> {
    let url = spot.repository;
    let secret = |place: &SecretPlace| secret(place, service, environment);
    match watched(service, url).and_then(|repository| repository.auth.as_ref()) {
        Some(RepositoryAuth::Token(place)) => Ok(by_token(secret(place)?, environment)),
        Some(RepositoryAuth::Basic(basic)) => {
            Ok(Access::Basic { user: basic.username.clone(), password: secret(&basic.password)? })
        }
        Some(RepositoryAuth::SshKey(path)) => Ok(Access::SshKey { file: service.resolve(path), known_hosts: None }),
        Some(RepositoryAuth::GithubApp { .. }) => {
            let app = app(url, service)?.ok_or_else(|| SetupError::App("it is not named".to_owned()))?;
            // Where its pull requests are made, too: there is one token for both.
            let address = forges::Address { named: spot.named, ..app_address(url, service, environment, clients) };
            Ok(Access::Token(forges::installation_token(&address, &app)?))
        }
        None => {
            let token = match url.reach() {
                Reach::Http => variable_token(spot, regard, service, environment)?,
                Reach::Ssh | Reach::Local => None,
            };
            let token = token.or_else(|| forges::job_token(url, environment));
            Ok(token.map_or(Access::None, |token| by_token(token, environment)))
        }
    }
}

/// Returns the token that a variable holds for a repository of which the operator's file names none.
///
/// # Errors
///
/// [`SetupError::SeveralServers`] where the operator's file lists repositories of several servers that would all be shown it.
fn variable_token(
    spot: &Spot<'_>,
    regard: Regard<'_>,
    service: &Service,
    environment: &Environment,
) -> Result<Option<SecretString>, SetupError> {
    let urls: Vec<(&service::WatchedRepository, RemoteUrl)> = service
        .repositories
        .iter()
        .filter_map(|entry| Some((entry, entry.url.parse::<RemoteUrl>().ok().filter(|url| !url.is_local())?)))
        .collect();
    let listed: Vec<(&service::WatchedRepository, Spot<'_>)> = urls
        .iter()
        .map(|(entry, url)| (*entry, self::spot((ForgeChoice::Auto, None), url, service, environment)))
        .collect();
    // An entry that names a variable says whose token it holds.
    let names = |entry: &service::WatchedRepository, variable: &str| {
        let place = match &entry.auth {
            Some(RepositoryAuth::Token(place)) => place,
            Some(RepositoryAuth::Basic(basic)) => &basic.password,
            _ => return false,
        };
        matches!(place, SecretPlace::Variable(name) if name.0 == variable)
    };
    let free = |spot: &Spot<'_>| {
        let elsewhere = listed.iter().filter(|(_, other)| !spot.is_same_server(other));
        spot.token(environment, &|variable| !elsewhere.clone().any(|(entry, _)| names(entry, variable)))
    };
    let Some((variable, token)) = free(spot) else { return Ok(None) };
    match regard {
        Regard::Own => Ok(Some(token)),
        Regard::Beside(own) => {
            let own = own.map(|own| self::spot((ForgeChoice::Auto, None), own, service, environment));
            Ok(own.filter(|own| spot.is_same_server(own)).map(|_same| token))
        }
        Regard::Listed => {
            let takes_it = |entry: &service::WatchedRepository, other: &Spot<'_>| {
                let is_shown = match (&entry.auth, other.choice) {
                    (Some(RepositoryAuth::Token(_) | RepositoryAuth::GithubApp { .. }), _) => false,
                    (None, _) if other.repository.reach() == Reach::Http => true,
                    // Its API alone, where there is one.
                    (_, ForgeChoice::Plain | ForgeChoice::Auto) => false,
                    _ => true,
                };
                is_shown && !spot.is_same_server(other) && free(other).is_some_and(|(name, _)| name == variable)
            };
            match listed.iter().find(|(entry, other)| takes_it(entry, other)) {
                None => Ok(Some(token)),
                Some((entry, _)) => Err(SetupError::SeveralServers { variable, other: entry.url.clone() }),
            }
        }
    }
}

/// Shows a token to Git as its kind is shown: the one of a job of GitLab CI is let in by no other name.
fn by_token(token: SecretString, environment: &Environment) -> Access {
    match forges::is_job_token(&token, environment) {
        true => Access::Basic { user: "gitlab-ci-token".to_owned(), password: token },
        false => Access::Token(token),
    }
}

/// Returns where the App of a repository is asked for its tokens.
fn app_address<'a>(
    url: &'a RemoteUrl,
    service: &'a Service,
    environment: &'a Environment,
    clients: &'a Clients,
) -> forges::Address<'a> {
    let entry = watched(service, url);
    let connection = transport::forge(service, entry);
    let named = entry.and_then(|entry| entry.forge_url.as_deref());
    forges::Address { repository: url, named, token: None, connection, environment, clients }
}

/// Lets the token go that is held of a repository's App, so that the next question fetches another; tells whether there can be one.
pub(in crate::pass) async fn let_go(
    clients: &Clients,
    url: &RemoteUrl,
    service: &Service,
    environment: &Environment,
) -> Result<bool, SetupError> {
    match app(url, service)? {
        Some(app) => forges::let_go(&app_address(url, service, environment, clients), &app).await,
        None => Ok(false),
    }
}

/// Reads a secret from where the operator's file says it is.
///
/// # Errors
///
/// [`SetupError`] when it is not there; what it holds never shows in it.
pub fn secret(place: &SecretPlace, service: &Service, environment: &Environment) -> Result<SecretString, SetupError> {
    match place {
        SecretPlace::File(path) => secret_file(&service.resolve(path)),
        SecretPlace::Variable(name) => Ok(environment.secret(&name.0)?),
    }
}

/// Reads a secret from a file, without the line end that editors add.
fn secret_file(path: &Path) -> Result<SecretString, SetupError> {
    let bytes = read("the secret", path, MAX_SECRET)?;
    let unreadable =
        |reason: &str| SetupError::Unreadable { what: "the secret", path: path.to_owned(), reason: reason.to_owned() };
    let text = String::from_utf8(bytes).map_err(|_not_text| unreadable("it is not UTF-8"))?;
    match text.trim() {
        "" => Err(unreadable("it is empty")),
        secret => Ok(secret.into()),
    }
}

/// Returns the folder of a repository's mirror, by a hash of the URL: beside the cache where somebody has named its file, since nothing
/// else may be writable there, else in the user's cache folder.
fn mirror_folder(url: &RemoteUrl, service: &Service, environment: &Environment) -> Result<PathBuf, SetupError> {
    let named = service.cache.as_ref().map(|path| service.resolve(path)).or_else(|| environment.named_cache());
    // What is there and no file, like a device, is no cache, and no place beside which to keep anything.
    let named = named.filter(|path| path.is_file() || !path.exists());
    let beside = named.and_then(|path| Some(std::path::absolute(path).ok()?.parent()?.to_owned()));
    let own = || Some(environment.cache_folder()?.join("tagboat"));
    let folder = beside.or_else(own).ok_or(SetupError::NoCacheFolder)?;
    let hash = Sha256::digest(url.to_string());
    let name: String = hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    Ok(folder.join("mirrors").join(format!("{name}.git")))
}

/// Returns what the `git` program sees of this process's environment.
pub fn program(environment: &Environment) -> ProgramEnvironment {
    let passed =
        PASSED_THROUGH.iter().filter_map(|name| Some((name.into(), environment.variable(name)?.to_owned()))).collect();
    ProgramEnvironment { path: environment.path().unwrap_or_default().to_owned(), home: environment.home(), passed }
}
