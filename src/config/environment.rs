//! The one door to environment variables.
//!
//! Entry point: [`Environment::capture`], once, by whoever starts the program; tests build their own
//! by [`Environment::of`]. Owns which variables mean what. Values of secrets leave only as
//! [`SecretString`], and `Debug` shows names alone.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use secrecy::SecretString;

/// The environment variables of this process, as they were when it was captured.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
}

/// A variable that is asked for by name but cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// It is not set, or empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// It holds something that is no text.
    #[error("the environment variable {0} is not UTF-8")]
    NotText(String),
}

/// Where the cache is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// In this file.
    File(PathBuf),
    /// None is wanted.
    Off,
    /// There is no folder for it.
    Nowhere,
}

impl Environment {
    /// Captures the variables of this process.
    #[expect(clippy::disallowed_methods, reason = "this is the environment's one door")]
    pub fn capture() -> Self {
        Self { variables: std::env::vars_os().collect() }
    }

    /// Builds an environment by hand.
    pub fn of<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// Returns a variable that is set to something; an empty one counts as unset.
    fn set(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.set(name).and_then(OsStr::to_str)
    }

    /// Returns the private SSH key that signs commits: `TAGBOAT_SSH_SIGNING_KEY`.
    pub fn ssh_signing_key(&self) -> Option<SecretString> {
        self.text("TAGBOAT_SSH_SIGNING_KEY").map(SecretString::from)
    }

    /// Returns the name of the GPG key that signs commits, `TAGBOAT_GPG_SIGNING_KEY`, and the keyring's folder, `GNUPGHOME`.
    pub fn gpg_signing_key(&self) -> (Option<&str>, Option<PathBuf>) {
        (self.text("TAGBOAT_GPG_SIGNING_KEY"), self.set("GNUPGHOME").map(PathBuf::from))
    }

    /// Returns what a named variable holds, for `tokenEnv`, `usernameEnv`, `passwordEnv` and the like.
    ///
    /// # Errors
    ///
    /// [`VariableError`] when it is unset, empty or no text; the value never shows in it.
    pub fn secret(&self, name: &str) -> Result<SecretString, VariableError> {
        let value = self.set(name).ok_or_else(|| VariableError::Unset(name.to_owned()))?;
        let text = value.to_str().ok_or_else(|| VariableError::NotText(name.to_owned()))?;
        Ok(text.trim().into())
    }

    /// Returns a registry's user name and password from two named variables.
    ///
    /// # Errors
    ///
    /// [`VariableError`] when one of them is unset, empty or no text.
    pub fn credential(&self, username: &str, password: &str) -> Result<(SecretString, SecretString), VariableError> {
        Ok((self.secret(username)?, self.secret(password)?))
    }

    /// Returns the folder of docker's `config.json`: `DOCKER_CONFIG`, else `$HOME/.docker`.
    pub fn docker_config_folder(&self) -> Option<PathBuf> {
        self.set("DOCKER_CONFIG").map(PathBuf::from).or_else(|| Some(self.home()?.join(".docker")))
    }

    /// Returns the user's cache folder: `XDG_CACHE_HOME` where it is absolute, else `$HOME/.cache`.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        let named = self.set("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        named.or_else(|| Some(self.home()?.join(".cache")))
    }

    /// Returns where the cache is kept: what `TAGBOAT_CACHE` names, nowhere where it says `off`, else `tagboat/cache.db`
    /// in the user's cache folder.
    pub fn cache_place(&self) -> CachePlace {
        match self.set("TAGBOAT_CACHE") {
            Some(named) if named == "off" => CachePlace::Off,
            Some(named) => CachePlace::File(PathBuf::from(named)),
            None => match self.cache_folder() {
                Some(folder) => CachePlace::File(folder.join("tagboat").join("cache.db")),
                None => CachePlace::Nowhere,
            },
        }
    }

    /// Returns the cache's file where `TAGBOAT_CACHE` names one.
    pub fn named_cache(&self) -> Option<PathBuf> {
        self.set("TAGBOAT_CACHE").filter(|named| *named != "off").map(PathBuf::from)
    }

    /// Returns the user's home folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.set("HOME").map(PathBuf::from)
    }

    /// Whether colour is unwanted: `NO_COLOR` is set to anything.
    pub fn refuses_color(&self) -> bool {
        self.set("NO_COLOR").is_some()
    }

    /// Whether this runs in continuous integration: `CI` is set, and not to `false` or `0`.
    pub fn is_ci(&self) -> bool {
        self.set("CI").is_some_and(|value| value != "false" && value != "0")
    }

    /// Whether this runs in GitHub Actions.
    pub fn is_github_actions(&self) -> bool {
        self.text("GITHUB_ACTIONS") == Some("true")
    }

    /// Returns who is at work: the person whom CI names, else the user of this machine.
    pub fn person(&self) -> Option<String> {
        let names = ["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"];
        names.iter().find_map(|name| self.text(name)).map(|name| name.chars().filter(|c| !c.is_control()).collect())
    }

    /// Returns the files of Git's configuration that are this user's own, the one that counts most first.
    pub fn git_configs(&self) -> Vec<PathBuf> {
        if let Some(named) = self.set("GIT_CONFIG_GLOBAL") {
            return vec![PathBuf::from(named)];
        }
        let xdg = self.set("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let xdg = xdg.or_else(|| Some(self.home()?.join(".config")));
        let own = self.home().map(|home| home.join(".gitconfig"));
        own.into_iter().chain(xdg.map(|folder| folder.join("git").join("config"))).collect()
    }

    /// Returns the base of GitHub's API as its own CI tells it: `GITHUB_API_URL`.
    pub fn github_api_url(&self) -> Option<&str> {
        self.text("GITHUB_API_URL")
    }

    /// Returns the base of GitLab's API as its own CI tells it: `CI_API_V4_URL`.
    pub fn gitlab_api_url(&self) -> Option<&str> {
        self.text("CI_API_V4_URL")
    }

    /// Returns what `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` say; as with curl, the spelling in small letters wins.
    ///
    /// `HTTP_PROXY` does not count where `REQUEST_METHOD` is set: a web server's request could have brought it.
    pub fn proxies(&self) -> ProxyVariables {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| self.text(name).map(|value| (*name, SecretString::from(value))))
        };
        let is_cgi = self.set("REQUEST_METHOD").is_some();
        ProxyVariables {
            http: first(if is_cgi { &["http_proxy"] } else { &["http_proxy", "HTTP_PROXY"] }),
            https: first(&["https_proxy", "HTTPS_PROXY"]),
            exempt: self.text("no_proxy").or_else(|| self.text("NO_PROXY")).map(str::to_owned),
        }
    }

    /// Returns a variable as it is, for handing it on to a child process.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.set(name)
    }

    /// Returns the `PATH` on which child processes are found.
    pub fn path(&self) -> Option<&OsStr> {
        self.set("PATH")
    }
}

/// What the variables say of proxies: each as the name that counts with its value, which may hold a password.
#[derive(Debug, Clone, Default)]
pub struct ProxyVariables {
    /// For `http://`.
    pub http: Option<(&'static str, SecretString)>,
    /// For `https://`.
    pub https: Option<(&'static str, SecretString)>,
    /// The hosts that are reached without one.
    pub exempt: Option<String>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.variables.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn shows_names_and_never_values() {
        let environment = Environment::of([("GITHUB_TOKEN", "hush")]);
        assert_eq!(format!("{environment:?}"), r#"{"GITHUB_TOKEN"}"#);
        assert_eq!(environment.secret("HUSH").unwrap_err().to_string(), "the environment variable HUSH is not set");
        assert!(!format!("{:?}", environment.secret("GITHUB_TOKEN")).contains("hush"));
    }

    #[test]
    fn proxies_are_read_in_either_spelling_and_never_shown() {
        let environment = Environment::of([
            ("HTTP_PROXY", "http://upper.lan"),
            ("http_proxy", "http://acme:hush@lower.lan"),
            ("HTTPS_PROXY", "http://upper.lan"),
            ("no_proxy", "lan"),
            ("NO_PROXY", "*"),
        ]);
        let proxies = environment.proxies();
        assert_eq!(proxies.http.as_ref().unwrap().0, "http_proxy");
        assert_eq!(proxies.http.as_ref().unwrap().1.expose_secret(), "http://acme:hush@lower.lan");
        assert_eq!(proxies.https.as_ref().unwrap().0, "HTTPS_PROXY");
        assert_eq!(proxies.exempt.as_deref(), Some("lan"));
        assert!(!format!("{proxies:?}").contains("hush"));
        let in_cgi = Environment::of([("HTTP_PROXY", "http://request.example"), ("REQUEST_METHOD", "GET")]);
        assert!(in_cgi.proxies().http.is_none());
    }

    #[test]
    fn folders_fall_back_to_home() {
        let environment = Environment::of([("HOME", "/home/me"), ("XDG_CACHE_HOME", "relative")]);
        assert_eq!(environment.docker_config_folder().unwrap(), PathBuf::from("/home/me/.docker"));
        assert_eq!(environment.cache_folder().unwrap(), PathBuf::from("/home/me/.cache"));
        let environment = Environment::of([("DOCKER_CONFIG", "/d"), ("XDG_CACHE_HOME", "/c"), ("CI", "false")]);
        assert_eq!(environment.docker_config_folder().unwrap(), PathBuf::from("/d"));
        assert_eq!(environment.cache_folder().unwrap(), PathBuf::from("/c"));
        assert!(!environment.is_ci() && !environment.refuses_color());
    }

    #[test]
    fn the_cache_is_a_file_of_its_own_or_none() {
        let file = |path: &str| CachePlace::File(PathBuf::from(path));
        for (variables, expected) in [
            (vec![("HOME", "/home/me")], file("/home/me/.cache/tagboat/cache.db")),
            (vec![("HOME", "/home/me"), ("XDG_CACHE_HOME", "/c")], file("/c/tagboat/cache.db")),
            (vec![("HOME", "/home/me"), ("TAGBOAT_CACHE", "here.db")], file("here.db")),
            (vec![("HOME", "/home/me"), ("TAGBOAT_CACHE", "off")], CachePlace::Off),
            (vec![("TAGBOAT_CACHE", "")], CachePlace::Nowhere),
        ] {
            assert_eq!(Environment::of(variables.clone()).cache_place(), expected, "{variables:?}");
        }
    }
}
