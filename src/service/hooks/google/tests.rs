use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use axum::http::StatusCode as Status;
use axum::routing::get;
use serde_json::{Value, json};

use super::*;
use crate::clock::SkippingClock;
use crate::http::client::Timeouts;

const AUDIENCE: &str = "https://tagboat.acme.example/hooks/gar";
const ACCOUNT: &str = "push@acme.iam.gserviceaccount.com";

/// Somebody who issues tokens.
struct Issuer(KeyPair);

impl Issuer {
    fn new() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    fn key(&self, kid: &str) -> Value {
        let coded = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        // PKCS #1: a sequence of two numbers, the first with nine bytes before it, the second of three bytes at the end.
        let der = self.0.public_key().as_ref();
        assert_eq!(der.len(), 270);
        let (n, e) = (&der[9..265], &der[267..]);
        json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid, "n": coded(n), "e": coded(e)})
    }

    fn token(&self, head: &Value, claims: &Value) -> String {
        let coded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", coded(head), coded(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A place that publishes keys, and counts how often it is asked.
struct Place {
    url: Url,
    answer: Arc<Lock<(Status, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Place {
    async fn open(keys: &[Value]) -> Self {
        let answer = Arc::new(Lock::new((Status::OK, json!({"keys": keys}).to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (of_server, counter) = (Arc::clone(&answer), Arc::clone(&asked));
        let serve = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let answer = of_server.lock().unwrap().clone();
            async move { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/certs", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move { axum::serve(listener, Router::new().route("/certs", get(serve))).await });
        Self { url, answer, asked }
    }

    fn publish(&self, status: Status, keys: &[Value]) {
        *self.answer.lock().unwrap() = (status, json!({"keys": keys}).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn claims(now: Timestamp) -> Value {
    json!({
        "iss": "https://accounts.google.com", "aud": AUDIENCE, "azp": "113", "sub": "113", "email": ACCOUNT,
        "email_verified": true, "iat": now.as_second(), "exp": now.as_second() + 3600,
    })
}

fn head(kid: &str) -> Value {
    json!({"alg": "RS256", "kid": kid, "typ": "JWT"})
}

fn google(place: &Place, clock: &Arc<SkippingClock>) -> Google {
    let of_client = Arc::clone(clock);
    let http = HttpClient::new(Timeouts::default(), Arc::new(move || of_client.now()));
    let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
    Google::new(AUDIENCE.to_owned(), ACCOUNT.to_owned(), place.url.clone(), http, clock)
}

fn clock() -> Arc<SkippingClock> {
    Arc::new(SkippingClock::at("2026-11-20T08:00:00Z".parse().unwrap()))
}

#[tokio::test]
async fn a_token_is_google_s_for_this_account_and_audience_at_this_time() {
    let (issuer, other, clock) = (Issuer::new(), Issuer::new(), clock());
    let place = Place::open(&[json!({"kty": "EC", "kid": "curve"}), issuer.key("one")]).await;
    let google = google(&place, &clock);
    let good = claims(clock.now());
    assert_eq!(google.admits(&issuer.token(&head("one"), &good)).await, Ok(()));
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        claims
    };
    let second = clock.now().as_second();
    let cases = [
        (with("iss", json!("https://accounts.example")), TokenFault::Claim("issuer")),
        (with("aud", json!("https://tagboat.acme.example/hooks/other")), TokenFault::Claim("audience")),
        (with("email", json!("other@acme.iam.gserviceaccount.com")), TokenFault::Claim("email")),
        (with("email_verified", json!(false)), TokenFault::Claim("email")),
        (with("exp", json!(second - 61)), TokenFault::Time),
        (with("iat", json!(second + 61)), TokenFault::Time),
        (with("exp", json!("soon")), TokenFault::Form),
        (with("aud", json!([AUDIENCE])), TokenFault::Form),
        (json!({}), TokenFault::Form),
    ];
    for (claims, fault) in cases {
        assert_eq!(google.admits(&issuer.token(&head("one"), &claims)).await, Err(fault), "{claims}");
    }
    assert_eq!(google.admits(&other.token(&head("one"), &good)).await, Err(TokenFault::Signature));
    for head in [json!({"alg": "none", "kid": "one"}), json!({"alg": "HS256", "kid": "one"}), json!({"alg": "RS256"})] {
        assert_eq!(google.admits(&issuer.token(&head, &good)).await, Err(TokenFault::Form), "{head}");
    }
    let token = issuer.token(&head("one"), &good);
    let unsigned = token.rsplit_once('.').unwrap().0;
    for broken in ["", "a", "a.b", "a.b.c", "..", &format!("{unsigned}."), &format!("{token}A"), &"a".repeat(100_000)] {
        assert!(google.admits(broken).await.is_err(), "{broken}");
    }
    assert_eq!(place.asked(), 1, "keys are asked for once");
}

#[tokio::test]
async fn keys_are_asked_for_seldom_whatever_tokens_name() {
    let (first, second, clock) = (Issuer::new(), Issuer::new(), clock());
    let place = Place::open(&[first.key("one")]).await;
    let google = google(&place, &clock);
    let good = claims(clock.now());
    let (old, new) = (first.token(&head("one"), &good), second.token(&head("two"), &good));
    assert_eq!(google.admits(&old).await, Ok(()));
    for number in 0..50 {
        let unknown = second.token(&head(&format!("key {number}")), &good);
        assert_eq!(google.admits(&unknown).await, Err(TokenFault::Key));
    }
    assert_eq!(place.asked(), 1);
    // A key that came meanwhile is found once the pause is over.
    place.publish(Status::OK, &[first.key("one"), second.key("two")]);
    clock.skip(PAUSE);
    assert_eq!(google.admits(&new).await, Ok(()));
    assert_eq!((google.admits(&old).await, place.asked()), (Ok(()), 2));
}

#[tokio::test]
async fn keys_that_cannot_be_asked_for_again_count_for_a_day() {
    let (issuer, clock) = (Issuer::new(), clock());
    let place = Place::open(&[issuer.key("one")]).await;
    let google = google(&place, &clock);
    let token = |now: Timestamp| issuer.token(&head("one"), &claims(now));
    assert_eq!(google.admits(&token(clock.now())).await, Ok(()));
    place.publish(Status::NOT_FOUND, &[]);
    clock.skip(FRESH);
    assert_eq!(google.admits(&token(clock.now())).await, Ok(()));
    clock.skip(STALE);
    let fault = google.admits(&token(clock.now())).await.unwrap_err();
    assert!(matches!(&fault, TokenFault::NoKeys(reason) if reason.contains("404")), "{fault}");
    // They count again when they are there again.
    place.publish(Status::OK, &[issuer.key("one")]);
    assert!(google.admits(&token(clock.now())).await.is_err(), "not asked again within the pause");
    clock.skip(PAUSE);
    assert_eq!(google.admits(&token(clock.now())).await, Ok(()));
}
