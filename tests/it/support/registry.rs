//! A registry in this process: stateful, speaks the distribution protocol over real HTTP on a free loopback
//! port, counts what it is asked, and misbehaves as its [`Faults`] say.

#![expect(clippy::unwrap_used, reason = "in tests a panic is the report")]

mod answers;
mod signatures;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Request, State as Extract};
use sha2::{Digest as _, Sha256};
use tagboat::model::image::ImageName;
use tokio::sync::oneshot;

/// How many requests of each kind came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// `tags/list`, every page.
    pub(crate) tags: usize,
    /// Those of them that were answered with 304.
    pub(crate) unchanged: usize,
    /// HEAD of manifests.
    pub(crate) heads: usize,
    /// GET of manifests.
    pub(crate) manifests: usize,
    /// GET of blobs.
    pub(crate) blobs: usize,
    /// Lists of referrers by their API.
    pub(crate) referrers: usize,
    /// Tokens.
    pub(crate) tokens: usize,
    /// Requests with a user and a password.
    pub(crate) logins: usize,
    /// Exchanges of another token for a refresh token.
    pub(crate) exchanges: usize,
}

/// Which login the registry asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Auth {
    /// None.
    #[default]
    Open,
    /// User and password, `acme` and `secret`.
    Basic,
    /// A token; given out to `acme` and `secret`, or to the identity token `refresh`.
    Bearer,
    /// A token; given out to anybody.
    BearerForAll,
}

/// Whose way of asking for a login it has. Each differs where the others' clients broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Vendor {
    /// As the specification's examples have it.
    #[default]
    Distribution,
    /// Docker Hub: two names for the token, and when it was issued.
    DockerHub,
    /// GitHub: 403 to a wrong login.
    Ghcr,
    /// Quay: the realm below `/v2/`.
    Quay,
    /// Amazon ECR: Basic, for the service `ecr.amazonaws.com`.
    EcrPrivate,
    /// Amazon's public gallery: one scope `aws` for everything.
    EcrPublic,
    /// Google Artifact Registry: a realm and nothing else.
    Gar,
    /// Azure: `metadata_read` for tag lists, `pull` for manifests, tokens for refresh tokens.
    Acr,
    /// Harbor: several headers, Basic first; numbers as text.
    Harbor,
    /// GitLab: the realm `/jwt/auth`.
    GitLab,
    /// Nexus: the scheme in capitals.
    Nexus,
    /// Nexus with its own tokens: no scope, a token of the user's.
    NexusBearer,
    /// JFrog: Bearer and Basic in one header, the realm with a query of its own, no scope.
    Jfrog,
    /// A registry behind a proxy that writes the realm without its host.
    RelativeRealm,
    /// Two scopes in one challenge.
    TwoScopes,
}

/// The token of Entra that registries of Azure exchange.
pub(crate) const ENTRA_TOKEN: &str = "eyJ.entra-t0ken";

/// What the refresh token ends with that comes of it.
pub(crate) const ACR_REFRESH: &str = ".acr-s1gnature";

/// How a page says that there is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum LinkStyle {
    /// By a path.
    #[default]
    Relative,
    /// By a URL.
    Absolute,
    /// By a URL of another host.
    Foreign,
    /// To the very same page.
    Circle,
    /// By a path without angle brackets around it.
    Bare,
    /// By a path whose angle bracket is never closed.
    HalfOpen,
    /// By a path after whose relation stands a comma within a title.
    Titled,
    /// By a path of which nothing says that it is the next.
    Unrelated,
    /// By a query alone.
    Query,
    /// By a path that leads nowhere, with a prefix as Nexus puts it or without a part as JFrog leaves it out.
    WrongPath,
    /// By an opaque cursor, as Quay does.
    Cursor,
    /// By a new cursor each time, and always to the first page.
    Wandering,
    /// To something that is no list of tags.
    Elsewhere,
    /// Not at all.
    Absent,
}

/// What goes wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum BodyFault {
    /// Nothing.
    #[default]
    None,
    /// The connection ends in the middle.
    BreaksOff,
    /// It ends properly, in the middle of the JSON.
    Truncated,
    /// A web page stands in its place.
    Html,
    /// A byte a second.
    Trickles,
    /// No answer ever comes.
    NeverAnswers,
}

/// A limit that the registry announces and keeps to.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    /// What it counts: `tags`, `heads`, `manifests` or `blobs`.
    pub(crate) counts: &'static str,
    /// How many are left.
    pub(crate) remaining: u64,
    /// How many are left again after that, whenever a request comes although nothing is: the client's clock, and not
    /// this registry's, knows that the renewal has come.
    pub(crate) renewed: u64,
    /// The names of the two headers and what follows their number: `ratelimit-`, `;w=21600`.
    pub(crate) prefix: &'static str,
    pub(crate) suffix: &'static str,
    /// What the header about the renewal says.
    pub(crate) reset: Option<String>,
}

/// Where the registry lists what refers to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Referrers {
    /// By the API of the specification's version 1.1.
    #[default]
    Api,
    /// Under a tag; the API answers with this status.
    Tagged(u16),
}

/// The switches. All are off at first.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    pub(crate) auth: Auth,
    /// Whose way of asking for it.
    pub(crate) vendor: Vendor,
    /// The user and the password that are welcome; `None` for `acme` and `secret`.
    pub(crate) login: Option<(&'static str, &'static str)>,
    /// This repository is refused to everybody, by a 401.
    pub(crate) forbidden: Option<String>,
    /// This repository alone is challenged, to a realm where no login may be sent.
    pub(crate) odd_challenge: Option<String>,
    /// The seconds that a token holds.
    pub(crate) token_life: Option<u64>,
    /// Tokens given out before this number are not accepted any more.
    pub(crate) tokens_refused_below: usize,
    /// The largest page; `None` for 1000.
    pub(crate) page_size: Option<usize>,
    pub(crate) link: LinkStyle,
    pub(crate) ignores_n: bool,
    pub(crate) ignores_last: bool,
    /// Answers this status to `last`.
    pub(crate) refuses_last: Option<u16>,
    /// Whoever brings no login is answered with this status, and is asked for one at `/v2/` alone.
    pub(crate) hides: Option<u16>,
    /// What a token says of when it was issued.
    pub(crate) token_issued: Option<&'static str>,
    /// Answers everything with a web page.
    pub(crate) is_web_page: bool,
    /// Answers 400 to a larger `n`.
    pub(crate) refuses_n_above: Option<usize>,
    /// The status of that, with its code; `None` for 400 and `PAGINATION_NUMBER_INVALID`.
    pub(crate) refusal: Option<(u16, &'static str)>,
    /// Answers this status from this page on (0 is the first).
    pub(crate) fails_from_page: Option<(usize, u16)>,
    /// This repository has a name that is refused.
    pub(crate) refused_name: Option<String>,
    /// The limit that it announces.
    pub(crate) quota: Option<Quota>,
    /// The status of the login server.
    pub(crate) token_status: Option<u16>,
    /// Pages have an `ETag`, and are answered with 304 to who names it.
    pub(crate) etags: bool,
    /// An answer of 304 has the page's `Link`.
    pub(crate) links_unchanged: bool,
    /// Pages have this `Last-Modified` with this `Date`, and are answered with 304 to who names it.
    pub(crate) last_modified: Option<(String, String)>,
    /// An empty list is `null`.
    pub(crate) null_tags: bool,
    /// What is wrong with tag lists, and from which page on (0 is the first).
    pub(crate) list: BodyFault,
    pub(crate) list_from_page: usize,
    /// How often it is wrong; `None` for always.
    pub(crate) list_times: Option<usize>,
    /// A list of this many tags in one page, made up while it is sent.
    pub(crate) generated: Option<usize>,
    /// So many requests are answered with this status and this `Retry-After` first.
    pub(crate) statuses: Vec<(u16, Option<String>)>,
    pub(crate) head_status: Option<u16>,
    /// A HEAD that is refused has a digest all the same, of the error.
    pub(crate) head_names_digest: bool,
    pub(crate) no_digest_header: bool,
    /// Manifests are answered with this text.
    pub(crate) manifest_says: Option<&'static str>,
    pub(crate) digest_header: Option<String>,
    pub(crate) referrers: Referrers,
    /// The API of referrers answers with this status.
    pub(crate) referrers_status: Option<u16>,
    /// How many referrers a page has; `None` for all.
    pub(crate) referrers_page: Option<usize>,
    /// Pages of referrers after the first are gone.
    pub(crate) referrers_break_off: bool,
    /// How the pages of referrers are linked.
    pub(crate) referrers_link: LinkStyle,
    /// Manifests under cosign's tags answer with this status.
    pub(crate) signature_status: Option<u16>,
    /// Each beginning of a path has a realm of its own, which answers this status to others; 200 for a token of no use.
    pub(crate) realms: Option<u16>,
    /// The realm's address says what the token is for, and whoever asks for anything beside that gets none.
    pub(crate) scoped_realm: bool,
    /// What is wrong with what the login server sends, and how often; `None` for always.
    pub(crate) token_body: BodyFault,
    pub(crate) token_times: Option<usize>,
    /// Words in a challenge, in any encoding.
    pub(crate) challenge_says: Option<&'static [u8]>,
    /// Blobs are redirected to this origin, `http://127.0.0.1:PORT`.
    pub(crate) blobs_at: Option<String>,
    /// Paths that hold this text are redirected to this origin, whoever asks; `/v2/` is the root alone.
    pub(crate) leads: Option<(&'static str, String)>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Repository → tags in the order of pushing.
    tags: BTreeMap<String, Vec<(String, String)>>,
    /// Digest → media type and bytes, of manifests and blobs.
    content: BTreeMap<String, (String, Vec<u8>)>,
    /// Digest → what refers to it, as rows of an index.
    referrers: BTreeMap<String, Vec<serde_json::Value>>,
    faults: Faults,
    counts: Counts,
    /// The queries that came to the realm.
    token_queries: Vec<String>,
    /// How often the root of the protocol was asked for.
    roots: usize,
    /// Whether a blob request brought an `Authorization`.
    blob_with_login: bool,
    /// How many list requests are being answered, and the most there ever were.
    busy: (usize, usize),
    /// The queries of list requests.
    queries: Vec<String>,
    /// Method and `Accept` of manifest requests.
    accepts: Vec<(String, String)>,
    /// The bytes of lists that were sent.
    list_bytes: usize,
}

/// A running registry; it ends when it is dropped.
///
/// It has a thread of its own, so that a test may also wait for a program that asks it.
#[derive(Debug)]
pub(crate) struct FakeRegistry {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<std::thread::JoinHandle<()>>,
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A server that panicked has said so; when the thread is over, its port is closed.
        drop(self.server.take().map(std::thread::JoinHandle::join));
    }
}

impl FakeRegistry {
    /// Starts an empty registry.
    #[expect(clippy::unused_async, reason = "callers need not know that nothing is waited for")]
    pub(crate) async fn start() -> Self {
        Self::launch()
    }

    /// Starts an empty registry, for tests that are not async.
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

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// Returns its host with the port.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// Returns the name of an image in it.
    pub(crate) fn image(&self, repository: &str) -> ImageName {
        format!("{}/{repository}", self.host()).parse().unwrap()
    }

    /// Sets the switches, also while it is being asked.
    pub(crate) fn faults(&self, set: impl FnOnce(&mut Faults)) {
        set(&mut self.inner().faults);
    }

    /// Returns what came in so far.
    pub(crate) fn requests(&self) -> Counts {
        self.inner().counts
    }

    /// Returns how often the root of the protocol was asked for.
    pub(crate) fn roots(&self) -> usize {
        self.inner().roots
    }

    /// Returns the most tag lists that were being asked for at one moment.
    pub(crate) fn most_at_once(&self) -> usize {
        self.inner().busy.1
    }

    /// Returns the queries that came to the realm.
    pub(crate) fn token_queries(&self) -> Vec<String> {
        self.inner().token_queries.clone()
    }

    /// Whether a blob was asked for with a login.
    pub(crate) fn saw_login_for_blob(&self) -> bool {
        self.inner().blob_with_login
    }

    /// Pushes an image for linux/amd64 with a creation time; returns its digest. An old tag moves.
    pub(crate) fn push(&self, repository: &str, tag: &str, created: &str) -> String {
        self.push_labelled(repository, tag, created, &format!(r#"{{"of": "{repository}:{tag}"}}"#))
    }

    /// Pushes an image whose configuration has these labels, in JSON; returns its digest.
    pub(crate) fn push_labelled(&self, repository: &str, tag: &str, created: &str, labels: &str) -> String {
        let digest = self.inner().image(created, "amd64", labels);
        self.inner().tag(repository, tag, &digest);
        digest
    }

    /// Puts a tag on content that is there.
    pub(crate) fn point(&self, repository: &str, tag: &str, digest: &str) {
        self.inner().tag(repository, tag, digest);
    }

    /// Pushes a manifest as it is written; returns its digest.
    pub(crate) fn push_manifest(&self, repository: &str, tag: &str, kind: &str, text: &str) -> String {
        let digest = self.inner().store(kind, text.as_bytes().to_vec());
        self.inner().tag(repository, tag, &digest);
        digest
    }

    /// Pushes an index for several architectures of linux, with an attestation; returns its digest.
    pub(crate) fn push_index(&self, repository: &str, tag: &str, created: &str, architectures: &[&str]) -> String {
        let mut inner = self.inner();
        let mut rows = String::new();
        for architecture in architectures {
            let digest = inner.image(created, architecture, &format!(r#"{{"of": "{repository}:{tag}"}}"#));
            let platform = format!(r#"{{"os": "linux", "architecture": "{architecture}"}}"#);
            write!(rows, r#"{{"digest": "{digest}", "size": 1, "platform": {platform}}},"#).unwrap();
        }
        let attestation = inner.image(created, "unknown", r#"{"of": "attestation"}"#);
        let platform = r#"{"os": "unknown", "architecture": "unknown"}"#;
        write!(rows, r#"{{"digest": "{attestation}", "size": 1, "platform": {platform}}}"#).unwrap();
        let kind = "application/vnd.oci.image.index.v1+json";
        let index = format!(r#"{{"schemaVersion": 2, "mediaType": "{kind}", "manifests": [{rows}]}}"#);
        let digest = inner.store(kind, index.into_bytes());
        inner.tag(repository, tag, &digest);
        digest
    }

    /// Returns the queries of list requests.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.inner().queries.clone()
    }

    /// Returns method and `Accept` of manifest requests.
    pub(crate) fn accepts(&self) -> Vec<(String, String)> {
        self.inner().accepts.clone()
    }

    /// Returns how many bytes of lists were sent.
    pub(crate) fn list_bytes(&self) -> usize {
        self.inner().list_bytes
    }

    /// Lists a tag that points to nothing; any text will do.
    pub(crate) fn list_tag(&self, repository: &str, tag: &str) {
        self.inner().tag(repository, tag, "");
    }

    /// Deletes a tag.
    pub(crate) fn delete(&self, repository: &str, tag: &str) {
        self.inner().tags.get_mut(repository).unwrap().retain(|(other, _)| other != tag);
    }

    /// Makes a repository without tags.
    pub(crate) fn make_empty(&self, repository: &str) {
        self.inner().tags.entry(repository.to_owned()).or_default();
    }

    /// Puts other bytes behind a digest.
    pub(crate) fn replace(&self, digest: &str, bytes: &[u8]) {
        self.inner().content.get_mut(digest).unwrap().1 = bytes.to_vec();
    }

    /// Loses what is behind a digest, as a registry does that was cleaned up by halves.
    pub(crate) fn lose(&self, digest: &str) {
        self.inner().content.remove(digest).unwrap();
    }

    /// Changes the stored bytes behind a digest, as a broken disk would.
    pub(crate) fn corrupt(&self, digest: &str) {
        self.inner().content.get_mut(digest).unwrap().1.push(b' ');
    }
}

impl Inner {
    fn store(&mut self, kind: &str, bytes: Vec<u8>) -> String {
        let mut digest = "sha256:".to_owned();
        Sha256::digest(&bytes).iter().for_each(|byte| write!(digest, "{byte:02x}").unwrap());
        self.content.insert(digest.clone(), (kind.to_owned(), bytes));
        digest
    }

    fn image(&mut self, created: &str, architecture: &str, labels: &str) -> String {
        let config = format!(
            r#"{{"created": "{created}", "os": "linux", "architecture": "{architecture}", "config": {{"Labels": {labels}}}}}"#
        );
        let config = self.store("application/vnd.oci.image.config.v1+json", config.into_bytes());
        let kind = "application/vnd.oci.image.manifest.v1+json";
        let row =
            format!(r#"{{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "{config}", "size": 1}}"#);
        let manifest = format!(r#"{{"schemaVersion": 2, "mediaType": "{kind}", "config": {row}, "layers": []}}"#);
        self.store(kind, manifest.into_bytes())
    }

    fn tag(&mut self, repository: &str, tag: &str, digest: &str) {
        let tags = self.tags.entry(repository.to_owned()).or_default();
        match tags.iter_mut().find(|(other, _)| other == tag) {
            Some(row) => digest.clone_into(&mut row.1),
            None => tags.push((tag.to_owned(), digest.to_owned())),
        }
    }
}

type Shared = (SocketAddr, Arc<Mutex<Inner>>);

async fn serve(Extract((address, inner)): Extract<Shared>, request: Request) -> axum::response::Response {
    answers::answer(address, &inner, request).await
}
