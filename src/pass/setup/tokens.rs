//! Tokens that variables hold: for which forge each is, and for which server.
//!
//! Entry point: [`Spot`]. Asks nobody, and knows nothing of the operator's file.

use secrecy::SecretString;
use url::Url;

use crate::config::environment::Environment;
use crate::git::url::{Reach, RemoteUrl};
use crate::pass::forges::{host_name, is_gitea_job, told};
use crate::pass::setup::ForgeChoice;

/// Where a token would be shown: a repository, and the forge that it is on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    /// The repository.
    pub(super) repository: &'a RemoteUrl,
    /// Its forge.
    pub(super) choice: ForgeChoice,
    /// That one's URL, where the operator names it.
    pub(super) named: Option<&'a str>,
}

impl Spot<'_> {
    /// Returns the variables whose token is for this forge, and for its Git server, the first one first: no other forge's token is shown
    /// to either, and in a job none of that job's forge to another server. Where no forge is known, and none is told by the host, that is
    /// the one for any.
    fn variables(&self, environment: &Environment) -> Vec<&'static str> {
        let choice = match self.choice {
            ForgeChoice::Auto | ForgeChoice::Plain => told(self.repository, environment),
            choice => Some(choice),
        };
        let of_forge: &[&str] = match choice {
            Some(ForgeChoice::GitHub) if is_gitea_job(environment) => &[],
            Some(ForgeChoice::GitHub) => &["GITHUB_TOKEN"],
            Some(ForgeChoice::GitLab) => &["GITLAB_TOKEN"],
            // In their own CI the job's token stands where GitHub's would.
            Some(ForgeChoice::Gitea) if is_gitea_job(environment) => &["GITEA_TOKEN", "GITHUB_TOKEN"],
            Some(ForgeChoice::Gitea) => &["GITEA_TOKEN"],
            Some(ForgeChoice::Auto | ForgeChoice::Plain) | None => &[],
        };
        let host = self.host();
        let is_here =
            |name: &&&str| job_server(name, environment).is_none_or(|server| server.is_some() && server == host);
        std::iter::once("TAGBOAT_TOKEN").chain(of_forge.iter().filter(is_here).copied()).collect()
    }

    /// Returns the host that the token is for. SSH may be served by one of another name than the forge, to which alone it is shown then.
    fn host(&self) -> Option<String> {
        let named = self.named_server().and_then(|url| url.host_str().map(str::to_owned));
        Some(match named.or_else(|| host_name(self.repository))?.as_str() {
            "ssh.github.com" | "api.github.com" => "github.com".to_owned(),
            "altssh.gitlab.com" => "gitlab.com".to_owned(),
            host => host.to_owned(),
        })
    }

    /// Returns where the token goes: the server of the URL where it is reached by HTTP, else the forge.
    fn place(&self) -> Option<String> {
        let origin = |url: Url| url.origin().ascii_serialization();
        match (self.repository.reach(), self.named_server()) {
            (Reach::Local, _) => None,
            (Reach::Http, _) => Some(origin(Url::parse(&self.repository.to_string()).ok()?)),
            (Reach::Ssh, Some(url)) if url.host_str() != Some("api.github.com") => Some(origin(url)),
            (Reach::Ssh, _) => self.host().map(|host| format!("https://{host}")),
        }
    }

    /// Returns the forge's URL that the operator names, where it stands for the server: over HTTP the token goes to Git's own, too.
    fn named_server(&self) -> Option<Url> {
        let named = self.named.filter(|_| self.repository.reach() == Reach::Ssh)?;
        Url::parse(named).ok().filter(Url::has_host)
    }

    /// Whether a token that is shown here is shown to no other server by being shown there.
    pub(super) fn is_same_server(&self, other: &Spot<'_>) -> bool {
        self.place().is_some_and(|place| other.place() == Some(place))
    }

    /// Returns the variable that holds a token for here, with the token; `is_free` are those that are not said to be for elsewhere.
    pub(super) fn token(
        &self,
        environment: &Environment,
        is_free: &dyn Fn(&str) -> bool,
    ) -> Option<(&'static str, SecretString)> {
        let names = self.variables(environment).into_iter().filter(|name| is_free(name));
        names.into_iter().find_map(|name| Some((name, environment.secret(name).ok()?)))
    }
}

/// Returns the host whose token a variable holds, where this is a job of the forge whose variable it is; one that is no host is none's.
fn job_server(variable: &str, environment: &Environment) -> Option<Option<String>> {
    let is_set = |name: &&str| environment.variable(name).is_some();
    let servers: &[&str] = match variable {
        // The runners of Gitea and Forgejo give their own token by that name.
        "GITHUB_TOKEN" if is_gitea_job(environment) => &["GITHUB_SERVER_URL", "GITHUB_API_URL"],
        "GITHUB_TOKEN" => &["GITHUB_SERVER_URL"],
        "GITLAB_TOKEN" => &["CI_API_V4_URL"],
        "GITEA_TOKEN" if is_gitea_job(environment) => &["GITHUB_API_URL"],
        _ => &[],
    };
    let Some(server) = servers.iter().copied().find(is_set) else {
        // A job that does not say of which server it is.
        return (is_gitea_job(environment) && !servers.is_empty()).then_some(None);
    };
    let url = environment.variable(server)?.to_str().and_then(|url| Url::parse(url).ok());
    Some(url.and_then(|url| url.host_str().map(str::to_owned)))
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
            let spot = Spot { repository: &url.parse().unwrap(), choice, named: None };
            spot.token(&environment, &|_| true).map(|(_, token)| token.expose_secret().to_owned())
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
        // Its own server, also where the API has a host of its own, and where plain HTTP is all there is.
        let residency = [("GITHUB_SERVER_URL", "https://acme.ghe.com"), ("GITHUB_API_URL", "https://api.acme.ghe.com")];
        assert_eq!(shown(ForgeChoice::Auto, "https://acme.ghe.com/a/b.git", &residency).as_deref(), Some("hub"));
        let plain = [
            ("GITEA_ACTIONS", "true"),
            ("GITHUB_SERVER_URL", "http://gitea:3000"),
            ("GITHUB_API_URL", "http://gitea:3000/api/v1"),
        ];
        assert_eq!(shown(ForgeChoice::Gitea, "ssh://git@gitea/a/b.git", &plain).as_deref(), Some("tea"));
        assert_eq!(shown(ForgeChoice::Gitea, "https://codeberg.org/a/b.git", &plain), None);
        assert_eq!(shown(ForgeChoice::Gitea, own, &plain[..1]), None, "the job does not say whose it is");
        // The forge's URL that the operator names is where the token of a repository goes that SSH reaches.
        let lab = Environment::of([("CI_API_V4_URL", "https://git.acme.example/api/v4"), ("GITLAB_TOKEN", "lab")]);
        let by = |url: &str, named| {
            let spot = Spot { repository: &url.parse().unwrap(), choice: ForgeChoice::GitLab, named };
            spot.token(&lab, &|_| true).is_some()
        };
        let named = Some("https://git.acme.example/api/v4");
        assert!(!by("ssh://git@ssh.acme.example/a/b.git", None) && by("ssh://git@ssh.acme.example/a/b.git", named));
        assert!(!by("https://other.acme.example/a/b.git", named), "Git would be shown it as well");
    }

    #[test]
    fn a_token_is_for_one_server_by_whichever_way_it_is_reached() {
        let is_same_as_named = |one: &str, other: &str, named: Option<&str>| {
            let (one, other) = (&one.parse().unwrap(), &other.parse().unwrap());
            let spot = |repository, named| Spot { repository, choice: ForgeChoice::Auto, named };
            spot(one, None).is_same_server(&spot(other, named))
        };
        let is_same = |one: &str, other: &str| is_same_as_named(one, other, None);
        assert!(is_same("https://git.acme.example/a/b.git", "https://GIT.acme.example:443/c/d"));
        assert!(is_same("https://git.acme.example/a/b.git", "ssh://git@git.acme.example:2222/c/d.git"));
        assert!(is_same("https://github.com/a/b", "ssh://git@ssh.github.com:443/c/d.git"));
        assert!(!is_same("https://git.acme.example/a/b.git", "https://git.acme.example:8443/a/b.git"));
        assert!(!is_same("https://git.acme.example/a/b.git", "https://acme.example/a/b.git"));
        assert!(!is_same("/srv/a.git", "/srv/a.git"), "no token is shown to a folder");
        // Where the forge is named, that is where the token of a repository goes that SSH reaches.
        let named = Some("https://git.acme.example:8443/api/v4");
        assert!(is_same_as_named("https://git.acme.example:8443/a/b.git", "ssh://git@ssh.acme.example/c/d.git", named));
        assert!(!is_same_as_named("https://git.acme.example/a/b.git", "ssh://git@git.acme.example/c/d.git", named));
        assert!(!is_same_as_named("https://git.acme.example:8443/a/b.git", "https://git.acme.example/c/d.git", named));
        let named = Some("https://api.github.com");
        assert!(is_same_as_named("https://github.com/a/b.git", "git@github.com:c/d.git", named));
    }
}
