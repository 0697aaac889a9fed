//! Tokens that variables hold: for which forge each is, and for which server.
//!
//! Entry points: [`token`] and [`is_same_server`]. Asks nobody, and knows nothing of the operator's file.

use secrecy::SecretString;
use url::Url;

use crate::config::environment::Environment;
use crate::git::url::{Reach, RemoteUrl};
use crate::pass::forges::{ci_gitea, host_name, told};
use crate::pass::setup::ForgeChoice;

/// Returns the variables whose token is for a repository on this forge, and for its Git server, the first one first: no other forge's
/// token is shown to either, and in a job none of that job's forge to another server. Where no forge is known, and none is told by the
/// host, that is the one for any.
fn token_variables(choice: ForgeChoice, repository: &RemoteUrl, environment: &Environment) -> Vec<&'static str> {
    let choice = match choice {
        ForgeChoice::Auto | ForgeChoice::Plain => told(repository, environment),
        choice => Some(choice),
    };
    let is_ci = ci_gitea(environment).is_some_and(|ci| ci.host_str() == token_host(repository).as_deref());
    let of_forge: &[&str] = match choice {
        Some(ForgeChoice::GitHub) => &["GITHUB_TOKEN"],
        Some(ForgeChoice::GitLab) => &["GITLAB_TOKEN"],
        // In their own CI the job's token stands where GitHub's would.
        Some(ForgeChoice::Gitea) if is_ci => &["GITEA_TOKEN", "GITHUB_TOKEN"],
        Some(ForgeChoice::Gitea) => &["GITEA_TOKEN"],
        Some(ForgeChoice::Auto | ForgeChoice::Plain) | None => &[],
    };
    let is_here = |name: &&&str| job_server(name, environment).is_none_or(|server| server == token_host(repository));
    std::iter::once("TAGBOAT_TOKEN").chain(of_forge.iter().filter(is_here).copied()).collect()
}

/// Returns the host whose token a variable holds, where this is a job of the forge whose variable it is; one that is no host is none's.
fn job_server(variable: &str, environment: &Environment) -> Option<Option<String>> {
    let is_gitea = ci_gitea(environment).is_some();
    let server = match variable {
        "GITHUB_TOKEN" if is_gitea && environment.variable("GITHUB_SERVER_URL").is_none() => "GITHUB_API_URL",
        // The runners of Gitea and Forgejo give their own token by that name.
        "GITHUB_TOKEN" => "GITHUB_SERVER_URL",
        "GITLAB_TOKEN" => "CI_API_V4_URL",
        "GITEA_TOKEN" if is_gitea => "GITHUB_API_URL",
        _ => return None,
    };
    let url = environment.variable(server)?.to_str().and_then(|url| Url::parse(url).ok());
    Some(url.and_then(|url| url.host_str().map(str::to_owned)))
}

/// Returns the host that a repository's token is for: SSH may be served by one of another name.
fn token_host(repository: &RemoteUrl) -> Option<String> {
    let host = host_name(repository)?;
    Some(match &*host {
        "ssh.github.com" => "github.com".to_owned(),
        "altssh.gitlab.com" => "gitlab.com".to_owned(),
        _ => host,
    })
}

/// Returns where a repository's token goes: the server of the URL where it is reached by HTTP, else the forge of that host.
fn token_place(repository: &RemoteUrl) -> Option<String> {
    match repository.reach() {
        Reach::Local => None,
        Reach::Ssh => token_host(repository).map(|host| format!("https://{host}")),
        Reach::Http => Some(Url::parse(&repository.to_string()).ok()?.origin().ascii_serialization()),
    }
}

/// Whether a token that is shown to one repository's server is shown to no other one by being shown to the other repository's.
pub(super) fn is_same_server(one: &RemoteUrl, other: &RemoteUrl) -> bool {
    token_place(one).is_some_and(|place| token_place(other) == Some(place))
}

/// Returns the variable that holds a token for a repository on this forge, with the token.
pub(super) fn token(
    choice: ForgeChoice,
    repository: &RemoteUrl,
    environment: &Environment,
) -> Option<(&'static str, SecretString)> {
    let names = token_variables(choice, repository, environment);
    names.into_iter().find_map(|name| Some((name, environment.secret(name).ok()?)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn no_token_of_one_forge_is_for_another() {
        let all = [("GITHUB_TOKEN", "hub"), ("GITLAB_TOKEN", "lab"), ("GITEA_TOKEN", "tea")];
        let shown = |choice, url: &str, further: &[(&str, &str)]| {
            let environment = Environment::of(all.iter().chain(further).copied());
            token(choice, &url.parse().unwrap(), &environment).map(|(_, token)| token.expose_secret().to_owned())
        };
        let own = "https://git.acme.example/a/b.git";
        for (choice, url, expected) in [
            (ForgeChoice::GitHub, own, Some("hub")),
            (ForgeChoice::GitLab, own, Some("lab")),
            (ForgeChoice::Gitea, own, Some("tea")),
            (ForgeChoice::Plain, own, None),
            (ForgeChoice::Auto, own, None),
            (ForgeChoice::Auto, "https://gitlab.com/a/b.git", Some("lab")),
            (ForgeChoice::Plain, "https://github.com/a/b.git", Some("hub")),
            (ForgeChoice::Plain, "https://codeberg.org/a/b.git", Some("tea")),
        ] {
            assert_eq!(shown(choice, url, &[]).as_deref(), expected, "{choice:?} {url}");
            assert_eq!(shown(choice, url, &[("TAGBOAT_TOKEN", "any")]).as_deref(), Some("any"), "{choice:?} {url}");
        }
        let ci =
            [("GITEA_ACTIONS", "true"), ("GITHUB_API_URL", "https://git.acme.example/api/v1"), ("GITEA_TOKEN", "")];
        assert_eq!(shown(ForgeChoice::Gitea, own, &ci).as_deref(), Some("hub"), "the token of its own job");
        assert_eq!(shown(ForgeChoice::Gitea, "https://codeberg.org/a/b.git", &ci), None, "it is for that host alone");
        let public = "https://github.com/a/b.git";
        assert_eq!(shown(ForgeChoice::GitHub, public, &ci), None, "it is no token of GitHub");
        let tea = [ci[0], ci[1], ("GITHUB_SERVER_URL", "http://gitea:3000")];
        assert_eq!(shown(ForgeChoice::Gitea, own, &tea).as_deref(), Some("tea"));
        assert_eq!(shown(ForgeChoice::Gitea, "https://codeberg.org/a/b.git", &tea), None);
        assert_eq!(shown(ForgeChoice::GitHub, public, &tea), None);
        // A job's token is for the server whose job it is, and for no other one of its kind.
        let actions = [("GITHUB_SERVER_URL", "https://github.com"), ("GITHUB_API_URL", "https://api.github.com")];
        assert_eq!(shown(ForgeChoice::GitHub, public, &actions).as_deref(), Some("hub"));
        assert_eq!(shown(ForgeChoice::Auto, "git@ssh.github.com:a/b.git", &actions), None, "it is told by nothing");
        assert_eq!(shown(ForgeChoice::GitHub, "git@ssh.github.com:a/b.git", &actions).as_deref(), Some("hub"));
        assert_eq!(shown(ForgeChoice::GitHub, own, &actions), None);
        let lab = [("CI_API_V4_URL", "https://git.acme.example/api/v4")];
        assert_eq!(shown(ForgeChoice::Auto, own, &lab).as_deref(), Some("lab"));
        assert_eq!(shown(ForgeChoice::GitLab, "https://gitlab.com/a/b.git", &lab), None);
        assert_eq!(shown(ForgeChoice::GitLab, own, &[("CI_API_V4_URL", "of no use")]), None);
    }

    #[test]
    fn a_token_is_for_one_server_by_whichever_way_it_is_reached() {
        let is_same = |one: &str, other: &str| is_same_server(&one.parse().unwrap(), &other.parse().unwrap());
        assert!(is_same("https://git.acme.example/a/b.git", "https://GIT.acme.example:443/c/d"));
        assert!(is_same("https://git.acme.example/a/b.git", "ssh://git@git.acme.example:2222/c/d.git"));
        assert!(is_same("https://github.com/a/b", "ssh://git@ssh.github.com:443/c/d.git"));
        assert!(!is_same("https://git.acme.example/a/b.git", "https://git.acme.example:8443/a/b.git"));
        assert!(!is_same("https://git.acme.example/a/b.git", "https://acme.example/a/b.git"));
        assert!(!is_same("/srv/a.git", "/srv/a.git"), "no token is shown to a folder");
    }
}
