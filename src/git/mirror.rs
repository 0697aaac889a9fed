//! The mirror: a bare, shallow repository on disk that stands for one remote.
//!
//! The entry point is [`Mirror`]. It owns the folder and who may change it; how objects are read and
//! written, signed, fetched and pushed stands in the modules beside.
//!
//! Two processes may share a folder. Objects are only ever added, under their own hashes and by renaming
//! finished files, so readers and writers of objects need no lock. What changes in place (the shallow
//! boundary, the references, the folder as a whole) changes under an exclusive lock on `<folder>.lock`,
//! which the system releases when its holder dies, and which every holder keeps for a bounded time.

use std::fs::{self, File};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::time::Instant;

use gix::ObjectId;
use secrecy::SecretString;

use crate::clock::PassEnd;
use crate::git::access::Access;
use crate::git::beneath::{self, Known};
use crate::git::http::{self, Asking};
use crate::git::lock::{lock, unusable};
use crate::git::log::{self, Compared, Line};
use crate::git::program::{Program, ProgramEnvironment, words};
use crate::git::signing::Keys;
use crate::git::spent::{self, Spent};
use crate::git::transfer::Depth;
use crate::git::url::{Reach, RemoteUrl};
use crate::git::{
    Beneath, BlobId, GitError, Head, Pushed, Remote, TreeEntry, beside, forced, objects, push, tidy, transfer,
};
use crate::model::change::FileEdit;
use crate::model::commit::{CommitId, CommitPlan, Sign};
use crate::model::environment::BranchName;
use crate::model::exchange::{Ending, Exchange, System, Witness};
use crate::model::image::shorten;

/// How far back the commit that a head branch stands on is looked for on the base.
const BASE_DEPTHS: [usize; 3] = [16, 256, 2_000];

/// A bare, shallow copy of a remote's branches, and the way to push to it.
pub struct Mirror {
    folder: PathBuf,
    url: RemoteUrl,
    /// The URL with `.git` at its end, once the remote turned out to want it.
    suffixed: OnceLock<RemoteUrl>,
    access: Access,
    header: Option<SecretString>,
    program: Program,
    repository: RwLock<gix::ThreadSafeRepository>,
    keys: Keys,
    /// What comparisons of its commits told.
    compared: Compared,
    /// Set when an object that must be there was not: the next fetch starts anew.
    suspect: AtomicBool,
    /// Set when a branch moved, and not as a line does: told of once, if that turns out to be so.
    is_forced: AtomicBool,
    witness: Witness,
    ends: PassEnd,
}

impl Mirror {
    /// Opens the mirror in a folder, makes one where there is none, and replaces a broken one.
    ///
    /// A broken mirror is thrown away only where nothing lies in its folder but what Git puts there. A relative local URL is
    /// resolved against the current folder. Nothing is asked of the remote yet.
    ///
    /// # Errors
    ///
    /// [`GitError::Broken`] when the folder cannot be made, [`GitError::Denied`] for an unusable secret.
    pub fn open(
        folder: &Path,
        url: RemoteUrl,
        access: Access,
        environment: ProgramEnvironment,
    ) -> Result<Self, GitError> {
        Self::open_until(PassEnd::default(), folder, url, access, environment)
    }

    /// As [`Mirror::open`], to ask the remote until a pass is over, and to wait no longer for others who use the folder.
    ///
    /// # Errors
    ///
    /// As for [`Mirror::open`], and [`GitError::Unreachable`] where the pass is over before others are done with the folder.
    pub fn open_until(
        ends: PassEnd,
        folder: &Path,
        url: RemoteUrl,
        access: Access,
        environment: ProgramEnvironment,
    ) -> Result<Self, GitError> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(|fault| unusable(path, &fault));
        let folder = absolute(folder)?;
        let url = match url.local_path() {
            Some(path) if path.is_relative() => RemoteUrl::from_path(&absolute(path)?),
            _ => url,
        };
        let header = access.header(&url)?;
        let program = Program::new(folder.clone(), environment, access.ssh_command(), header.clone()).until(ends);
        let _lock = lock(&folder, ends)?;
        tidy::tidy(&program, &folder);
        let repository = match open(&folder) {
            Some(repository) => repository,
            None => make_anew(&folder)?,
        };
        Ok(Self {
            folder,
            url,
            suffixed: OnceLock::new(),
            access,
            header,
            program,
            keys: Keys::default(),
            compared: Compared::default(),
            repository: RwLock::new(repository),
            suspect: AtomicBool::new(false),
            is_forced: AtomicBool::new(false),
            witness: Witness::default(),
            ends,
        })
    }

    /// Signs commits with these keys where that is asked for.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        Self { keys, ..self }
    }

    /// Tells somebody of each time that the remote is asked.
    #[must_use]
    pub fn told_to(self, witness: Witness) -> Self {
        Self { witness, ..self }
    }

    /// Waits for the folder's lock; it is released when the file is dropped.
    fn lock(&self) -> Result<File, GitError> {
        lock(&self.folder, self.ends)
    }

    /// Returns the remote's URL.
    pub fn url(&self) -> &RemoteUrl {
        &self.url
    }

    /// Returns the mirror's folder, a bare repository.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the remote's default branch: the one that its `HEAD` names, where it names one.
    ///
    /// # Errors
    ///
    /// [`GitError`] as for fetching.
    pub fn default_branch(&self) -> Result<Option<BranchName>, GitError> {
        let name = self.telling("list", || match self.url.reach() {
            Reach::Http => Ok(http::default_branch(&self.handle(), self.asking())?),
            Reach::Local | Reach::Ssh => transfer::default_branch(&self.program, self),
        })?;
        Ok(name.map(|name| BranchName::from(name.as_str())))
    }

    /// Returns a handle for this thread.
    pub(super) fn handle(&self) -> gix::Repository {
        self.repository.read().unwrap_or_else(PoisonError::into_inner).to_thread_local()
    }

    fn remake(&self) -> Result<(), GitError> {
        let mut repository = self.repository.write().unwrap_or_else(PoisonError::into_inner);
        *repository = make_anew(&self.folder)?;
        Ok(())
    }

    fn reached_url(&self) -> &RemoteUrl {
        self.suffixed.get().unwrap_or(&self.url)
    }

    /// Returns what is asked over HTTP, as whom, and until when.
    fn asking(&self) -> Asking<'_> {
        Asking { url: self.reached_url(), header: self.header.as_ref(), ends: self.ends }
    }

    /// Fetches by HTTP through gix, and by the `git` program otherwise.
    ///
    /// Only HTTP runs in this process: for a local folder gix would start `git-upload-pack`, and for SSH
    /// `ssh`, both with this process's own environment, past the one place that starts programs.
    fn fetch_once(&self, branch: &BranchName, depth: Depth) -> Result<ObjectId, GitError> {
        self.telling("fetch", || self.fetch_by(branch, depth))
    }

    fn fetch_by(&self, branch: &BranchName, depth: Depth) -> Result<ObjectId, GitError> {
        if self.url.reach() != Reach::Http {
            return transfer::fetch(&self.program, &self.handle(), self, branch, depth);
        }
        let fetched = http::fetch(&self.handle(), self.asking(), branch, depth);
        match (fetched, self.reached_url().with_suffix()) {
            // GitLab redirects `owner/name` to `owner/name.git`; the header must not follow blindly.
            (Err(http::FetchError::Redirected), Some(suffixed)) => {
                let id = http::fetch(&self.handle(), Asking { url: &suffixed, ..self.asking() }, branch, depth)?;
                // A concurrent fetch may have found out the same.
                drop(self.suffixed.set(suffixed));
                Ok(id)
            }
            (fetched, _) => Ok(fetched?),
        }
    }

    /// Fetches several branches in one request, all or none.
    fn fetch_together(&self, branches: &[BranchName]) -> Result<Vec<ObjectId>, GitError> {
        branches.iter().try_for_each(check_branch)?;
        let _lock = self.lock()?;
        let noted = |branch| transfer::noted_tip(&self.handle(), branch).ok().flatten();
        let before: Vec<Option<ObjectId>> = branches.iter().map(noted).collect();
        let tips = self.telling("fetch", || match self.url.reach() {
            Reach::Http => Ok(http::fetch_all(&self.handle(), self.asking(), branches)?),
            Reach::Local | Reach::Ssh => transfer::fetch_all(&self.program, &self.handle(), self, branches),
        })?;
        for ((branch, before), tip) in branches.iter().zip(before).zip(&tips) {
            self.note_forced(branch, before, *tip)?;
        }
        Ok(tips)
    }

    /// Notes where a branch stood before, if it did not go on from there.
    fn note_forced(&self, branch: &BranchName, before: Option<ObjectId>, tip: ObjectId) -> Result<(), GitError> {
        let suspects = before.map_or(Ok(false), |before| forced::suspect(&self.handle(), branch, before, tip));
        self.is_forced.fetch_or(self.noting(suspects)?, Ordering::Relaxed);
        Ok(())
    }

    /// Asks the remote for something, and tells of it.
    fn telling<T>(&self, kind: &'static str, ask: impl FnOnce() -> Result<T, GitError>) -> Result<T, GitError> {
        let begun = Instant::now();
        let outcome = ask();
        self.tell(kind, outcome.as_ref().map_or_else(GitError::ending, |_| Ending::Ok), begun);
        outcome
    }

    /// Pushes, and tells of it.
    fn push_telling(
        &self,
        branch: &BranchName,
        old: Option<ObjectId>,
        new: Option<ObjectId>,
    ) -> Result<Pushed, GitError> {
        let begun = Instant::now();
        let outcome = push::push(&self.program, self, branch, old, new);
        let ending = match &outcome {
            Ok(Pushed::Done) => Ending::Ok,
            Ok(Pushed::Moved | Pushed::Forbidden(_)) => Ending::Refused,
            Err(error) => error.ending(),
        };
        self.tell("push", ending, begun);
        outcome
    }

    /// Tells what became of what a head branch brings; its commits are fetched where more of them are needed.
    fn spent(&self, name: &BranchName, tip: &CommitId, base: &Line) -> Result<Spent, GitError> {
        match self.noting(spent::spent(&self.handle(), tip, base))? {
            Spent::Unseen => {
                let depth = NonZeroU32::new(u32::try_from(spent::MOST_COMMITS).unwrap_or(u32::MAX));
                let _lock = self.lock()?;
                self.fetch_once(name, Depth::Commits(depth.unwrap_or(NonZeroU32::MIN)))?;
                self.noting(spent::spent(&self.handle(), tip, base))
            }
            told => Ok(told),
        }
    }

    fn tell(&self, kind: &'static str, ending: Ending, begun: Instant) {
        let host = self.url.host().unwrap_or("local");
        let took = begun.elapsed();
        self.witness.tell(&Exchange { system: System::Git, host, kind, ending, took, remaining: None });
    }

    /// Turns what the remote or the program said into words that hold no secret.
    pub(super) fn words(&self, output: &[u8]) -> String {
        let text = String::from_utf8_lossy(output);
        words(self.access.redact(&text, &self.url).as_bytes())
    }

    /// Asks by HTTP status whether the credential may push; `Ok` where it may, or where nothing tells.
    pub(super) fn may_push(&self) -> Result<(), GitError> {
        match self.url.reach() {
            Reach::Http => http::may_push(self.asking()),
            Reach::Local | Reach::Ssh => Ok(()),
        }
    }

    /// Returns the remote as the `git` program takes it.
    pub(super) fn argument(&self) -> std::ffi::OsString {
        self.reached_url().argument()
    }

    /// Lists what a head branch has below the commit on top of it, and brings it here where it is not.
    fn beneath(
        &self,
        name: &BranchName,
        parent: &CommitId,
        base: (&BranchName, &CommitId),
    ) -> Result<Beneath, GitError> {
        let known = self.noting(Known::of(&self.handle(), base))?;
        if let Some(beneath) = self.noting(known.beneath(&self.handle(), parent))? {
            return Ok(beneath);
        }
        {
            let _lock = self.lock()?;
            self.fetch_once(name, Depth::Commits(NonZeroU32::MIN.saturating_add(beneath::MOST)))?;
        }
        Ok(self.noting(known.beneath(&self.handle(), parent))?.unwrap_or(Beneath::TooMany))
    }

    /// Remembers that the mirror is not whole where a local read found it so.
    fn noting<T>(&self, outcome: Result<T, GitError>) -> Result<T, GitError> {
        if let Err(GitError::Broken(_)) = &outcome {
            self.suspect.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl Remote for Mirror {
    fn fetch(&self, branch: &BranchName) -> Result<CommitId, GitError> {
        check_branch(branch)?;
        if self.url.reach() != Reach::Http {
            self.program.ready()?;
        }
        let _lock = self.lock()?;
        if self.suspect.swap(false, Ordering::Relaxed) || !self.folder.join("HEAD").is_file() {
            self.remake()?;
        }
        let before = transfer::noted_tip(&self.handle(), branch).ok().flatten();
        let tip = match self.fetch_once(branch, Depth::Tip) {
            Err(GitError::Broken(_)) => {
                self.remake()?;
                self.fetch_once(branch, Depth::Tip)?
            }
            other => other?,
        };
        self.note_forced(branch, before, tip)?;
        Ok(objects::commit_id(tip))
    }

    fn fetch_all(&self, branches: &[BranchName]) -> Vec<Result<CommitId, GitError>> {
        match self.fetch_together(branches) {
            Ok(tips) => tips.into_iter().map(|tip| Ok(objects::commit_id(tip))).collect(),
            Err(error) => {
                tracing::debug!(%error, "branches are fetched one by one");
                branches.iter().map(|branch| self.fetch(branch)).collect()
            }
        }
    }

    fn entries(&self, commit: &CommitId) -> Result<Vec<TreeEntry>, GitError> {
        self.noting(objects::entries(&self.handle(), commit))
    }

    fn read(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.noting(objects::read(&self.handle(), blob, limit))
    }

    fn history(
        &self,
        branch: &BranchName,
        tip: &CommitId,
        limit: usize,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Line, GitError> {
        let read =
            || self.noting(log::first_parent_and_renames(&self.handle(), tip, limit, wanted, Some(&self.compared)));
        let (mut line, mut renames) = read()?;
        if !line.whole && line.steps.len() < limit {
            check_branch(branch)?;
            {
                let _lock = self.lock()?;
                // One more than is asked for: a commit is compared with its parent.
                let commits = u32::try_from(limit).unwrap_or(u32::MAX - 1).saturating_add(1);
                let depth = NonZeroU32::new(commits).unwrap_or(NonZeroU32::MIN);
                let reached = self.fetch_once(branch, Depth::Commits(depth))?;
                let known = objects::object_id(tip.as_str())?;
                // Where it moved since, the next fetch finds it where this one left it.
                self.note_forced(branch, Some(known), reached)?;
            }
            (line, renames) = read()?;
        }
        let handle = self.handle();
        let lost = self.noting(forced::confirmed(&handle, branch, tip, &line))?;
        if !lost.is_empty() {
            if self.is_forced.swap(false, Ordering::Relaxed) {
                tracing::warn!(%branch, "somebody moved the branch by force: what that took out is not brought again unasked");
            }
            self.noting(beside::lost(&handle, (&mut line, &renames), &lost, wanted))?;
        }
        Ok(line)
    }

    fn commit(
        &self,
        base: &CommitId,
        files: &[FileEdit],
        plan: &CommitPlan,
        now: jiff::Timestamp,
    ) -> Result<CommitId, GitError> {
        let sign = |bytes: &[u8]| match plan.sign {
            Some(way @ (Sign::Ssh | Sign::Gpg)) => self.keys.signature(way, bytes, &self.program).map(Some),
            Some(Sign::Forge) | None => Ok(None),
        };
        objects::commit(&self.handle(), base, files, (plan, now), &sign)
    }

    fn holds_what_is_made(&self, commit: &CommitId, base: &CommitId, files: &[FileEdit]) -> Result<bool, GitError> {
        let repository = self.handle();
        Ok(objects::edited_tree(&repository, base, files)? == objects::tree_id(&repository, commit)?)
    }

    fn tree(&self, commit: &CommitId) -> Result<String, GitError> {
        Ok(objects::tree_id(&self.handle(), commit)?.to_string())
    }

    fn message(&self, commit: &CommitId) -> Result<Option<String>, GitError> {
        let handle = self.handle();
        let id = objects::object_id(commit.as_str())?;
        if !handle.has_object(id) {
            return Ok(None);
        }
        handle.find_commit(id).map_err(objects::broken).and_then(|commit| log::message(&commit)).map(Some)
    }

    fn is_signed(&self, commit: &CommitId) -> Result<bool, GitError> {
        objects::is_signed(&self.handle(), commit)
    }

    fn is_signed_here(&self, commit: &CommitId) -> Result<bool, GitError> {
        match objects::signed(&self.handle(), commit)? {
            Some((signature, payload)) => self.keys.made(&signature, &payload, &self.program),
            None => Ok(false),
        }
    }

    fn signs(&self, way: Sign) -> Result<(), String> {
        self.keys.sign(way)
    }

    fn heads(&self, prefix: &str) -> Result<Vec<(BranchName, CommitId)>, GitError> {
        let listed = self.telling("list", || match self.url.reach() {
            Reach::Http => Ok(http::heads(&self.handle(), self.asking(), prefix)?),
            Reach::Local | Reach::Ssh => transfer::heads(&self.program, self, prefix),
        })?;
        Ok(listed
            .into_iter()
            .map(|(name, tip)| (BranchName::from(name.as_str()), objects::commit_id(tip)))
            .filter(|(name, _)| check_branch(name).is_ok())
            .collect())
    }

    fn head(&self, name: &BranchName, tip: &CommitId, base: (&BranchName, &CommitId)) -> Result<Head, GitError> {
        check_branch(name)?;
        let mut tip = tip.clone();
        if !log::is_at_hand(&self.handle(), &tip) {
            let _lock = self.lock()?;
            // With its parent, which it is compared with.
            tip = objects::commit_id(self.fetch_once(name, Depth::Commits(NonZeroU32::MIN.saturating_add(1)))?);
        }
        let line = self.noting(log::first_parent(&self.handle(), &tip, 1, &|_| true, None))?;
        let Some(step) = line.steps.into_iter().next() else {
            return Err(GitError::Broken(format!("the commit of {name} has no parent at hand")));
        };
        let parent = step.entry.parent.clone();
        let mut on_base = parent.as_ref() == Some(base.1);
        let mut is_empty = tip == *base.1;
        let mut undone = Vec::new();
        for limit in BASE_DEPTHS {
            if on_base || is_empty {
                break;
            }
            let line = self.history(base.0, base.1, limit, &|_| false)?;
            // A commit of the line comes before its parent.
            // Merged and reverted, it is there all the same, and brings nothing any more.
            is_empty = line.steps.iter().any(|step| step.entry.id == tip || step.entry.others.contains(&tip));
            on_base = line.steps.iter().any(|step| Some(&step.entry.id) == parent.as_ref());
            // Left by several commits, somebody else wrote some of them: they may be there under other ids.
            if !on_base && !is_empty {
                match self.spent(name, &tip, &line)? {
                    Spent::OnBase => is_empty = true,
                    Spent::Undone(messages) => undone = messages,
                    Spent::No | Spent::Unseen => {}
                }
            }
            let is_over = line.whole || !undone.is_empty();
            if is_over {
                break;
            }
        }
        on_base &= !is_empty;
        let beneath = match &parent {
            Some(parent) if !on_base && !is_empty => self.beneath(name, parent, base)?,
            _ => Beneath::Nothing,
        };
        Ok(Head { tip, step, on_base, is_empty, undone, beneath })
    }

    fn push_head(
        &self,
        branch: &BranchName,
        old: Option<&CommitId>,
        new: Option<&CommitId>,
    ) -> Result<Pushed, GitError> {
        check_branch(branch)?;
        let id = |commit: Option<&CommitId>| commit.map(|commit| objects::object_id(commit.as_str())).transpose();
        self.push_telling(branch, id(old)?, id(new)?)
    }

    fn push(&self, branch: &BranchName, old: &CommitId, new: &CommitId) -> Result<Pushed, GitError> {
        check_branch(branch)?;
        let (old, new) = (objects::object_id(old.as_str())?, objects::object_id(new.as_str())?);
        let pushed = self.push_telling(branch, Some(old), Some(new))?;
        if pushed == Pushed::Done {
            // The next fetch then finds the branch where it left it, and asks for nothing. The push arrived
            // whether or not this can be noted; a mirror in which it cannot is made anew.
            let noted = self.lock().and_then(|_lock| transfer::remember(&self.handle(), branch, new));
            self.suspect.fetch_or(noted.is_err(), Ordering::Relaxed);
        }
        Ok(pushed)
    }
}

/// Opens a mirror, if the folder holds a bare repository that looks whole.
fn open(folder: &Path) -> Option<gix::ThreadSafeRepository> {
    let options = gix::open::Options::isolated().open_path_as_is(true).strict_config(true);
    let repository = options.open(folder).ok()?;
    let handle = repository.to_thread_local();
    // An empty HEAD is no hindrance here, but one for the `git` program.
    let whole = handle.is_bare()
        && handle.object_hash() == gix::hash::Kind::Sha1
        && handle.is_shallow().is_ok()
        && handle.head().is_ok();
    (whole && folder.join("objects/pack").is_dir()).then_some(repository)
}

/// What Git puts into a bare repository, and nothing that a person would miss.
const MIRROR_CONTENT: &[&str] = &[
    "FETCH_HEAD",
    "HEAD",
    "branches",
    "config",
    "description",
    "hooks",
    "info",
    "logs",
    "objects",
    "packed-refs",
    "refs",
    "shallow",
];

fn make_anew(folder: &Path) -> Result<gix::ThreadSafeRepository, GitError> {
    let unusable = |fault: std::io::Error| unusable(folder, &fault);
    match fs::read_dir(folder) {
        Ok(found) => {
            for entry in found {
                let name = entry.map_err(unusable)?.file_name();
                let name = name.to_string_lossy();
                if !MIRROR_CONTENT.contains(&name.trim_end_matches(".lock")) {
                    return Err(GitError::Broken(format!(
                        "{} holds `{}`, which is no mirror's: name a folder of the mirror's own",
                        folder.display(),
                        shorten(&name)
                    )));
                }
            }
            fs::remove_dir_all(folder).map_err(unusable)?;
        }
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => {}
        Err(fault) => return Err(unusable(fault)),
    }
    gix::ThreadSafeRepository::init_opts(
        folder,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        gix::open::Options::isolated(),
    )
    .map_err(|fault| GitError::Broken(format!("no mirror could be made in {}: {fault}", folder.display())))
}

/// Refuses a name that Git would, before it becomes part of an argument.
///
/// # Errors
///
/// [`GitError::Broken`], which quotes the name.
pub fn check_branch(branch: &BranchName) -> Result<(), GitError> {
    let name = format!("refs/heads/{branch}");
    if branch.as_str().starts_with('-') || gix::validate::reference::name(name.as_str().into()).is_err() {
        let shown = shorten(branch.as_str());
        return Err(GitError::Broken(format!("`{shown}` is no branch name")));
    }
    Ok(())
}
