//! One pass: observe, decide, promote, edit, publish. The only place where the stages meet.
//!
//! [`plan`] is the pass up to the last verb and changes nothing; [`run::run`] publishes what it gives, and
//! [`update`] writes it into a working tree. Decides nothing itself.

mod alone;
pub mod asked;
pub mod check;
mod clients;
mod deployments;
mod displaced;
mod early;
pub mod elsewhere;
mod forges;
mod former;
mod grounds;
pub mod hold;
mod landed;
pub mod migrate;
mod notes;
pub mod order;
mod ordered;
mod own;
mod pasts;
pub mod permissions;
pub mod propose;
pub mod record;
mod refusals;
pub mod registries;
pub mod report;
pub mod returns;
pub mod run;
pub mod setup;
pub mod status;
mod transport;
pub mod unanswered;
mod unsure;
pub mod view;
pub mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;

use crate::cache::Cache;
use crate::config::holds::{HOLDS_FILE, MISTAKEN_FILE};
use crate::config::repository::Repository;
use crate::decide::questions::{self, Followed};
pub use crate::forge::turns::Turn;
use crate::manifest::layers;
use crate::model::change::{ChangeSet, Refusal};
use crate::model::commit::CommitId;
use crate::model::decision::{Decided, Decision, Question, Verdict};
use crate::model::environment::{BranchName, EnvironmentName};
use crate::model::file::RepoPath;
use crate::model::hold::Hold;
use crate::model::image::{Ambiguous, ImageName};
use crate::model::observation::{Heard, Observation};
use crate::model::outcome::{Outcome, ScanOutcome, ScannedReference, Trouble};
use crate::model::proposal::{Action, Move, Proposal};
use crate::model::rejections::Rejections;
use crate::model::site::{PassedOver, Site};
use crate::model::usage::Usage;
use crate::observe::files::Files;
use crate::observe::history::Past;
use crate::observe::scan::Scanned;
use crate::pass::early::Early;
use crate::pass::elsewhere::Others;
use crate::pass::grounds::{Seen, Sight};
use crate::pass::hold::Awaited;
use crate::pass::pasts::read_pasts;
use crate::pass::returns::Return;
use crate::pass::view::Branches;
use crate::promote::Promoted;
use crate::registry::TagSource;
use crate::source::Answers;
use crate::{config, decide, edit, git, manifest, observe, promote, publish};

/// How many times decisions may ask for further facts before what is still missing counts as unknown.
const MAX_ROUNDS: usize = 16;

/// The longest file of holds that is read, in bytes.
pub(crate) const MAX_HOLDS: u64 = 1 << 20;

/// Why a pass could not even begin.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The files could not be listed.
    #[error("{0}")]
    Files(String),
    /// A configuration file has faults.
    #[error("the configuration has faults")]
    Configuration(#[from] config::fault::Faults),
    /// There is no configuration, and this command needs one.
    #[error("{0} has no .tagboat.yaml: `tagboat init` writes one")]
    NotConfigured(String),
    /// Git could not do it.
    #[error(transparent)]
    Git(#[from] git::GitError),
    /// Several images may be meant by a name.
    #[error(transparent)]
    Ambiguous(#[from] Ambiguous),
}

/// Which work a pass is busy with, for progress bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Looking into files.
    Scanning,
    /// Asking registries: answers so far, and all.
    Asking(usize, usize),
    /// Fetching from the remote or pushing to it.
    Git,
}

/// Everything that a pass needs to look at the world.
pub struct Inputs<'a> {
    /// What is followed, and how.
    pub config: &'a Repository,
    /// The files.
    pub files: &'a dyn Files,
    /// The commit that they are of, unless they are a working tree's.
    pub base: Option<CommitId>,
    /// The history that led to the files; `None` where there is none, as in a folder that is no checkout.
    pub past: Option<&'a dyn Past>,
    /// The branches beside the base on which environments live.
    pub branches: &'a Branches,
    /// The other repositories whose environments come before one of these.
    pub others: &'a Others,
    /// Where tags come from.
    pub source: &'a dyn TagSource,
    /// What gates may ask.
    pub sources: &'a dyn Answers,
    /// What earlier passes left.
    pub cache: &'a Cache,
    /// The limits of what is read.
    pub limits: &'a manifest::Limits,
    /// The moment that counts.
    pub now: Timestamp,
    /// Whom gates ask about commits and pull requests; or why nobody can be asked, in words.
    pub forge: Result<observe::checks::Asked<'a>, String>,
    /// Whether each pull request is edited for itself, or all files of an environment together.
    pub editing: Editing,
    /// Who asks: whether every tag is to be told of.
    pub detail: Detail,
    /// The images that are looked at, with those of their groups; empty for all.
    pub only: &'a [ImageName],
    /// What pull requests propose to hold: it counts as held.
    pub awaited: Awaited,
    /// What was answered already, where the pass decides anew.
    pub heard: Heard,
    /// Told what goes on.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// What forges need not be asked.
    pub turn: &'a Turn,
}

/// How much of a pass is told of, and so has to be kept until it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Every listed tag with its reason.
    EveryTag,
    /// What was decided. Tags that their names rule out are let go as soon as that is known.
    Outcome,
}

/// How the edits of proposals that become pull requests are gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Editing {
    /// All of an environment's in one set, as a working tree takes them.
    Together,
    /// Each by itself, as head branches take them.
    Apart,
}

/// A pass stopped before it acts: everything seen, decided and edited.
#[derive(Debug, Default)]
pub struct Planned {
    /// What was seen.
    pub observation: Observation,
    /// What was decided, and what may move.
    pub promoted: Promoted,
    /// The edits of each environment, in the order of the environments.
    pub changes: Vec<(EnvironmentName, ChangeSet)>,
    /// The edits of each proposal that becomes a pull request, by its position; only where they are edited apart.
    pub proposed: Vec<(usize, ChangeSet)>,
    /// What goes back because it failed.
    pub returns: Vec<Return>,
    /// What failed beside the targets that were observed.
    pub troubles: Vec<Trouble>,
    /// The images that it did not look at, because others were asked for; they count as undecided.
    pub aside: BTreeSet<ImageName>,
    /// The images that were asked for and that nothing follows.
    pub unheard: Vec<ImageName>,
    /// What registries were asked for it.
    pub usage: Usage,
}

/// Observes, decides, promotes and edits; changes nothing.
///
/// # Errors
///
/// [`PassError`] when there is nothing to work on; the failure of a single target is a row of the outcome.
pub async fn plan(inputs: &Inputs<'_>) -> Result<Planned, PassError> {
    let asked = Asked::begin(inputs.source);
    let mut planned = round(inputs).await?;
    planned.usage = asked.end();
    Ok(planned)
}

/// Counts what one pass asks registries.
struct Asked<'a> {
    source: &'a dyn TagSource,
    before: Usage,
}

impl<'a> Asked<'a> {
    /// Begins a pass.
    fn begin(source: &'a dyn TagSource) -> Self {
        source.begin_pass();
        Self { source, before: source.usage() }
    }

    /// Ends it: logs a line for each registry that was asked, and returns the numbers.
    fn end(self) -> Usage {
        let usage = self.source.usage().since(&self.before);
        for (registry, usage) in &usage.0 {
            tracing::info!(
                registry,
                lists = usage.lists,
                heads = usage.heads,
                manifests = usage.manifests,
                blobs = usage.blobs,
                tokens = usage.tokens,
                others = usage.others,
                cached = usage.cached,
                throttled = usage.throttled,
                retries = usage.retries,
                waited_ms = u64::try_from(usage.waited.as_millis()).unwrap_or(u64::MAX),
                bytes = usage.bytes,
                limit = usage.limit.and_then(|told| told.limit),
                remaining = usage.limit.map(|told| told.remaining),
                "asked"
            );
        }
        usage
    }
}

/// Plans once; a pass that moves its base branch plans several times.
async fn round(inputs: &Inputs<'_>) -> Result<Planned, PassError> {
    let mut stages = Stages::start();
    let (observation, seen) = look(inputs)?;
    stages.end("looked into the files");
    let (mut observation, decisions) = settle(inputs, observation, &seen, &mut stages).await;
    stages.end("decided");
    see(inputs, &observation, &decisions);
    let Repository { environments, groups, .. } = inputs.config;
    let mut promoted = promote::promote(&observation, decisions.clone(), environments, groups);
    // What may move shows when history is read, and what its gates ask when it may move.
    for _ in 0..MAX_ROUNDS {
        if promoted.wants.is_empty() && promoted.questions.is_empty() && promoted.forge.is_empty() {
            break;
        }
        read_pasts(inputs, &mut observation, &promoted.wants, &seen);
        observe::answers::ask(&mut observation, &promoted.questions, inputs.sources).await;
        let whom = observe::checks::Whom { own: &inputs.forge, elsewhere: &elsewhere::asked(inputs.others) };
        observe::checks::inquire(&mut observation, &promoted.forge.inquiries, &promoted.forge.checks, &whom).await;
        let wants = (&promoted.forge.approvals, environments);
        observe::checks::approvals(&mut observation, wants, &inputs.config.pull_request, &inputs.forge).await;
        promoted = promote::promote(&observation, decisions.clone(), environments, groups);
    }
    report::sizes(&mut promoted);
    refusals::leave(inputs, &mut observation, &mut promoted).await;
    returns::read_before(inputs, &mut observation, &promoted, &seen);
    let settled = returns::settle(inputs, &observation, &mut promoted, &seen).await;
    let (changes, proposed) = edits(inputs, &observation.sites, &seen, &mut promoted.proposals);
    let (returns, troubles) = settled.take_place(&mut promoted);
    stages.end("promoted and edited");
    let looked_at = promoted.decisions.iter().map(|decision| &decision.question.image);
    let aside = looked_at.filter(|image| !is_asked_for(inputs, image)).cloned().collect();
    let is_followed = |image: &&ImageName| promoted.decisions.iter().any(|decision| decision.question.image == **image);
    let unheard = inputs.only.iter().filter(|image| !is_followed(image)).cloned().collect();
    Ok(Planned { observation, promoted, changes, proposed, returns, troubles, aside, unheard, usage: Usage::default() })
}

/// Shows what is decided, and on which commits, to those who remember what forges told: where it is new, forges are asked anew.
fn see(inputs: &Inputs<'_>, observation: &Observation, decisions: &[Decision]) {
    let moves = |decision: &Decision| match &decision.verdict {
        Verdict::Move { to, .. } => {
            Some(format!("{:?} {} {to:?}", decision.question.environment, decision.question.image))
        }
        Verdict::Keep | Verdict::Undecided(_) => None,
    };
    let tips = observation.tips.iter().map(|tip| tip.as_str().to_owned());
    let seen: Vec<String> = tips.chain(decisions.iter().filter_map(moves)).collect();
    inputs.turn.sees(&seen.iter().map(String::as_bytes).collect::<Vec<_>>());
}

/// Finds the environments of which not every file could be understood.
fn half_known(config: &Repository, passed_over: &[PassedOver]) -> BTreeMap<EnvironmentName, String> {
    let mut found = BTreeMap::new();
    for passed in passed_over.iter().filter(|passed| config.configured && report::is_failure(&passed.reason)) {
        if let Some(environment) = config.environments.of(None, &passed.file) {
            found.entry(environment.name.clone()).or_insert_with(|| format!("{}: {}", passed.file, passed.reason));
        }
    }
    found
}

/// Reads what people hold. A file that is there and cannot be read ends the pass: half of the holds are none.
fn holds(inputs: &Inputs<'_>) -> Result<Vec<Hold>, PassError> {
    let path = RepoPath::new(HOLDS_FILE).expect("the name is plain");
    let mistaken = RepoPath::new(MISTAKEN_FILE).expect("the name is plain");
    if !matches!(inputs.files.read_if_there(&mistaken, MAX_HOLDS), Ok(None)) {
        tracing::warn!("{MISTAKEN_FILE} is not read, so it holds nothing: call it {HOLDS_FILE}");
    }
    match inputs.files.read_if_there(&path, MAX_HOLDS) {
        Ok(None) => Ok(Vec::new()),
        Ok(Some(bytes)) => Ok(config::holds::parse_for(HOLDS_FILE, &bytes, &inputs.config.environments)?),
        Err(reason) => Err(PassError::Files(format!("{HOLDS_FILE}: {reason}"))),
    }
}

/// Adds to what is held what is proposed to be.
fn held(inputs: &Inputs<'_>) -> Result<Vec<Hold>, PassError> {
    let mut held = holds(inputs)?;
    held.extend(inputs.awaited.holds.iter().cloned());
    Ok(held)
}

/// Logs how long each stage of a pass took.
struct Stages(Instant);

impl Stages {
    fn start() -> Self {
        Self(Instant::now())
    }

    fn end(&mut self, what: &str) {
        let milliseconds = self.0.elapsed().as_secs_f64() * 1000.0;
        tracing::info!(milliseconds = (milliseconds * 10.0).round() / 10.0, "{what}");
        self.0 = Instant::now();
    }
}

/// Finds every reference and every hold, and refuses files that two environments claim.
fn look<'a>(inputs: &Inputs<'a>) -> Result<(Observation, Vec<Seen<'a>>), PassError> {
    (inputs.progress)(Progress::Scanning);
    let Inputs { config, files, past, branches, cache, limits, .. } = *inputs;
    let looked = grounds::look(&Sight { config, files, past, branches, cache, limits })?;
    let mut half_known = half_known(config, &looked.passed_over);
    half_known.extend(looked.half_known);
    let beside = branches.values().filter_map(|viewed| viewed.as_ref().ok()?.base.clone());
    let known: BTreeSet<&ImageName> = looked.sites.iter().filter_map(|site| site.image.as_ref()).collect();
    let holds = hold::resolved(held(inputs)?, &known);
    let mut observation = Observation {
        now: inputs.now,
        base: inputs.base.clone(),
        sites: looked.sites,
        from_record: inputs.source.is_record(),
        passed_over: looked.passed_over,
        half_known,
        troubles: looked.troubles,
        absent: looked.absent,
        holds,
        has_forge: inputs.forge.is_ok(),
        pull_requests: inputs.awaited.listed.clone(),
        tips: inputs.base.iter().cloned().chain(beside).collect(),
        ..inputs.heard.known()
    };
    let mut seen = looked.seen;
    seen.extend(elsewhere::look(inputs, &mut observation));
    Ok((observation, seen))
}

/// Refuses files that two environments of a branch claim.
fn refuse_overlap(config: &Repository, branch: Option<&BranchName>, scanned: &Scanned) -> Result<(), PassError> {
    let environments = &config.environments;
    if environments.0.len() < 2 {
        return Ok(());
    }
    for file in &scanned.files {
        let mut claiming = environments.claiming(branch, file.as_str());
        if let (Some(one), Some(other)) = (claiming.next(), claiming.next()) {
            let message = format!("{file} belongs to two environments, `{}` and `{}`", one.name, other.name);
            let hint = "narrow the `files` of one of them";
            return Err(PassError::Configuration(config.fault_of(other, message, hint).into()));
        }
    }
    Ok(())
}

/// Asks for tags, then decides, until no decision lacks a fact that could be had.
async fn settle(
    inputs: &Inputs<'_>,
    mut observation: Observation,
    seen: &[Seen<'_>],
    stages: &mut Stages,
) -> (Observation, Vec<Decision>) {
    let mut questions = questions::questions(&observation, &inputs.config.rules, &inputs.config.environments);
    let aside: Vec<Question> = questions.extract_if(.., |question| !is_asked_for(inputs, &question.image)).collect();
    know_no_past(inputs, &mut observation, &questions, seen);
    let early = Early::new(observation, questions, inputs.detail);
    let answered = |done, all| (inputs.progress)(Progress::Asking(done, all));
    let (look, (known, asked)) = (early.look(), early.known());
    let lists = observe::tags::ask(known, asked, (inputs.source, inputs.cache), Some(&look), &answered).await;
    drop(look);
    let (mut observation, questions, early) = early.end();
    lists.add_to(&mut observation);
    stages.end("asked for the tags");
    let mut decisions = decided(inputs, &mut observation, &questions, early, seen).await;
    // Names of groups and what stands for others come out as in a pass that looks at everything.
    decisions.extend(aside.into_iter().map(|question| Decision {
        question,
        verdict: Verdict::Undecided("this pass looks at other images alone".to_owned()),
        rejected: Rejections::default(),
    }));
    (observation, decisions)
}

/// Whether a pass looks at an image: all of a group, or none.
fn is_asked_for(inputs: &Inputs<'_>, image: &ImageName) -> bool {
    let groups = &inputs.config.groups;
    let is_beside = |other: &ImageName| {
        image == other
            || groups.of(image).is_some_and(|group| groups.of(other).is_some_and(|own| own.name == group.name))
    };
    inputs.only.is_empty() || inputs.only.iter().any(is_beside)
}

/// Says where there is no history that nothing has run anywhere, which need not be found out image by image.
fn know_no_past(inputs: &Inputs<'_>, observation: &mut Observation, questions: &[Question], seen: &[Seen<'_>]) {
    if inputs.past.is_none() {
        let all = questions.iter().map(|question| (question.environment.clone(), question.image.clone())).collect();
        read_pasts(inputs, observation, &all, seen);
    }
}

/// Decides, and asks for what is missing, until no decision lacks a fact that could be had.
async fn decided(
    inputs: &Inputs<'_>,
    observation: &mut Observation,
    questions: &[Question],
    early: BTreeMap<ImageName, Decided>,
    seen: &[Seen<'_>],
) -> Vec<Decision> {
    let mut decided = decide::decide_rest(observation, questions, early);
    for _ in 0..MAX_ROUNDS {
        let Decided { wants, signatures, pasts, .. } = &decided;
        if wants.is_empty() && signatures.is_empty() && pasts.is_empty() {
            return decided.decisions;
        }
        read_pasts(inputs, observation, pasts, seen);
        observe::tags::facts(observation, wants.clone(), inputs.source, inputs.cache).await;
        // Keys lie beside the configuration, on the base.
        let keys = seen.first().map(|base| base.paths.as_slice()).unwrap_or_default();
        observe::signatures::ask(observation, signatures.clone(), inputs.files, keys, inputs.source).await;
        decided = decide::decide_again(observation, questions, decided);
    }
    let lacking = decided.lacking();
    for decision in &mut decided.decisions {
        if lacking.contains(&decision.question.image) {
            let reason = format!("needs facts about more tags than {MAX_ROUNDS} rounds of questions gave");
            decision.verdict = Verdict::Undecided(reason);
        }
    }
    decided.decisions
}

/// The edits of environments, and those of single proposals by their positions.
type Edits = (Vec<(EnvironmentName, ChangeSet)>, Vec<(usize, ChangeSet)>);

/// Edits the files of every proposal that would be written to Git: on the base, or on a head branch.
fn edits(inputs: &Inputs<'_>, sites: &[Site], seen: &[Seen<'_>], proposals: &mut [Proposal]) -> Edits {
    let edit = |name: &EnvironmentName, proposals: &[&Proposal]| {
        // What moves was found on its ground, so that the ground is there.
        let Some(ground) = grounds::of(seen, inputs.config, name) else { return ChangeSet::default() };
        let read = |file: &_| ground.files.read(file, inputs.limits.max_bytes).map_err(|reason| reason.to_string());
        edit::edit(sites, proposals, &ground.surroundings, inputs.limits, &read)
    };
    let is_apart = |proposal: &Proposal| inputs.editing == Editing::Apart && proposal.action == Action::Opened;
    let mut together = Vec::new();
    for environment in &inputs.config.environments.0 {
        let is_own = |proposal: &Proposal| {
            proposal.environment == environment.name && is_written(proposal) && !is_apart(proposal)
        };
        let mut own: Vec<usize> = (0..proposals.len()).filter(|index| is_own(&proposals[*index])).collect();
        if own.is_empty() {
            continue;
        }
        let mut refusals = Vec::new();
        let mut changes = loop {
            let changes = edit(&environment.name, &own.iter().map(|index| &proposals[*index]).collect::<Vec<_>>());
            let is_refused = |step: &Move| changes.refused.iter().any(|row| row.image.as_ref() == Some(&step.image));
            // Half of a group is no group: what was refused takes the others of its group along.
            let (torn, whole): (Vec<usize>, Vec<usize>) = own.into_iter().partition(|index| {
                let moves = &proposals[*index].moves;
                moves.len() > 1 && moves.iter().any(is_refused)
            });
            if torn.is_empty() {
                break changes;
            }
            for index in torn {
                let proposal = &mut proposals[index];
                proposal.action = Action::Failed;
                proposal.reason = Some(propose::NOT_ALL_EDITED.to_owned());
                let is_its = |row: &&Refusal| proposal.moves.iter().any(|step| row.image.as_ref() == Some(&step.image));
                refusals.extend(changes.refused.iter().filter(is_its).cloned());
            }
            own = whole;
        };
        changes.refused.append(&mut refusals);
        together.push((environment.name.clone(), changes));
    }
    let apart = proposals.iter().enumerate().filter(|(_, proposal)| is_apart(proposal));
    (together, apart.map(|(index, proposal)| (index, edit(&proposal.environment, &[proposal]))).collect())
}

/// Whether a proposal's bytes are written: to the base, to a head branch, or by `update` into files.
fn is_written(proposal: &Proposal) -> bool {
    matches!(proposal.action, Action::Committed | Action::Opened)
}

/// Runs blocking work; a panic in it goes on here.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, git::GitError> + Send + 'static,
) -> Result<T, git::GitError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_cancelled) => Err(git::GitError::Broken("the work was cut short by the program's end".to_owned())),
        },
    }
}

/// Scans only, and says of each reference who follows it.
///
/// # Errors
///
/// [`PassError`] when the files could not be listed, or two environments claim one.
pub fn scan(
    config: &Repository,
    files: &dyn Files,
    cache: &Cache,
    limits: &manifest::Limits,
) -> Result<ScanOutcome, PassError> {
    let scanned = observe::scan::scan(files, &config.formats, limits, cache).map_err(PassError::Files)?;
    refuse_overlap(config, None, &scanned)?;
    let notes = layers::deciders(&scanned.layers, &scanned.sites);
    let reference = |(site, note)| {
        let (policy, skipped) = match questions::follow(&site, &config.rules, &config.environments) {
            Followed::Yes { policy, .. } => (Some(policy.to_string()), None),
            Followed::No(reason) => (None, Some(reason)),
        };
        let environment = config.environments.of(None, site.file.as_str()).map(|environment| environment.name.clone());
        ScannedReference { site, environment, policy, skipped, note }
    };
    let references = scanned.sites.into_iter().zip(notes).map(reference).collect();
    Ok(ScanOutcome { references, passed_over: scanned.passed_over, errors: Vec::new() })
}

/// Takes out what belongs to other branches: their files are not those of the working tree.
fn leave_other_branches(planned: &mut Planned, config: &Repository) {
    let branch = |name: &EnvironmentName| config.environments.named(name).and_then(|found| found.branch.as_ref());
    planned.changes.retain(|(name, _)| branch(name).is_none());
    let proposals = &planned.promoted.proposals;
    planned.returns.retain(|returned| branch(&proposals[returned.proposal].environment).is_none());
    for proposal in planned.promoted.proposals.iter_mut().filter(|proposal| is_written(proposal)) {
        if let Some(branch) = branch(&proposal.environment) {
            proposal.action = Action::Waiting;
            proposal.reason = Some(format!("its files are on the branch {branch}: `run` brings it there"));
        }
    }
}

/// Writes what was planned into a working tree, file by file.
pub fn update(root: &Path, mut planned: Planned, config: &Repository) -> Outcome {
    leave_other_branches(&mut planned, config);
    let mut outcome = report::outcome(planned, config);
    let mut failed = Vec::new();
    for file in &outcome.files {
        if let Err(error) = publish::worktree::write(root, file) {
            let reason = match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            };
            let what = file.file.to_string();
            failed.push(Trouble { what, file: Some(file.file.clone()), position: None, reason });
        }
    }
    let written = |file: &_| !failed.iter().any(|trouble| trouble.file.as_ref() == Some(file));
    outcome.changes.retain(|change| written(&change.file));
    outcome.files.retain(|file| written(&file.file));
    outcome.errors.extend(failed);
    outcome
}
