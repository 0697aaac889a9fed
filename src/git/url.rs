//! Where a remote is: a path, `file://`, `https://`, `ssh://` or `git@host:path`, checked and free of secrets.
//!
//! The entry point is [`RemoteUrl`]. A URL never carries a password; credentials come by [`super::access::Access`].

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::model::image::shorten;

/// Longest accepted URL; a longer one is a mistake or an attack.
const MAX_LENGTH: usize = 4096;

/// What is wrong with a remote's URL. No message repeats a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing was written.
    #[error("the repository's URL is empty")]
    Empty,
    /// It is not one of the forms that are understood.
    #[error(
        "`{0}` is no repository URL: write https://host/owner/name, ssh://git@host/owner/name, \
         git@host:owner/name, file:///path or a path"
    )]
    Form(String),
    /// Another scheme.
    #[error("`{0}://` is not supported: use https://, ssh://, file:// or a path")]
    Scheme(String),
    /// A password stands in the URL; the text is left out on purpose.
    #[error(
        "the URL for {host} holds a password: take it out of the URL, and give it by TAGBOAT_TOKEN, \
         or by `auth` in the service file"
    )]
    Password {
        /// The host that the URL names.
        host: String,
    },
    /// Plain HTTP to another machine.
    #[error("`http://{0}` would send everything in clear text: use https:// (plain HTTP is for loopback only)")]
    ClearText(String),
    /// A query or a fragment, which a repository's URL never has, and which may hold a secret.
    #[error("the URL for {host} has a `?` or `#` part: a repository's URL has none")]
    Query {
        /// The host that the URL names.
        host: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    /// A local repository; `shown` is what the user wrote.
    Local { path: PathBuf, shown: String },
    /// `https://`, or `http://` to loopback; without user, password, query and fragment.
    Http { url: String, host: String, path: String },
    /// `ssh://` or the form of scp, as `git` takes it.
    Ssh { text: String, host: String, path: String },
}

/// A remote repository's place. `Display` shows it, and never a secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RemoteUrl(Kind);

/// How a remote is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A path on this machine.
    Local,
    /// HTTP, with TLS unless it is loopback.
    Http,
    /// SSH.
    Ssh,
}

impl RemoteUrl {
    /// Takes a path on this machine, which need not be UTF-8.
    pub fn from_path(path: &Path) -> Self {
        Self(Kind::Local { path: path.to_owned(), shown: path.display().to_string() })
    }

    /// Parses a URL and drops the user and password that it may hold.
    ///
    /// For URLs that another program wrote (CI systems put a job's token into `origin`): nobody can be
    /// asked to write them differently, and their secret is neither used nor kept.
    ///
    /// # Errors
    ///
    /// [`UrlError`], as `from_str`, but for passwords.
    pub fn without_password(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if is_http(scheme) => (scheme, rest),
            _ => return text.parse(),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        match rest[..end].rfind('@') {
            Some(at) => format!("{scheme}://{}", &rest[at + 1..]).parse(),
            None => text.parse(),
        }
    }

    /// Whether the repository is a folder of this machine.
    pub fn is_local(&self) -> bool {
        self.reach() == Reach::Local
    }

    /// Returns how the remote is reached.
    pub fn reach(&self) -> Reach {
        match self.0 {
            Kind::Local { .. } => Reach::Local,
            Kind::Http { .. } => Reach::Http,
            Kind::Ssh { .. } => Reach::Ssh,
        }
    }

    /// Returns the host with its port, where there is one.
    pub fn host(&self) -> Option<&str> {
        match &self.0 {
            Kind::Local { .. } => None,
            Kind::Http { host, .. } | Kind::Ssh { host, .. } => Some(host),
        }
    }

    /// Returns the repository's path on its host without `.git` and outer slashes: `acme/gitops`.
    pub fn path(&self) -> String {
        let path = match &self.0 {
            Kind::Local { path, .. } => path.to_string_lossy().into_owned(),
            Kind::Http { path, .. } | Kind::Ssh { path, .. } => path.clone(),
        };
        let path = path.trim_matches('/');
        path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/').to_owned()
    }

    /// Returns the last part of the path without `.git`.
    pub fn name(&self) -> String {
        let path = self.path();
        path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Returns the part before the last one, where there is one.
    pub fn owner(&self) -> Option<String> {
        let path = self.path();
        path.rsplit('/').nth(1).filter(|owner| !owner.is_empty()).map(str::to_owned)
    }

    /// Returns the same place with a relative path made absolute.
    pub fn resolved_against(&self, root: &Path) -> Self {
        match &self.0 {
            Kind::Local { path, .. } if path.is_relative() => Self::from_path(&root.join(path)),
            _ => self.clone(),
        }
    }

    /// Returns the folder of a local repository.
    pub fn local_path(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Local { path, .. } => Some(path),
            Kind::Http { .. } | Kind::Ssh { .. } => None,
        }
    }

    /// Returns what the `git` program takes. Local paths must have been made absolute.
    pub(super) fn argument(&self) -> OsString {
        match &self.0 {
            Kind::Local { path, .. } => path.into(),
            Kind::Http { url, .. } => url.into(),
            Kind::Ssh { text, .. } => text.into(),
        }
    }

    /// Returns the same HTTP URL with `.git` at its end, unless it ends so already.
    pub(super) fn with_suffix(&self) -> Option<Self> {
        match &self.0 {
            Kind::Http { url, host, path } if !path.trim_end_matches('/').ends_with(".git") => Some(Self(Kind::Http {
                url: format!("{}.git", url.trim_end_matches('/')),
                host: host.clone(),
                path: format!("{}.git", path.trim_end_matches('/')),
            })),
            _ => None,
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Local { shown, .. } => formatter.pad(shown),
            Kind::Http { url, .. } => formatter.pad(url),
            Kind::Ssh { text, .. } => formatter.pad(text),
        }
    }
}

impl FromStr for RemoteUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        if text.is_empty() {
            return Err(UrlError::Empty);
        }
        if text.len() > MAX_LENGTH || text.chars().any(char::is_control) {
            return Err(UrlError::Form(shorten(without_userinfo(text))));
        }
        match text.split_once("://") {
            Some((scheme, _)) if is_http(scheme) => http(text),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("file") => file(text),
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("ssh") => ssh(text),
            Some((scheme, _)) if is_scheme(scheme) => Err(UrlError::Scheme(shorten(scheme))),
            _ => match scp_parts(text) {
                Some((user_and_host, path)) => scp(text, user_and_host, path),
                None => Ok(Self(Kind::Local { path: text.into(), shown: text.to_owned() })),
            },
        }
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// Cuts off what may be a user and a password, so that a faulty URL can be shown.
fn without_userinfo(text: &str) -> &str {
    text.rfind('@').map_or(text, |at| &text[at + 1..])
}

fn parse(text: &str) -> Result<url::Url, UrlError> {
    // The parser's own message is left out: it would say less than the list of forms does.
    url::Url::parse(text).ok().ok_or_else(|| UrlError::Form(shorten(without_userinfo(text))))
}

fn host_and_port(url: &url::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn http(text: &str) -> Result<RemoteUrl, UrlError> {
    let mut url = parse(text)?;
    let host = host_and_port(&url);
    if url.password().is_some() {
        return Err(UrlError::Password { host });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(UrlError::Query { host });
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(UrlError::ClearText(host));
    }
    if url.path().trim_matches('/').is_empty() {
        return Err(UrlError::Form(shorten(without_userinfo(text))));
    }
    // A user alone says nothing (the header names one), but may be a token put in the wrong place.
    if url.set_username("").is_err() {
        return Err(UrlError::Form(shorten(without_userinfo(text))));
    }
    Ok(RemoteUrl(Kind::Http { host, path: url.path().to_owned(), url: url.into() }))
}

fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn file(text: &str) -> Result<RemoteUrl, UrlError> {
    let path = parse(text)?.to_file_path().ok();
    let path = path.ok_or_else(|| UrlError::Form(shorten(without_userinfo(text))))?;
    Ok(RemoteUrl(Kind::Local { path, shown: text.to_owned() }))
}

fn ssh(text: &str) -> Result<RemoteUrl, UrlError> {
    let url = parse(text)?;
    let host = host_and_port(&url);
    if url.password().is_some() {
        return Err(UrlError::Password { host });
    }
    let faulty = || UrlError::Form(shorten(without_userinfo(text)));
    // A host or user that begins with `-` would be an option to the ssh program.
    if host.is_empty() || host.starts_with('-') || url.username().starts_with('-') {
        return Err(faulty());
    }
    if url.path().trim_matches('/').is_empty() || url.query().is_some() || url.fragment().is_some() {
        return Err(faulty());
    }
    Ok(RemoteUrl(Kind::Ssh { text: text.to_owned(), host, path: url.path().to_owned() }))
}

/// Splits `git@host:path`; a `/` before the colon makes it a path, as `git` has it.
fn scp_parts(text: &str) -> Option<(&str, &str)> {
    let (before, path) = match text.find(']') {
        Some(bracket) if text.contains('[') => {
            let (before, path) = text.split_at(bracket + 1);
            (before, path.strip_prefix(':')?)
        }
        _ => text.split_once(':')?,
    };
    (!before.contains('/')).then_some((before, path))
}

fn scp(text: &str, user_and_host: &str, path: &str) -> Result<RemoteUrl, UrlError> {
    let (user, host) = user_and_host.rsplit_once('@').unwrap_or(("", user_and_host));
    // `user:password@host:path` splits at the first colon: what follows then holds an `@`.
    if let Some((_, host)) = path.split_once('@')
        && !user_and_host.contains('@')
    {
        let host = host.split([':', '/']).next().unwrap_or_default();
        return Err(UrlError::Password { host: shorten(host) });
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'[' | b']' | b':');
    let fits = !host.is_empty()
        && !host.starts_with('-')
        && !user.starts_with('-')
        && host.bytes().all(plain)
        // `ext::command` would start a transport helper.
        && !path.starts_with(':')
        && !path.trim_matches('/').is_empty();
    if !fits {
        return Err(UrlError::Form(shorten(without_userinfo(text))));
    }
    Ok(RemoteUrl(Kind::Ssh { text: text.to_owned(), host: host.to_owned(), path: path.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> RemoteUrl {
        text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    #[test]
    fn reads_every_form_with_owner_and_name() {
        for (text, reach, host, path) in [
            ("https://github.com/acme/gitops", Reach::Http, Some("github.com"), "acme/gitops"),
            ("https://gitlab.example:8443/a/b/gitops.git", Reach::Http, Some("gitlab.example:8443"), "a/b/gitops"),
            ("http://127.0.0.1:3000/acme/gitops.git", Reach::Http, Some("127.0.0.1:3000"), "acme/gitops"),
            ("http://[::1]:3000/acme/gitops", Reach::Http, Some("[::1]:3000"), "acme/gitops"),
            ("ssh://git@git.example:2222/acme/gitops.git", Reach::Ssh, Some("git.example:2222"), "acme/gitops"),
            ("git@github.com:acme/gitops.git", Reach::Ssh, Some("github.com"), "acme/gitops"),
            ("github.com:acme/gitops", Reach::Ssh, Some("github.com"), "acme/gitops"),
            ("file:///srv/git/acme/gitops%20two.git", Reach::Local, None, "srv/git/acme/gitops two"),
            ("/srv/git/acme/gitops.git/", Reach::Local, None, "srv/git/acme/gitops"),
            ("./acme/git:ops", Reach::Local, None, "./acme/git:ops"),
        ] {
            let url = url(text);
            assert_eq!((url.reach(), url.host(), url.path().as_str()), (reach, host, path), "{text}");
            assert_eq!(url.to_string(), text);
            assert_eq!(url.owner().as_deref(), path.rsplit('/').nth(1), "{text}");
            assert!(url.name().starts_with("git"), "{text}");
        }
    }

    #[test]
    fn refuses_passwords_and_never_repeats_them() {
        for text in [
            "https://user:hunter2@github.com/acme/gitops",
            "https://:hunter2@github.com/acme/gitops",
            "ssh://git:hunter2@github.com/acme/gitops",
            "git:hunter2@github.com:acme/gitops",
        ] {
            let fault = text.parse::<RemoteUrl>().unwrap_err();
            assert_eq!(fault, UrlError::Password { host: "github.com".to_owned() }, "{text}");
            assert!(!fault.to_string().contains("hunter2") && fault.to_string().contains("TAGBOAT_TOKEN"));
        }
        for text in ["https://user:hunter2@[bad/acme", "https://user:hunter2@github.com/a\n", "ftp://u:hunter2@h/p"] {
            let fault = text.parse::<RemoteUrl>().unwrap_err();
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
    }

    #[test]
    fn drops_what_another_program_put_into_the_url() {
        let url = RemoteUrl::without_password("https://gitlab-ci-token:hunter2@gitlab.com/a/b.git").unwrap();
        assert_eq!(url.to_string(), "https://gitlab.com/a/b.git");
        assert!(!format!("{url:?}").contains("hunter2"));
        assert_eq!(RemoteUrl::without_password("git@h:a/b").unwrap().to_string(), "git@h:a/b");
        assert_eq!(
            "https://hunter2@github.com/a/b".parse::<RemoteUrl>().unwrap().to_string(),
            "https://github.com/a/b"
        );
    }

    #[test]
    fn refuses_clear_text_options_and_odd_schemes() {
        for text in [
            "",
            "http://git.example/acme/gitops",
            "http://127.0.0.1.example/acme/gitops",
            "git://git.example/acme/gitops",
            "ext::sh -c id://x",
            "ssh://-oProxyCommand=id/acme/gitops",
            "-oProxyCommand=id:acme",
            "git@-oProxyCommand:acme",
            "https://github.com",
            "https://github.com/acme/gitops?token=hunter2",
            "https://github.com/acme/gitops#main",
            "file://elsewhere/acme",
        ] {
            assert!(text.parse::<RemoteUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn relative_paths_resolve_against_a_root() {
        let resolved = url("../gitops.git").resolved_against(Path::new("/srv/team"));
        assert_eq!(resolved.local_path(), Some(Path::new("/srv/team/../gitops.git")));
        assert_eq!(url("/srv/x").resolved_against(Path::new("/other")).local_path(), Some(Path::new("/srv/x")));
    }
}
