//! Somebody who is told: whom they are, what they want to hear, and how it is sent to them.
//!
//! Entry points: [`Receiver::wants`] and [`Receiver::send`]. Secrets are read when they are used, and are in no error: what is said
//! of a failure is a host, a status, or a word of the receiver's. URLs are the operator's, never a repository's.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::cache::Key32;
use crate::clock::Clock;
use crate::config::environment::Environment;
use crate::config::service::{Channel, Notify, SecretPlace, Service};
use crate::http::client::{Call, HttpClient, PlainHttp};
use crate::http::error::HttpError;
use crate::http::retry::RetryPolicy;
use crate::pass::setup;
use crate::service::notify::message::{Markup, Message};
use crate::service::notify::news::{Event, EventId};

/// How long sending one message may take.
const TIME: Duration = Duration::from_secs(15);

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 64 << 10;

/// How long something waits until it is told, unless the configuration says otherwise.
const WAITING: SignedDuration = SignedDuration::from_hours(24);

/// Slack's API.
const SLACK_API: &str = "https://slack.com/api/";

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was taken.
    Taken,
    /// The message itself is refused: it would be the next time, too.
    Refused(String),
    /// It did not arrive; why, and when the receiver wants to be asked again.
    Later(String, Option<Duration>),
}

/// Somebody who is told.
pub(super) struct Receiver {
    notify: Notify,
    /// The same at every start, of this one alone.
    identity: String,
    service: Service,
    environment: Environment,
    http: HttpClient,
    clock: Arc<dyn Clock>,
}

/// The parts of one request.
struct Parts {
    url: Url,
    headers: HeaderMap,
    body: String,
}

impl Receiver {
    /// Makes one of its entry in the configuration; `number` tells entries of the same channel apart.
    pub(super) fn new(
        notify: &Notify,
        number: usize,
        service: &Service,
        environment: &Environment,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let ca_file = notify.ca_file.as_ref().map(|file| service.resolve(file));
        let http = setup::outgoing(ca_file, environment, Arc::clone(&clock));
        let identity = format!("{} {number}", name(&notify.channel));
        let (service, environment) = (service.clone(), environment.clone());
        Self { notify: notify.clone(), identity, service, environment, http, clock }
    }

    /// Returns the kind of its channel, for logs and metrics.
    pub(super) fn channel(&self) -> &'static str {
        match self.notify.channel {
            Channel::Slack(_) | Channel::SlackBot { .. } => "slack",
            Channel::Teams(_) => "teams",
            Channel::Webhook { .. } => "webhook",
        }
    }

    /// Returns the key under which is kept what it was told of a repository.
    pub(super) fn key(&self, repository: &str) -> Key32 {
        let parts = ["told", self.identity.as_str(), repository];
        let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part).chain_update([0]));
        Key32(hash.finalize().into())
    }

    /// Whether it wants to hear of a repository at all.
    pub(super) fn follows(&self, repository: &str) -> bool {
        self.notify.repositories.is_empty() || self.notify.repositories.iter().any(|url| url == repository)
    }

    /// Whether it wants to hear of an event. What is about a repository as a whole is about each environment.
    pub(super) fn wants(&self, event: &Event) -> bool {
        let on = &self.notify.on;
        let environments = &self.notify.environments;
        let is_here = environments.is_empty()
            || event.environments.is_empty()
            || environments.iter().any(|environment| event.environments.contains(environment));
        (on.is_empty() || on.contains(&event.what.as_str())) && is_here
    }

    /// Returns how long something waits until it is told.
    pub(super) fn waiting_after(&self) -> SignedDuration {
        self.notify.waiting_after.unwrap_or(WAITING)
    }

    /// Makes the message about some events.
    pub(super) fn message(&self, repository: &str, id: EventId, events: &[&Event]) -> Message {
        let markup = match self.notify.channel {
            Channel::Slack(_) | Channel::SlackBot { .. } => Markup::Slack,
            Channel::Teams(_) => Markup::Teams,
            Channel::Webhook { .. } => Markup::Plain,
        };
        Message::of(repository, id, events, markup, self.notify.template.as_ref())
    }

    /// Sends a message, once.
    pub(super) async fn send(&self, message: &Message) -> Sent {
        let later = |reason: String| Sent::Later(reason, None);
        let Parts { url, headers, body } = match self.parts(message) {
            Ok(parts) => parts,
            Err(reason) => return later(reason),
        };
        let call = Call {
            method: Method::POST,
            url,
            headers,
            body: Some(SecretString::from(body)),
            deadline: self.clock.instant() + TIME,
            retry: RetryPolicy::NONE,
            plain: PlainHttp::Loopback,
        };
        let answer = match self.http.send(&call).await {
            Ok(answer) => answer,
            Err(HttpError::Throttled { host, wait, .. }) => {
                return Sent::Later(format!("{host} wants to be asked later"), wait);
            }
            Err(error) => return later(error.to_string()),
        };
        let status = answer.status;
        if !status.is_success() {
            let reason = format!("{} answered {}", answer.url.host_str().unwrap_or("the receiver"), status.as_u16());
            let is_message = [
                StatusCode::BAD_REQUEST,
                StatusCode::PAYLOAD_TOO_LARGE,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                StatusCode::UNPROCESSABLE_ENTITY,
            ]
            .contains(&status);
            return if is_message { Sent::Refused(reason) } else { later(reason) };
        }
        if matches!(self.notify.channel, Channel::SlackBot { .. }) {
            return match answer.body(LONGEST_ANSWER).whole().await {
                Ok(body) => of_slack(&body),
                Err(error) => later(error.to_string()),
            };
        }
        Sent::Taken
    }

    fn parts(&self, message: &Message) -> Result<Parts, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        let (url, body) = match &self.notify.channel {
            Channel::Slack(place) => (self.secret_url(place)?, slack(message).to_string()),
            Channel::SlackBot { token, channel, api } => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", self.secret(token)?.expose_secret()))
                    .map_err(|_not_a_header| "the token of Slack's bot is none".to_owned())?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
                let base = api.as_deref().unwrap_or(SLACK_API).trim_end_matches('/');
                let url = Url::parse(&format!("{base}/chat.postMessage"));
                let mut body = slack(message);
                body["channel"] = channel.as_str().into();
                (url.map_err(|_no_url| "`apiUrl` is no URL".to_owned())?, body.to_string())
            }
            Channel::Teams(place) => (self.secret_url(place)?, teams(message).to_string()),
            Channel::Webhook { url, secret } => {
                let body = self.json(message).to_string();
                self.sign(&mut headers, message, &body, secret.as_ref())?;
                (Url::parse(url).map_err(|_no_url| "`url` is no URL".to_owned())?, body)
            }
        };
        Ok(Parts { url, headers, body })
    }

    fn secret(&self, place: &SecretPlace) -> Result<SecretString, String> {
        setup::secret(place, &self.service, &self.environment).map_err(|error| error.to_string())
    }

    /// Reads a URL that is a secret; no message repeats it.
    fn secret_url(&self, place: &SecretPlace) -> Result<Url, String> {
        Url::parse(self.secret(place)?.expose_secret()).map_err(|_secret| "its URL is none".to_owned())
    }

    fn json(&self, message: &Message) -> Json {
        json!({
            "version": 1, "id": message.id.hex(), "time": self.clock.now().to_string(), "repository": message.repository,
            "text": message.text, "events": message.events,
        })
    }

    /// Signs a body as Standard Webhooks has it: HMAC-SHA256 of id, time and body.
    fn sign(
        &self,
        headers: &mut HeaderMap,
        message: &Message,
        body: &str,
        secret: Option<&SecretPlace>,
    ) -> Result<(), String> {
        let (id, time) = (message.id.hex(), self.clock.now().as_second().to_string());
        let mut add = |name, value: String| {
            // Digits, letters and signs of Base64.
            let value = HeaderValue::from_str(&value).expect("it is printable");
            headers.insert(HeaderName::from_static(name), value);
        };
        if let Some(place) = secret {
            let secret = self.secret(place)?;
            let text = secret.expose_secret();
            let decoded = text.strip_prefix("whsec_").and_then(|coded| STANDARD.decode(coded).ok());
            let key = hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(text.as_bytes()));
            let tag = hmac::sign(&key, format!("{id}.{time}.{body}").as_bytes());
            add("webhook-signature", format!("v1,{}", STANDARD.encode(tag)));
        }
        add("webhook-id", id);
        add("webhook-timestamp", time);
        Ok(())
    }
}

/// Returns what a channel is known by: no secret, only where it is kept.
fn name(channel: &Channel) -> String {
    let place = |place: &SecretPlace| match place {
        SecretPlace::File(file) => format!("file {}", file.0),
        SecretPlace::Variable(name) => format!("variable {}", name.0),
    };
    match channel {
        Channel::Slack(url) => format!("slack {}", place(url)),
        Channel::SlackBot { token, channel, .. } => format!("slack {} {channel}", place(token)),
        Channel::Teams(url) => format!("teams {}", place(url)),
        Channel::Webhook { url, .. } => format!("webhook {url}"),
    }
}

/// Slack's message: one text, in which nobody is called and nothing is shown of what is linked.
fn slack(message: &Message) -> Json {
    json!({
        "text": message.text, "mrkdwn": true, "link_names": false, "unfurl_links": false, "unfurl_media": false,
    })
}

/// An Adaptive Card, as workflows of Teams take it.
fn teams(message: &Message) -> Json {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": [{"type": "TextBlock", "text": message.text, "wrap": true}],
            },
        }],
    })
}

/// What Slack's API says, beside 200.
#[derive(Deserialize)]
struct SlackAnswer {
    ok: bool,
    error: Option<String>,
}

fn of_slack(body: &[u8]) -> Sent {
    let Ok(answer) = serde_json::from_slice::<SlackAnswer>(body) else {
        return Sent::Later("Slack answered something else than JSON".to_owned(), None);
    };
    if answer.ok {
        return Sent::Taken;
    }
    let is_word =
        |text: &String| text.len() <= 60 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let error = answer.error.filter(is_word).unwrap_or_else(|| "unknown".to_owned());
    let reason = format!("Slack answered `{error}`");
    match error.as_str() {
        "msg_too_long" | "no_text" | "invalid_arguments" => Sent::Refused(reason),
        _ => Sent::Later(reason, None),
    }
}
