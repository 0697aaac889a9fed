//! The way to a NATS server: who we are, which authority is believed, and how long anything may take.
//!
//! Login and files are read anew for each connection, so that what is rotated is found at the next one.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;

use crate::queue::nats::words;

/// How long connecting to one server may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an answer may take.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How often a silent server is asked whether it is there; two answers may be missing.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How one logs in.
#[derive(Debug, Default)]
pub enum Login {
    /// As nobody.
    #[default]
    Nobody,
    /// By the text of a credentials file: a JWT and the seed of a key, which signs what the server asks.
    Credentials(SecretString),
    /// By a token.
    Token(SecretString),
    /// By a name and a password.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: SecretString,
    },
}

/// Reads how one logs in, or says why not.
pub type ReadLogin = Box<dyn Fn() -> Result<Login, String> + Send + Sync>;

/// Which servers, and how they are reached.
pub struct Servers {
    /// Their URLs, `nats://` or `tls://`.
    pub urls: Vec<String>,
    /// Reads how one logs in.
    pub login: ReadLogin,
    /// Certificates of their authority, in place of the machine's.
    pub ca_file: Option<PathBuf>,
    /// A certificate that is shown to them, and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether a token or password may be sent without TLS to a server that is not on loopback.
    pub insecure: bool,
}

impl Servers {
    /// Connects; `broken` is told when the connection breaks. It is not mended: whoever uses it makes another one.
    ///
    /// # Errors
    ///
    /// Why it cannot be, in words without any secret.
    pub(super) async fn connect(&self, name: &str, broken: mpsc::Sender<String>) -> Result<Client, String> {
        let mut options = ConnectOptions::new()
            .name(name)
            .connection_timeout(CONNECT_TIME)
            .request_timeout(Some(ANSWER_TIME))
            .ping_interval(PING_INTERVAL)
            .max_reconnects(1)
            .event_callback(move |event| {
                let broken = broken.clone();
                async move {
                    if matches!(event, Event::Disconnected | Event::Closed) {
                        // One word is enough.
                        drop(broken.try_send("the connection broke off".to_owned()));
                    }
                }
            });
        let mut is_shown = false;
        options = match (self.login)()? {
            Login::Nobody => options,
            // The client wants the line end behind the last line, which went with the reading.
            Login::Credentials(text) => options
                .credentials(&format!("{}\n", text.expose_secret()))
                .map_err(|_no_such_form| "the credentials file holds no JWT with the seed of a key".to_owned())?,
            Login::Token(token) => {
                is_shown = true;
                options.token(token.expose_secret().to_owned())
            }
            Login::Basic { username, password } => {
                is_shown = true;
                options.user_and_password(username, password.expose_secret().to_owned())
            }
        };
        if let Some(file) = &self.ca_file {
            options = options.add_root_certificates(file.clone()).require_tls(true);
        }
        if let Some((certificate, key)) = &self.client_certificate {
            options = options.add_client_certificate(certificate.clone(), key.clone()).require_tls(true);
        }
        if is_shown && !self.insecure && !self.urls.iter().all(|url| is_loopback(url)) {
            options = options.require_tls(true);
        }
        options.connect(self.urls.as_slice()).await.map_err(|error| words(&error))
    }
}

fn is_loopback(url: &str) -> bool {
    let Ok(url) = url::Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_to_this_machine_without_tls_and_nowhere_else() {
        for (url, expected) in [
            ("nats://127.0.0.1:4222", true),
            ("nats://localhost:4222", true),
            ("nats://[::1]:4222", true),
            ("nats://nats:4222", false),
            ("nats://127.0.0.1.example:4222", false),
            ("nats", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }
}
