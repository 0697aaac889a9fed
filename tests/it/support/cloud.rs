//! The services of clouds that give logins, in this process: Amazon's, Google's and Azure's on one loopback port. They
//! check what they are shown themselves, signatures included, count what they are asked, and refuse on demand.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod aws;
mod azure;
mod google;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use secrecy::SecretString;
use tagboat::registry::settings::CloudVariables;
use tokio::sync::oneshot;

pub(crate) use google::private_key;

/// The id of the key that AWS knows.
pub(crate) const AWS_KEY: &str = "AKIDACME";
/// Its secret.
pub(crate) const AWS_SECRET: &str = "aws-s3cret/key+1";
/// The session that goes with keys of roles.
pub(crate) const AWS_SESSION: &str = "aws-s3ssion==";
/// The token of the cluster that AWS trusts.
pub(crate) const WEB_IDENTITY: &str = "web.1dentity.token";
/// What the container shows to its credential service.
pub(crate) const CONTAINER_TOKEN: &str = "c0ntainer-t0ken";
/// The password that ECR gives out for the user `AWS`.
pub(crate) const ECR_PASSWORD: &str = "ecr-passw0rd";
/// The access token that Google gives out.
pub(crate) const GOOGLE_TOKEN: &str = "ya29.g00gle-t0ken";
/// The token of somebody else's that Google trusts.
pub(crate) const SUBJECT: &str = "subject.t0ken";
/// The refresh token of a user of Google's.
pub(crate) const GOOGLE_REFRESH: &str = "1//g00gle-refresh";
/// The client's secret that Entra knows.
pub(crate) const CLIENT_SECRET: &str = "cl1ent~s3cret";
/// The token of the cluster that Entra trusts.
pub(crate) const FEDERATED: &str = "federated.t0ken";
/// What a container app shows to its identity endpoint.
pub(crate) const IDENTITY_HEADER: &str = "1dentity-h3ader";

/// Every secret that goes through these services.
pub(crate) const SECRETS: [&str; 11] = [
    AWS_SECRET,
    AWS_SESSION,
    WEB_IDENTITY,
    CONTAINER_TOKEN,
    ECR_PASSWORD,
    GOOGLE_TOKEN,
    SUBJECT,
    GOOGLE_REFRESH,
    CLIENT_SECRET,
    FEDERATED,
    IDENTITY_HEADER,
];

/// How the services misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CloudFault {
    /// Not at all.
    #[default]
    None,
    /// What they are shown has expired.
    Expired,
    /// What Google gives out ends at once.
    ShortLived,
    /// They answer 500.
    Broken,
    /// They answer with a web page.
    Html,
}

#[derive(Debug, Default)]
struct Inner {
    fault: CloudFault,
    /// Where everything is redirected.
    redirect: Option<String>,
    /// What was asked, by a word for each service.
    asked: Vec<&'static str>,
    /// Why something was refused, for a test that wonders.
    refused: Vec<String>,
}

/// The running services; they end when this is dropped.
pub(crate) struct FakeCloud {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<std::thread::JoinHandle<()>>,
}

impl Drop for FakeCloud {
    fn drop(&mut self) {
        drop(self.stop.take());
        drop(self.server.take().map(std::thread::JoinHandle::join));
    }
}

impl FakeCloud {
    /// Starts them, on a thread of their own.
    pub(crate) fn launch() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Mutex::new(Inner::default()));
        let router = axum::Router::new().fallback(serve).with_state((address, Arc::clone(&inner)));
        let (stop, stopped) = oneshot::channel::<()>();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let serving = IntoFuture::into_future(axum::serve(listener, router));
                tokio::select! {
                    outcome = serving => outcome.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, inner, stop: Some(stop), server: Some(server) }
    }

    /// Returns a URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the host with the port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Sets what goes wrong.
    pub(crate) fn fault(&self, fault: CloudFault) {
        self.inner.lock().unwrap().fault = fault;
    }

    /// Sends everybody elsewhere.
    pub(crate) fn redirect(&self, to: String) {
        self.inner.lock().unwrap().redirect = Some(to);
    }

    /// Returns what was asked, in order.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        self.inner.lock().unwrap().asked.clone()
    }

    /// Returns why something was refused.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.inner.lock().unwrap().refused.clone()
    }

    /// Returns the variables of a machine whose clouds are these services.
    pub(crate) fn variables(&self, further: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("AWS_ENDPOINT_URL", self.url("")),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", self.url("")),
            ("GCE_METADATA_HOST", self.host()),
            ("AZURE_AUTHORITY_HOST", self.url("/")),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", self.url("")),
        ];
        variables.extend(further.iter().map(|(name, value)| (*name, (*value).to_owned())));
        variables
    }

    /// Returns the same as settings.
    pub(crate) fn settings(&self, further: &[(&'static str, &str)]) -> CloudVariables {
        let variables = self.variables(further);
        CloudVariables::of(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| SecretString::from(value.as_str()))
        })
    }
}

/// A request, taken apart.
struct Asked {
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn form(&self, name: &str) -> String {
        value(&url::form_urlencoded::parse(&self.body).into_owned().collect::<Vec<_>>(), name)
    }

    fn query(&self, name: &str) -> String {
        value(&self.query, name)
    }
}

fn value(rows: &[(String, String)], name: &str) -> String {
    rows.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// What a service says: a status and a body, with a header of Google's where it is Google's.
struct Says(u16, String);

/// What a service answers: for whom it counts, and what it says, or why it refuses.
type Answered = (&'static str, Result<Says, String>);

async fn serve(Extract((address, inner)): Extract<(SocketAddr, Arc<Mutex<Inner>>)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let asked = Asked { method: parts.method, path: parts.uri.path().to_owned(), query, headers: parts.headers, body };
    let mut inner = inner.lock().unwrap();
    if let Some(to) = &inner.redirect {
        return Response::builder().status(307).header("Location", to).body(Body::empty()).unwrap();
    }
    let expired = inner.fault == CloudFault::Expired;
    let answered = aws::answer(&asked, expired)
        .or_else(|| google::answer(&asked, address, inner.fault))
        .or_else(|| azure::answer(&asked, expired));
    let (who, outcome) = answered.unwrap_or(("nobody", Err(format!("{} {}", asked.method, asked.path))));
    inner.asked.push(who);
    let Says(status, text) = match (inner.fault, outcome) {
        (CloudFault::Broken, _) => Says(500, String::new()),
        (CloudFault::Html, _) => Says(200, "<!DOCTYPE html><title>Sign in</title>".to_owned()),
        (_, Ok(says)) => says,
        (_, Err(reason)) => {
            inner.refused.push(reason);
            Says(418, String::new())
        }
    };
    // Asked to come back at once, a client tries again without a wait.
    let builder = Response::builder().status(status).header("Metadata-Flavor", "Google").header("Retry-After", "0");
    builder.body(Body::from(text)).unwrap()
}
