//! What Tagboat keeps at a NATS server: one stream for passes, and a bucket for each kind of what is shared.
//!
//! Everything is made where it is missing, so that a server that lost its store is filled again by whoever comes first.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::pull::Config as PullConfig;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, PullConsumer};
use async_nats::jetstream::context::{Context, ContextBuilder, PublishError};
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, Stream};
use async_nats::jetstream::{Error as JetStreamError, ErrorCode};
use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::queue::nats::connection::ANSWER_TIME;
use crate::queue::nats::{Settings, words};
use crate::queue::{Ask, Cause};

/// For how long the moments that were asked for are remembered: what comes later finds in the rows that it is done.
const DUPLICATES: Duration = Duration::from_secs(120);

/// The longest that anything is kept of a repository of which nothing is heard.
const ROWS_AGE: Duration = Duration::from_secs(90 * 86_400);

/// The longest that what a registry allowed is of interest.
const LIMITS_AGE: Duration = Duration::from_secs(86_400);

/// The longest that an answer of a registry is kept, as in the cache.
const ANSWERS_AGE: Duration = Duration::from_secs(90 * 86_400);

/// The most room for answers of registries, in bytes; the oldest go first.
const ANSWERS_ROOM: i64 = 256 << 20;

/// The longest that it is kept of a receiver of notifications what it was told: what is older is told nobody.
const TOLD_AGE: Duration = Duration::from_secs(30 * 86_400);

/// The most room for that, in bytes.
const TOLD_ROOM: i64 = 64 << 20;

/// How many passes of all replicas may be under way.
const MOST_UNDER_WAY: i64 = 65_536;

/// Everything that is kept there.
pub(super) struct Places {
    pub(super) client: Client,
    context: Context,
    name: String,
    stream: Stream,
    lease: Duration,
    /// How repositories stand.
    pub(super) rows: Store,
    /// What registries allow.
    pub(super) limits: Store,
    /// What registries answered; none where the server gives no room for it.
    pub(super) answers: Result<Store, String>,
    /// What receivers of notifications were told; none where the server gives no room for it.
    pub(super) told: Result<Store, String>,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// A pass that begins from now on stands for it.
    Kept,
    /// A pass is asked for or runs already.
    Refused,
    /// The same was asked for not long ago.
    Before,
}

/// Returns the short name of a repository in subjects and keys.
pub(super) fn key(repository: &str) -> String {
    Sha256::digest(repository).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Places {
    /// Opens all of them.
    ///
    /// # Errors
    ///
    /// Why one cannot be had, in words.
    pub(super) async fn open(client: Client, settings: &Settings) -> Result<Self, String> {
        let context = ContextBuilder::new().timeout(ANSWER_TIME).ack_timeout(ANSWER_TIME).build(client.clone());
        let (name, replicas) = (settings.name.clone(), settings.stream_replicas);
        let config = Config {
            name: format!("{name}-passes"),
            description: Some("Tagboat: passes that are asked for or run".to_owned()),
            subjects: vec![format!("{name}.pass.*"), format!("{name}.again.*")],
            retention: RetentionPolicy::WorkQueue,
            // This is what makes a pass the only one of its repository, asked for or running.
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            discard_new_per_subject: true,
            duplicate_window: DUPLICATES,
            num_replicas: replicas,
            ..Config::default()
        };
        let stream = context.get_or_create_stream(config).await.map_err(|error| words(&error))?;
        let found = &stream.cached_info().config;
        let holds = found.retention == RetentionPolicy::WorkQueue
            && found.max_messages_per_subject == 1
            && found.discard == DiscardPolicy::New
            && found.discard_new_per_subject;
        if !holds {
            return Err(format!(
                "the stream {name}-passes is not as Tagboat makes it: delete it, or name another `name`"
            ));
        }
        let bucket = |what: &str, description: &str, max_age, max_bytes| Config {
            name: format!("KV_{name}-{what}"),
            description: Some(format!("Tagboat: {description}")),
            subjects: vec![format!("$KV.{name}-{what}.>")],
            max_messages_per_subject: 1,
            // Unlike in buckets of the client's own making, the oldest go when there is no more room.
            discard: DiscardPolicy::Old,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            max_age,
            max_bytes,
            num_replicas: replicas,
            ..Config::default()
        };
        let open = async |what: &str, config: Config| -> Result<Store, String> {
            context.get_or_create_stream(config).await.map_err(|error| words(&error))?;
            context.get_key_value(format!("{name}-{what}")).await.map_err(|error| words(&error))
        };
        let rows = open("rows", bucket("rows", "how repositories stand", ROWS_AGE, -1)).await?;
        let limits = open("limits", bucket("limits", "what registries allow", LIMITS_AGE, -1)).await?;
        let answers = open("answers", bucket("answers", "what registries answered", ANSWERS_AGE, ANSWERS_ROOM)).await;
        let told = open("told", bucket("told", "what receivers of notifications were told", TOLD_AGE, TOLD_ROOM)).await;
        Ok(Self { client, context, stream, lease: settings.lease, rows, limits, answers, told, name })
    }

    /// Returns the consumer of passes, which all replicas share, and whether nobody is at work there.
    pub(super) async fn passes(&self) -> Result<(PullConsumer, bool), String> {
        let consumer = self.consumer("pass").await?;
        let info = consumer.cached_info();
        let is_first = info.num_waiting == 0 && info.num_ack_pending == 0;
        Ok((consumer, is_first))
    }

    /// Returns the consumer of wishes that came while a pass was asked for or ran.
    pub(super) async fn wishes(&self) -> Result<PullConsumer, String> {
        self.consumer("again").await
    }

    async fn consumer(&self, what: &str) -> Result<PullConsumer, String> {
        let config = PullConfig {
            durable_name: Some(what.to_owned()),
            filter_subject: self.subject(what, "*"),
            ack_policy: AckPolicy::Explicit,
            ack_wait: self.lease,
            max_ack_pending: MOST_UNDER_WAY,
            ..PullConfig::default()
        };
        let consumer: Result<Consumer<PullConfig>, _> = self.stream.create_consumer(config).await;
        consumer.map_err(|error| words(&error))
    }

    fn subject(&self, what: &str, key: &str) -> String {
        format!("{}.{what}.{key}", self.name)
    }

    /// Asks for a pass. A moment that was asked for before is kept already.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Asked, String> {
        let key = key(&ask.repository);
        let id = match ask.cause {
            // Each is about something new.
            Cause::Webhook | Cause::Before | Cause::Order => None,
            // Those who start together know the same, and who starts later knows more.
            Cause::Start => Some(format!("{key}.start.{}", ask.after.unwrap_or(Timestamp::UNIX_EPOCH))),
            Cause::Schedule | Cause::Gate => Some(format!("{key}.{}", ask.moment)),
        };
        let mut asked = self.publish("pass", &key, ask.cause, id.filter(|_| !ask.is_repeated)).await?;
        if asked == Asked::Before && ask.cause == Cause::Start && ask.after.is_none() {
            // Somebody began with it before, and has left nothing that can be believed here: where no pass is under way any more,
            // there has to be another one.
            asked = self.publish("pass", &key, ask.cause, None).await?;
        }
        if asked == Asked::Refused && ask.cause.is_news() {
            // What is asked for already may run, and may have looked before: this one waits beside it.
            self.publish("again", &key, ask.cause, None).await?;
            return Ok(Asked::Kept);
        }
        Ok(asked)
    }

    /// Asks for the pass that a wish beside another stands for.
    pub(super) async fn ask_in_turn(&self, key: &str) -> Result<Asked, String> {
        self.publish("pass", key, Cause::Webhook, None).await
    }

    /// Returns how often a message of a repository was given back by somebody who had not begun its pass.
    pub(super) async fn returns(&self, key: &str, identity: (u64, i128)) -> i64 {
        let noted = self.rows.get(returns_key(key)).await.ok().flatten();
        noted.and_then(|noted| returns_of(&noted, identity)).unwrap_or_default()
    }

    /// Notes that a message was given back. Where that is lost, its next pass counts as taken over, and no more.
    pub(super) async fn note_return(&self, key: &str, identity: (u64, i128)) {
        let count = self.returns(key, identity).await.saturating_add(1);
        let noted = format!("{} {} {count}", identity.0, identity.1);
        drop(self.rows.put(returns_key(key), noted.into()).await);
    }

    async fn publish(&self, what: &str, key: &str, cause: Cause, id: Option<String>) -> Result<Asked, String> {
        let mut message = PublishMessage::build().payload(Bytes::from_static(cause.as_str().as_bytes()));
        if let Some(id) = id {
            message = message.message_id(id);
        }
        let sent = self.context.send_publish(self.subject(what, key), message).await;
        let answered = match sent {
            Ok(answer) => answer.await,
            Err(error) => Err(error),
        };
        match answered {
            Ok(ack) if ack.duplicate => Ok(Asked::Before),
            Ok(_) => Ok(Asked::Kept),
            Err(error) if is_refused(&error) => Ok(Asked::Refused),
            Err(error) => Err(words(&error)),
        }
    }
}

/// Returns where the returns of a repository's message are noted, beside its row.
fn returns_key(key: &str) -> String {
    format!("returns.{key}")
}

/// Reads how often a message was given back; what is noted of another one says nothing.
fn returns_of(noted: &[u8], identity: (u64, i128)) -> Option<i64> {
    let mut parts = std::str::from_utf8(noted).ok()?.split(' ');
    let of = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let count = parts.next()?.parse().ok()?;
    (of == identity).then_some(count)
}

/// Whether a message was refused because there is one already.
fn is_refused(error: &PublishError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<JetStreamError>());
    source.is_some_and(|error| error.error_code() == ErrorCode::STREAM_STORE_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_keys_of_plain_characters_that_differ() {
        let (one, other) = (key("https://git.example/acme/gitops"), key("https://git.example/acme/other"));
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(one, other);
    }
}
