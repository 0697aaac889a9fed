//! `queue`: how replicas share work.

use std::time::Duration;

use jiff::SignedDuration;

use crate::config::reader::Reader;
use crate::config::service::convert::{basic, list, secret, small};
use crate::config::service::raw::RawNats;
use crate::config::service::{ClientCertificate, NatsAuth, NatsQueue, Queue};

/// What everything begins with where no name is given.
const NAME: &str = "tagboat";

/// The shortest lease: what renews it needs a few round trips.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);

/// The longest: passes of a replica that was killed wait for it.
const LONGEST_LEASE: Duration = Duration::from_secs(600);

/// Turns a queue over NATS into its plain type.
pub(super) fn nats(raw: RawNats, reader: &mut Reader<'_>) -> Option<Queue> {
    let logins = [&raw.credentials_file.key, &raw.token_file.key, &raw.token_env.key, &raw.basic.key];
    for span in logins.into_iter().flatten().skip(1) {
        let words = "`credentialsFile`, `tokenFile`, `tokenEnv` and `basic` exclude each other";
        reader.fault(span.clone(), words, None);
    }
    match (&raw.client_cert_file.key, &raw.client_key_file.key) {
        (Some(span), None) => reader.fault(span.clone(), "`clientCertFile` needs `clientKeyFile` beside it", None),
        (None, Some(span)) => reader.fault(span.clone(), "`clientKeyFile` needs `clientCertFile` beside it", None),
        _ => {}
    }
    if let (Some(_), Some(second)) = (&raw.secret_file.key, &raw.secret_env.key) {
        reader.fault(second.clone(), "`secretFile` and `secretEnv` exclude each other", None);
    }
    if let (Some(span), Some(lease)) = (&raw.lease.key, raw.lease.as_ref()) {
        let fits = |lease: SignedDuration| {
            Duration::try_from(lease).is_ok_and(|lease| (SHORTEST_LEASE..=LONGEST_LEASE).contains(&lease))
        };
        if !fits(*lease) {
            reader.fault(span.clone(), "`lease` is between `1s` and `10m`", None);
        }
    }
    let client_files = raw.client_cert_file.value().zip(raw.client_key_file.value());
    let credentials = raw.credentials_file.value().map(NatsAuth::Credentials);
    let token = secret(raw.token_file, raw.token_env).map(NatsAuth::Token);
    Some(Queue::Nats(Box::new(NatsQueue {
        auth: credentials.or(token).or_else(|| raw.basic.value().and_then(basic).map(NatsAuth::Basic)),
        urls: list(raw.url).map(|url| url.0).collect(),
        name: raw.name.value().map_or_else(|| NAME.to_owned(), |name| name.0),
        ca_file: raw.ca_file.value(),
        client_certificate: client_files
            .map(|(certificate_file, key_file)| ClientCertificate { certificate_file, key_file }),
        insecure: raw.insecure.as_ref().copied().unwrap_or_default(),
        secret: secret(raw.secret_file, raw.secret_env),
        lease: raw.lease.value(),
        stream_replicas: small(raw.stream_replicas).unwrap_or(1),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::service::{Service, parse};

    fn read(nats: &str) -> Result<Service, String> {
        let text = format!("version: 1\nqueue: {{nats: {{{nats}}}}}\n");
        parse("service.yaml", text.as_bytes()).map_err(|faults| faults.render(false, 100))
    }

    #[test]
    fn takes_servers_a_login_and_what_replicas_share() {
        let service = read(
            "url: [tls://a.example:4222, nats://b.example], credentialsFile: nats.creds, secretFile: shared, lease: 10s, \
             streamReplicas: 3, name: ship-2",
        );
        let Queue::Nats(nats) = service.unwrap().queue else { panic!("it is shared") };
        assert_eq!(nats.urls, ["tls://a.example:4222", "nats://b.example"]);
        assert!(matches!(nats.auth, Some(NatsAuth::Credentials(_))) && nats.secret.is_some() && !nats.insecure);
        assert_eq!(
            (nats.name.as_str(), nats.lease, nats.stream_replicas),
            ("ship-2", Some(SignedDuration::from_secs(10)), 3)
        );
        let Queue::Nats(least) = read("url: nats://nats").unwrap().queue else { panic!("it is shared") };
        assert_eq!((least.name.as_str(), &least.auth, least.stream_replicas), ("tagboat", &None, 1));
    }

    #[test]
    fn refuses_what_contradicts_itself_or_could_not_be() {
        for (nats, expected) in [
            ("", "`url`"),
            ("url: https://nats.example", "like `nats://nats:4222`"),
            ("url: \"nats://user:word@nats.example\"", "holds a credential"),
            ("url: nats://nats, credentialsFile: a, tokenFile: b", "exclude each other"),
            ("url: nats://nats, tokenFile: a, basic: {username: a, passwordFile: b}", "exclude each other"),
            ("url: nats://nats, secretFile: a, secretEnv: B", "exclude each other"),
            ("url: nats://nats, clientCertFile: a", "needs `clientKeyFile`"),
            ("url: nats://nats, lease: 1h", "between `1s` and `10m`"),
            ("url: nats://nats, streamReplicas: 9", "streamReplicas"),
            ("url: nats://nats, name: \"a.b\"", "small letters"),
        ] {
            let faults = read(nats).unwrap_err();
            assert!(faults.contains(expected), "{nats}: {faults}");
        }
    }
}
