//! Credentials for a remote, and the shape in which each host takes them.
//!
//! The entry point is [`Access`]. A secret leaves this module as an `Authorization` header alone: for the
//! `git` program in an environment variable, for fetching in memory. Never an argument, a URL or a file.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};

use crate::git::GitError;
use crate::git::url::{Reach, RemoteUrl};

/// How to be let in. `Debug` shows no secret.
#[derive(Clone, Default)]
pub enum Access {
    /// As anybody, or for SSH with the agent's and the account's own keys.
    #[default]
    None,
    /// A forge's token. It is sent as a password beside a fixed user name, since every forge takes it
    /// so for Git over HTTP, while none takes all its kinds of tokens as bearer tokens.
    ///
    /// GitHub asks for `x-access-token` with App installation tokens and ignores the name otherwise;
    /// GitLab asks for `oauth2` with OAuth tokens and ignores the name for personal, group and project
    /// tokens; Gitea and Forgejo ignore it. GitLab's job and deploy tokens have names of their own: [`Access::Basic`].
    Token(SecretString),
    /// A user name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// A token for servers that take nothing but `Bearer`.
    Bearer(SecretString),
    /// A private key's file, for SSH.
    SshKey {
        /// The key.
        file: PathBuf,
        /// The known hosts, where they are not the account's.
        known_hosts: Option<PathBuf>,
    },
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => write!(formatter, "None"),
            Self::Token(_) => write!(formatter, "Token([redacted])"),
            Self::Basic { user, .. } => write!(formatter, "Basic {{ user: {user:?}, password: [redacted] }}"),
            Self::Bearer(_) => write!(formatter, "Bearer([redacted])"),
            Self::SshKey { file, .. } => write!(formatter, "SshKey {{ file: {file:?} }}"),
        }
    }
}

impl Access {
    /// Returns the whole header line `Authorization: …` for an HTTP remote.
    ///
    /// # Errors
    ///
    /// [`GitError::Denied`] for a secret that no header can carry (a line end in it).
    pub(super) fn header(&self, url: &RemoteUrl) -> Result<Option<SecretString>, GitError> {
        if url.reach() != Reach::Http {
            return Ok(None);
        }
        let basic = |user: &str, password: &SecretString| {
            format!("Authorization: Basic {}", STANDARD.encode(format!("{user}:{}", password.expose_secret())))
        };
        let line = match self {
            Self::None | Self::SshKey { .. } => return Ok(None),
            Self::Token(token) => basic(token_user(url.host().unwrap_or_default()), token),
            Self::Basic { user, password } => basic(user, password),
            Self::Bearer(token) => format!("Authorization: Bearer {}", token.expose_secret()),
        };
        let faulty = |text: &str| text.is_empty() || text.chars().any(|character| character.is_ascii_control());
        if self.secrets().into_iter().any(faulty) || line.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
            return Err(GitError::Denied("the credential is empty, or holds a character that none has".to_owned()));
        }
        Ok(Some(line.into()))
    }

    /// Returns the command that `git` starts for SSH: no questions, no shared connections, bounded waiting.
    pub(super) fn ssh_command(&self) -> OsString {
        let mut command = OsString::from(
            "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4 \
             -o ControlMaster=no -o ControlPath=none",
        );
        if let Self::SshKey { file, known_hosts } = self {
            command.push(" -o IdentitiesOnly=yes -i ");
            command.push(quoted(file.as_os_str()));
            if let Some(known_hosts) = known_hosts {
                // ssh splits the value at spaces unless it stands in quotes of its own.
                command.push(" -o ");
                let mut option = OsString::from("UserKnownHostsFile=\"");
                option.push(known_hosts);
                option.push("\"");
                command.push(quoted(&option));
            }
        }
        command
    }

    /// Replaces every secret in a text that came from outside.
    pub(super) fn redact(&self, text: &str, url: &RemoteUrl) -> String {
        let mut text = text.to_owned();
        let header = self.header(url).ok().flatten();
        let sent = header.as_ref().and_then(|line| line.expose_secret().rsplit(' ').next().map(str::to_owned));
        for secret in self.secrets().into_iter().map(str::to_owned).chain(sent) {
            if !secret.is_empty() {
                text = text.replace(&secret, "***");
            }
        }
        text
    }

    fn secrets(&self) -> Vec<&str> {
        match self {
            Self::None | Self::SshKey { .. } => Vec::new(),
            Self::Token(secret) | Self::Bearer(secret) | Self::Basic { password: secret, .. } => {
                vec![secret.expose_secret()]
            }
        }
    }
}

fn token_user(host: &str) -> &'static str {
    let is_gitlab = host.split('.').any(|label| label.eq_ignore_ascii_case("gitlab"));
    if is_gitlab { "oauth2" } else { "x-access-token" }
}

/// Puts a text into single quotes for the shell through which `git` starts the SSH command.
fn quoted(text: &OsStr) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

    let mut bytes = vec![b'\''];
    for byte in text.as_bytes() {
        match byte {
            b'\'' => bytes.extend_from_slice(b"'\\''"),
            other => bytes.push(*other),
        }
    }
    bytes.push(b'\'');
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(access: &Access, url: &str) -> String {
        let url = url.parse().unwrap();
        let line = access.header(&url).unwrap().unwrap();
        let line = line.expose_secret();
        match line.strip_prefix("Authorization: Basic ") {
            Some(encoded) => String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap(),
            None => line.to_owned(),
        }
    }

    #[test]
    fn presents_a_token_as_each_forge_wants_it() {
        let token = Access::Token("t0ken".into());
        assert_eq!(header(&token, "https://github.com/a/b"), "x-access-token:t0ken");
        assert_eq!(header(&token, "https://gitlab.com/a/b"), "oauth2:t0ken");
        assert_eq!(header(&token, "https://gitlab.acme.example:8443/a/b"), "oauth2:t0ken");
        assert_eq!(header(&token, "https://git.acme.example/a/b"), "x-access-token:t0ken");
        assert_eq!(header(&Access::Bearer("t0ken".into()), "https://h/a"), "Authorization: Bearer t0ken");
        assert!(token.header(&"/srv/x".parse().unwrap()).unwrap().is_none());
        assert!(token.header(&"git@h:a/b".parse().unwrap()).unwrap().is_none());
    }

    #[test]
    fn refuses_secrets_that_would_break_the_header() {
        let url = "https://github.com/a/b".parse().unwrap();
        for secret in ["", "a\r\nX-Evil: 1", "tail\n"] {
            assert!(Access::Token(secret.into()).header(&url).is_err());
            let fault = Access::Bearer(secret.into()).header(&url).unwrap_err();
            assert!(!fault.to_string().contains("Evil"));
        }
    }

    #[test]
    fn no_text_shows_a_secret() {
        let url: RemoteUrl = "https://github.com/a/b".parse().unwrap();
        let access = Access::Basic { user: "bot".to_owned(), password: "hunter2".into() };
        assert!(!format!("{access:?}").contains("hunter2"));
        let encoded = STANDARD.encode("bot:hunter2");
        assert_eq!(access.redact(&format!("echo hunter2 and {encoded}"), &url), "echo *** and ***");
    }

    #[test]
    fn quotes_the_key_for_the_shell() {
        let access = Access::SshKey { file: "/k e'y".into(), known_hosts: Some("/known hosts".into()) };
        let command = access.ssh_command().into_string().unwrap();
        assert!(command.contains(r"-i '/k e'\''y'"), "{command}");
        assert!(command.contains(r#"-o 'UserKnownHostsFile="/known hosts"'"#), "{command}");
    }
}
