//! The token that goes along with a question: an App's is fetched, kept, renewed before its end, and let go where it is refused.
//!
//! Entry point: [`Transport::token`].

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::forge::ForgeError;
use crate::forge::github::identity::{App, Held, Identity};
use crate::forge::github::raw;
use crate::forge::github::transport::{Answer, ONCE, Transport};
use crate::http::retry::RetryPolicy;
use crate::model::image::shorten;

impl Transport {
    /// Returns the token to show now: an App's is fetched, kept, and renewed before it ends.
    pub(super) async fn token(&self) -> Result<SecretString, ForgeError> {
        match &*self.identity {
            Identity::Token(token) => Ok(token.clone()),
            Identity::App(app) => Ok(self.held(app).await?.token),
        }
    }

    /// Lets a token go that is not taken any more, so that the next question fetches another; tells whether there can be one.
    pub(super) async fn let_go(&self, token: &SecretString) -> bool {
        let Identity::App(app) = &*self.identity else { return false };
        let mut held = app.held.lock().await;
        // Somebody else may have fetched the next one by now.
        if held.as_ref().is_some_and(|held| held.token.expose_secret() == token.expose_secret()) {
            *held = None;
            app.forget(self.place());
        }
        true
    }

    /// Lets whatever token go that is held; tells whether there can be another.
    pub(super) async fn let_go_of_any(&self) -> bool {
        let Identity::App(app) = &*self.identity else { return false };
        let mut held = app.held.lock().await;
        held.take();
        app.forget(self.place());
        true
    }

    /// Returns for what a token of an App's installation is fetched.
    fn place(&self) -> (&Url, &str) {
        (&self.base, &self.repository)
    }

    /// Returns what is held of an App's installation.
    pub(super) async fn held(&self, app: &App) -> Result<Held, ForgeError> {
        let mut held = app.held.lock().await;
        let now = self.clock.now();
        if let Some(good) = held.as_ref().filter(|held| held.is_good(now)) {
            return Ok(good.clone());
        }
        let left = app.left(self.place());
        if let Some(good) = left.as_ref().filter(|left| left.outlasts(self.pass_time(), now)) {
            *held = Some(good.clone());
            return Ok(good.clone());
        }
        let known = app.installation.or(held.as_ref().or(left.as_ref()).map(|before| before.installation));
        let fresh = match known {
            // Where the App was installed anew, or the repository has gone elsewhere, it is another one by now, or none.
            Some(known) => match self.fetched(app, known, now).await? {
                Err(refused) if refused.status.is_client_error() && app.installation.is_none() => {
                    self.fetched(app, self.installation(app, now).await?, now).await?
                }
                fetched => fetched,
            },
            None => self.fetched(app, self.installation(app, now).await?, now).await?,
        };
        let fresh = fresh.map_err(|refused| refused.refusal("a token of the App's installation"))?;
        app.leave(self.place(), &fresh);
        *held = Some(fresh.clone());
        Ok(fresh)
    }

    /// Looks up which installation of the App has the repository.
    async fn installation(&self, app: &App, now: Timestamp) -> Result<u64, ForgeError> {
        let parts: Vec<&str> =
            ["repos"].into_iter().chain(self.repository.split('/')).chain(["installation"]).collect();
        let url = self.url(&parts, &[]);
        let retry = RetryPolicy { after_silence: 2, after_trouble: 2, first_wait: Duration::from_millis(250) };
        let answer = self.send(Method::GET, &url, HeaderMap::new(), None, retry, &web_token(app, now)?).await?;
        match answer.status {
            StatusCode::OK => Ok(answer.json::<raw::Installation>()?.id),
            StatusCode::NOT_FOUND => {
                Err(ForgeError::Stop(format!("the GitHub App is not installed on {}", shorten(&self.repository))))
            }
            _ => Err(answer.refusal("to tell the App's installation")),
        }
    }

    /// Fetches a token of an installation; the inner error is the answer by which GitHub refused it.
    async fn fetched(&self, app: &App, installation: u64, now: Timestamp) -> Result<Result<Held, Answer>, ForgeError> {
        let url = self.url(&["app", "installations", &installation.to_string(), "access_tokens"], &[]);
        let name = self.repository.rsplit('/').next().unwrap_or_default();
        // A token for this repository alone, so that one that leaks opens no other.
        let body = serde_json::json!({"repositories": [name]});
        let answer = self.send(Method::POST, &url, HeaderMap::new(), Some(&body), ONCE, &web_token(app, now)?).await?;
        if answer.status != StatusCode::CREATED {
            return Ok(Err(answer));
        }
        let fetched: raw::InstallationToken = answer.json()?;
        Ok(Ok(Held {
            token: fetched.token.into(),
            expires: fetched.expires_at,
            permissions: fetched.permissions.into_iter().collect(),
            installation,
        }))
    }
}

fn web_token(app: &App, now: Timestamp) -> Result<SecretString, ForgeError> {
    app.web_token(now).ok_or_else(|| ForgeError::Stop("the key of the GitHub App signs nothing".to_owned()))
}
