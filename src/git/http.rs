//! Fetching over HTTP in this process, through gix; nothing is started and nothing secret leaves memory.
//!
//! Failures are told apart by HTTP status and error kinds. A redirect is followed only without a credential.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gix::ObjectId;
use gix::bstr::ByteSlice as _;
use gix::protocol::handshake::Ref;
use gix::protocol::transport;
use gix::protocol::transport::client::blocking_io::{Transport as _, http};
use gix::remote::{Direction, fetch};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::Instant;

use crate::clock::PassEnd;
use crate::git::objects::{broken, unwritable};
use crate::git::timely::{TimeIsUp, Timely};
use crate::git::transfer::Depth;
use crate::git::url::RemoteUrl;
use crate::git::{GitError, program, transfer};
use crate::model::environment::BranchName;

/// Longest silence in an answer.
const SILENCE: Duration = Duration::from_secs(60);

/// Longest whole transfer; a first fetch of a large repository at depth 1 takes a fraction of it.
const DEADLINE: Duration = Duration::from_secs(300);

/// What is asked, as whom, and until when.
#[derive(Clone, Copy)]
pub(super) struct Asking<'a> {
    /// The remote.
    pub(super) url: &'a RemoteUrl,
    /// The credential.
    pub(super) header: Option<&'a SecretString>,
    /// When the pass is over that asks.
    pub(super) ends: PassEnd,
}

impl Asking<'_> {
    /// Returns until when one transfer that begins now may take.
    ///
    /// # Errors
    ///
    /// [`GitError::Unreachable`] where the pass is over.
    fn deadline(&self) -> Result<Instant, GitError> {
        match self.ends.is_over() {
            true => Err(self.late()),
            false => Ok(self.ends.before(Instant::now() + DEADLINE)),
        }
    }

    /// Says why a transfer was ended that took too long.
    fn late(&self) -> GitError {
        GitError::Unreachable(match self.ends.is_over() {
            true => self.ends.reason(),
            false => format!("no end after {} seconds", DEADLINE.as_secs()),
        })
    }
}

/// What the names of branches begin with.
const HEADS: &str = "refs/heads/";

/// A connection on which the remote has listed its references.
type Prepared<'repo> = fetch::Prepare<'static, 'repo, http::Transport<Timely>>;

/// Why a fetch failed.
pub(super) enum FetchError {
    /// The server wants another URL, and a credential was to be sent.
    Redirected,
    /// Everything else.
    Failed(GitError),
}

impl From<GitError> for FetchError {
    fn from(error: GitError) -> Self {
        Self::Failed(error)
    }
}

impl From<FetchError> for GitError {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Redirected => {
                Self::Denied("it redirects to another URL, where no credential is sent: write that URL".to_owned())
            }
            FetchError::Failed(error) => error,
        }
    }
}

/// Brings a branch's tip here, unless it is here already with the depth that is asked for: one listing then.
pub(super) fn fetch(
    repository: &gix::Repository,
    asking: Asking<'_>,
    branch: &BranchName,
    depth: Depth,
) -> Result<ObjectId, FetchError> {
    let known = transfer::noted_tip(repository, branch)?;
    let refspec = format!("+refs/heads/{branch}:{}", transfer::noted(branch));
    let prepared = list(repository, asking, &[refspec])?;
    let wanted = format!("refs/heads/{branch}");
    let mut heads = prepared.ref_map().remote_refs.iter().filter_map(head);
    let Some((_, tip)) = heads.find(|(name, _)| *name == wanted.as_bytes()) else {
        drop(heads);
        // Only what the branch's name begins was listed; whether there is any other one takes another look.
        let others = branches(repository, asking)?;
        let there: Vec<BranchName> = others.iter().map(|name| BranchName::from(name.as_str())).collect();
        let missing = match there.is_empty() {
            true => GitError::EmptyRepository,
            false => GitError::NoBranch { branch: branch.clone(), there },
        };
        return Err(missing.into());
    };
    drop(heads);
    if known == Some(tip) && depth == Depth::Tip {
        return Ok(tip);
    }
    let asked = transfer::depth_to_ask(repository, known, depth);
    let prepared = prepared.with_shallow(asked.map_or(fetch::Shallow::NoChange, fetch::Shallow::DepthAtRemote));
    asking.within_deadline(|stop| prepared.receive(gix::progress::Discard, stop))?;
    transfer::remember(repository, branch, tip)?;
    if !repository.has_object(tip) {
        return Err(unwritable("the fetched commit is not there").into());
    }
    Ok(tip)
}

/// Brings the tips of several branches here by one listing and one request.
///
/// Fails as a whole, also where that cannot be done at one depth; then each is fetched by itself, which tells its own reason.
pub(super) fn fetch_all(
    repository: &gix::Repository,
    asking: Asking<'_>,
    branches: &[BranchName],
) -> Result<Vec<ObjectId>, FetchError> {
    let refspec = |branch: &BranchName| format!("+refs/heads/{branch}:{}", transfer::noted(branch));
    let prepared = list(repository, asking, &branches.iter().map(refspec).collect::<Vec<_>>())?;
    let tip = |branch: &BranchName| {
        let wanted = format!("refs/heads/{branch}");
        let mut heads = prepared.ref_map().remote_refs.iter().filter_map(head);
        let found = heads.find(|(name, _)| *name == wanted.as_bytes()).map(|(_, tip)| tip);
        found.ok_or_else(|| GitError::NoBranch { branch: branch.clone(), there: Vec::new() })
    };
    let tips = branches.iter().map(tip).collect::<Result<Vec<_>, _>>()?;
    let Some(depth) = transfer::one_depth(repository, branches, &tips)? else { return Ok(tips) };
    let prepared = prepared.with_shallow(depth.map_or(fetch::Shallow::NoChange, fetch::Shallow::DepthAtRemote));
    asking.within_deadline(|stop| prepared.receive(gix::progress::Discard, stop))?;
    for (branch, tip) in branches.iter().zip(&tips) {
        transfer::remember(repository, branch, *tip)?;
        if !repository.has_object(tip) {
            return Err(unwritable("the fetched commit is not there").into());
        }
    }
    Ok(tips)
}

/// Lists the remote's branches; those whose names are not UTF-8 are left out.
pub(super) fn branches(repository: &gix::Repository, asking: Asking<'_>) -> Result<Vec<String>, FetchError> {
    let listed = list(repository, asking, &["+refs/heads/*:refs/tagboat/*".to_owned()])?;
    let names = listed.ref_map().remote_refs.iter().filter_map(head);
    let short = |(name, _): (&[u8], ObjectId)| std::str::from_utf8(&name[HEADS.len()..]).ok().map(str::to_owned);
    Ok(names.filter_map(short).collect())
}

/// Lists the remote's branches whose names begin with `prefix`, with their tips; those that are not UTF-8 are left out.
pub(super) fn heads(
    repository: &gix::Repository,
    asking: Asking<'_>,
    prefix: &str,
) -> Result<Vec<(String, ObjectId)>, FetchError> {
    // Only what stands below a folder of names can be asked for by itself.
    let folder = if prefix.ends_with('/') { prefix } else { "" };
    let listed = list(repository, asking, &[format!("+refs/heads/{folder}*:refs/tagboat/*")])?;
    let found = listed.ref_map().remote_refs.iter().filter_map(head).filter_map(|(name, tip)| {
        let name = std::str::from_utf8(&name[HEADS.len()..]).ok()?;
        name.starts_with(prefix).then(|| (name.to_owned(), tip))
    });
    Ok(found.collect())
}

/// Returns the branch that the remote's `HEAD` names, where it names one.
pub(super) fn default_branch(repository: &gix::Repository, asking: Asking<'_>) -> Result<Option<String>, FetchError> {
    let listed = list(repository, asking, &["+HEAD:refs/tagboat-head".to_owned()])?;
    let target = listed.ref_map().remote_refs.iter().find_map(|reference| match reference {
        Ref::Symbolic { full_ref_name, target, .. } if full_ref_name == "HEAD" => Some(target),
        _ => None,
    });
    let short = target.and_then(|target| target.strip_prefix(HEADS.as_bytes()));
    Ok(short.and_then(|short| std::str::from_utf8(short).ok()).map(str::to_owned))
}

/// Connects, and lists the references that some refspecs begin with.
fn list<'repo>(
    repository: &'repo gix::Repository,
    asking: Asking<'_>,
    refspecs: &[String],
) -> Result<Prepared<'repo>, FetchError> {
    let remote = repository
        .remote_at_without_url_rewrite(asking.url.to_string().as_str())
        .and_then(|remote| remote.with_refspecs(refspecs.iter().map(String::as_str), Direction::Fetch))
        .map_err(broken)?
        .with_fetch_tags(fetch::Tags::None);
    let mut connection = remote.to_connection_with_transport(asking.connect()?);
    connection.set_transport_options(Box::new(asking.options()));
    // The header is all there is: nobody is asked, and no helper is started.
    connection.set_credentials(|_| Ok(None));
    let prepared = connection.prepare_fetch(gix::progress::Discard, gix::remote::ref_map::Options::default());
    prepared.map_err(|fault| classify(&asking, &fault))
}

/// Asks whether the credential may push, by the status of the first request of a push.
pub(super) fn may_push(asking: Asking<'_>) -> Result<(), GitError> {
    let mut transport = asking.connect()?;
    transport::client::TransportWithoutIO::configure(&mut transport, &asking.options()).map_err(broken)?;
    match transport.handshake(transport::Service::ReceivePack, &[]) {
        Ok(_) => Ok(()),
        Err(fault) => Err(classify_chain(&asking, &fault).unwrap_or_else(|| FetchError::from(unclear(&fault))).into()),
    }
}

fn head(reference: &Ref) -> Option<(&[u8], ObjectId)> {
    let (name, id) = match reference {
        Ref::Peeled { full_ref_name, object, .. }
        | Ref::Direct { full_ref_name, object }
        | Ref::Symbolic { full_ref_name, object, .. } => (full_ref_name, object),
        Ref::Unborn { .. } => return None,
    };
    name.starts_with_str(HEADS).then_some((name.as_slice(), *id))
}

impl Asking<'_> {
    /// Connects, for one transfer.
    fn connect(&self) -> Result<http::Transport<Timely>, GitError> {
        let url = gix::url::parse(self.url.to_string()).map_err(broken)?;
        Ok(http::connect_http(Timely::until(self.deadline()?), url, transport::Protocol::V2, false))
    }

    fn options(&self) -> http::Options {
        // A client is made for each transfer, so that its silence ends with the pass, too.
        let silence = self.ends.within(SILENCE);
        let backend = http::reqwest::Options {
            configure_client: Some(Box::new(move |client| Ok(client.timeout(silence)))),
            configure_request: None,
        };
        http::Options {
            // With configured headers gix turns a redirect into an error, whatever it is allowed here.
            extra_headers: self.header.iter().map(|line| line.expose_secret().to_owned()).collect(),
            follow_redirects: http::options::FollowRedirects::Initial,
            backend: Some(Arc::new(Mutex::new(backend))),
            ..http::Options::default()
        }
    }

    /// Runs a fetch that is told to stop once it takes too long: what has come is looked through after the last byte was read.
    fn within_deadline<T>(&self, work: impl FnOnce(&AtomicBool) -> Result<T, gix::Error>) -> Result<T, FetchError> {
        let longest = self.deadline()?.saturating_duration_since(Instant::now());
        let stop = AtomicBool::new(false);
        let outcome = std::thread::scope(|scope| {
            let (finished, waiting) = mpsc::channel::<()>();
            let stop = &stop;
            scope.spawn(move || {
                if waiting.recv_timeout(longest) == Err(RecvTimeoutError::Timeout) {
                    stop.store(true, Ordering::Relaxed);
                }
            });
            let outcome = work(stop);
            drop(finished);
            outcome
        });
        outcome.map_err(|fault| classify(self, &fault))
    }
}

/// What a 401 means, and what to do about it.
const UNAUTHORIZED: &str = "it asks for a credential, or does not accept this one (HTTP 401): give one by TAGBOAT_TOKEN, \
                            by the variable of a forge that `--forge` or the host names, or by `auth` in the service file";

/// What to look at where there is no way to a host.
const WAY: &str = "check the name, and what lies between: DNS, firewalls, HTTPS_PROXY, NO_PROXY";

fn classify(asking: &Asking<'_>, fault: &gix::Error) -> FetchError {
    if fault.is_unauthenticated() {
        return GitError::Denied(UNAUTHORIZED.to_owned()).into();
    }
    if let Some(known) = fault.iter_errors().find_map(|fault| classify_chain(asking, fault)) {
        return known;
    }
    if fault.is_cancelled() {
        return asking.late().into();
    }
    if fault.is_permission_denied() {
        return GitError::Denied("it does not accept the credential".to_owned()).into();
    }
    if fault.is_unsupported() {
        return GitError::Denied(
            "it does not answer as a Git server with SHA-1 objects does: check the URL".to_owned(),
        )
        .into();
    }
    unclear(fault.probable_cause()).into()
}

fn unclear(fault: &(dyn StdError + 'static)) -> GitError {
    GitError::Unreachable(program::words(fault.to_string().as_bytes()))
}

/// Looks for an HTTP status or a failed connection among an error's causes, at a bounded depth.
///
/// `io::Error` hides the error it was made from in its `source`, so that is looked into first.
fn classify_chain(asking: &Asking<'_>, fault: &(dyn StdError + 'static)) -> Option<FetchError> {
    let mut next = Some(fault);
    for _ in 0..32 {
        let error = next?;
        if let Some(known) = classify_shallow(asking, error) {
            return Some(known);
        }
        if error.downcast_ref::<transport::client::AuthenticationRequired>().is_some() {
            return Some(GitError::Denied(UNAUTHORIZED.to_owned()).into());
        }
        if let Some(inner) = error.downcast_ref::<gix::Error>()
            && let Some(known) = inner.iter_errors().find_map(|fault| classify_shallow(asking, fault))
        {
            return Some(known);
        }
        next = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn classify_shallow(asking: &Asking<'_>, fault: &(dyn StdError + 'static)) -> Option<FetchError> {
    match fault.downcast_ref::<reqwest::Error>() {
        Some(error) => Some(classify_http(asking, error)),
        None => fault.is::<TimeIsUp>().then(|| asking.late().into()),
    }
}

fn classify_http(asking: &Asking<'_>, error: &reqwest::Error) -> FetchError {
    match error.status().map(|status| status.as_u16()) {
        Some(status @ (401 | 403)) => GitError::Denied(format!("HTTP {status}")).into(),
        Some(404) => {
            GitError::Denied("there is no such repository, or the credential may not see it (HTTP 404)".to_owned())
                .into()
        }
        Some(status) => GitError::Unreachable(format!("HTTP {status}")).into(),
        None if error.is_redirect() => FetchError::Redirected,
        None if error.is_timeout() && asking.ends.is_over() => asking.late().into(),
        None if error.is_timeout() => GitError::Unreachable("it did not answer in time".to_owned()).into(),
        None => {
            let mut cause: &dyn StdError = error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            let cause = program::words(cause.to_string().as_bytes());
            let host = error.url().and_then(|url| url.host_str()).filter(|_| error.is_connect());
            GitError::Unreachable(match host {
                Some(host) => format!("no connection to {host}: {cause}; {WAY}"),
                None => cause,
            })
            .into()
        }
    }
}
