//! Passes that a replica gives back: another one has them, and nobody is thought to have fallen silent.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tagboat::clock::SystemClock;
use tagboat::queue::nats::connection::{Login, Servers};
use tagboat::queue::nats::{Nats, Settings};
use tagboat::queue::{Ask, Cause, Event, Lease, Queue as _};

use crate::support::nats_server::NatsServer;
use crate::support::repository::Scratch;

const URL: &str = "https://git.example/acme/gitops";

fn replica(server: &NatsServer, name: &str) -> Nats {
    let servers = Servers {
        urls: vec![format!("nats://{}", server.address())],
        login: Box::new(|| Ok(Login::Nobody)),
        ca_file: None,
        client_certificate: None,
        insecure: false,
    };
    let (name, replica) = ("tagboat".to_owned(), name.to_owned());
    let settings =
        Settings { servers, name, replica, secret: None, lease: Duration::from_secs(30), stream_replicas: 1 };
    Nats::start(settings, &[URL.to_owned()], Arc::new(SystemClock))
}

/// Waits for the next event of a kind.
async fn next<T>(queue: &Nats, wanted: impl Fn(Event) -> Option<T>) -> T {
    loop {
        while let Some(event) = queue.take(&|_| true) {
            if let Some(found) = wanted(event) {
                return found;
            }
        }
        queue.changed().await;
    }
}

async fn job(queue: &Nats) -> Lease {
    next(queue, |event| if let Event::Job(lease) = event { Some(lease) } else { None }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_was_given_back_is_not_taken_over() {
    let scratch = Scratch::new();
    let Some(mut server) = NatsServer::prepare(&scratch.path(""), "") else { return };
    server.start();
    let one = replica(&server, "one");
    next(&one, |event| matches!(event, Event::Joined { .. }).then_some(())).await;
    one.ask(Ask {
        repository: URL.to_owned(),
        cause: Cause::Webhook,
        moment: Timestamp::UNIX_EPOCH,
        is_repeated: false,
        after: None,
        wish: 1,
    });
    for _ in 0..3 {
        one.room(1);
        let lease = job(&one).await;
        assert!(!lease.is_taken_over);
        one.give_back(lease);
    }
}
