//! `.tagboat.yaml`: what a repository tracks, and how it is promoted.
//!
//! Entry point: [`parse`]. Owns the way from the raw structures to the model's types and every check
//! that looks at more than one key. The file can name no credential, no command and no host that a
//! secret would be sent to: there is no key for it.

pub(crate) mod environments;
pub(crate) mod formats;
pub(crate) mod gates;
pub(crate) mod images;
pub mod inactive;
pub(crate) mod policy;
pub(crate) mod raw;
pub(crate) mod style;

use crate::config::fault::{Fault, Faults, SourceLine};
use crate::config::reader::{Field, Read, Reader};
use crate::config::repository::inactive::Inactive;
use crate::config::repository::raw::RawRepository;
use crate::config::scalars::PathGlob;
use crate::config::shapes::OneOrMany;
use crate::model::commit::CommitStyle;
use crate::model::environment::{Environment, EnvironmentName, Environments, Publish};
use crate::model::file::Position;
use crate::model::format::ExtraFormat;
use crate::model::glob::PathGlobs;
use crate::model::image::shorten;
use crate::model::policy::{Groups, Rules};
use crate::model::pull_request::PullRequestStyle;

/// The longest name of a head branch, in bytes: GitHub takes 255 with `refs/heads/` before it (its error GH005), and where the forge makes
/// a commit, it stands aside first under a name with one character more.
const LONGEST_BRANCH: usize = 255 - "refs/heads/".len() - "+".len();

/// The shortest name of a group, in bytes.
const SHORTEST_GROUP: usize = 1;

/// What a repository's file says.
#[derive(Debug, Clone, PartialEq)]
pub struct Repository {
    /// Which images are tracked, and by which policy.
    pub rules: Rules,
    /// Which images move together.
    pub groups: Groups,
    /// Where versions run.
    pub environments: Environments,
    /// Further places of references.
    pub formats: Vec<ExtraFormat>,
    /// How commits look.
    pub commit: CommitStyle,
    /// Where it says how commits are signed.
    pub sign_at: Option<Position>,
    /// How pull requests look.
    pub pull_request: PullRequestStyle,
    /// Whether a file says so, rather than the defaults.
    pub configured: bool,
    /// Parts that are understood but do not act in this version, in the order of the file.
    pub inactive: Vec<Inactive>,
    /// The file, as the caller named it; empty where there is none.
    pub file: String,
    /// The lines on which the environments begin.
    pub(crate) lines: Vec<(EnvironmentName, SourceLine)>,
}

impl Repository {
    /// Returns what holds without a file: every reference, `semver: minor`, one environment `default`.
    pub fn without_configuration() -> Self {
        let mut environments = Environments::without_configuration();
        // Nothing is published without a file, so nothing waits for a pull request either.
        environments.0.iter_mut().for_each(|environment| environment.publish = Publish::Commit);
        Self {
            rules: Rules::without_configuration(),
            groups: Groups::default(),
            environments,
            formats: Vec::new(),
            commit: CommitStyle::default(),
            sign_at: None,
            pull_request: PullRequestStyle::default(),
            configured: false,
            inactive: Vec::new(),
            file: String::new(),
            lines: Vec::new(),
        }
    }

    /// Finds environments whose branch would be taken for a head branch, which Tagboat moves and removes.
    fn on_head_branches(&self) -> Vec<Fault> {
        let prefix = self.pull_request.branch_prefix.as_str();
        let is_head = |environment: &&Environment| {
            environment.branch.as_ref().is_some_and(|branch| branch.as_str().starts_with(prefix))
        };
        let fault = |environment: &Environment| {
            let hint = "name another branch, or another `branchPrefix` under `pullRequest`";
            self.fault_of(environment, format!("its branch begins with `{prefix}`, as head branches do"), hint)
        };
        self.environments.0.iter().filter(is_head).map(fault).collect()
    }

    /// Finds environments of which no head branch could have a name that forges take, or not the one of a group.
    fn of_long_names(&self) -> Vec<Fault> {
        let named = self.groups.0.iter().max_by_key(|group| group.name.len());
        let fault = |environment: &Environment| {
            let beside = self.pull_request.branch_prefix.len() + environment.name.as_str().len() + "/".len();
            let (message, hint) = match named {
                _ if beside + SHORTEST_GROUP > LONGEST_BRANCH => {
                    let message = format!(
                        "its head branches would have names that are longer than the {LONGEST_BRANCH} bytes that forges take"
                    );
                    (message, "give it a shorter name, or say a shorter `branchPrefix` under `pullRequest`")
                }
                Some(group) if beside + group.name.len() > LONGEST_BRANCH => {
                    let name = shorten(&group.name);
                    let message = format!(
                        "its head branch of the group {name} would have a name that is longer than the {LONGEST_BRANCH} bytes that \
                         forges take"
                    );
                    (message, "shorten its name or the group's, or say a shorter `branchPrefix` under `pullRequest`")
                }
                _ => return None,
            };
            Some(self.fault_of(environment, message, hint))
        };
        self.environments.0.iter().filter_map(fault).collect()
    }

    /// Makes a fault of an environment that shows only beside the repository's files.
    pub fn fault_of(&self, environment: &Environment, message: impl Into<String>, hint: &str) -> Fault {
        let line = self.lines.iter().find(|(name, _)| *name == environment.name);
        Fault {
            position: Some(Position { line: environment.line, column: environment.column }),
            source: line.map(|(_, line)| line.clone()),
            ..Fault::of_file(&self.file, message, Some(hint))
        }
    }
}

/// Parses a repository's file; `file` is its name in messages.
///
/// # Errors
///
/// [`Faults`] with everything that is wrong, never only the first thing.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Repository, Faults> {
    let (mut reader, root) = Reader::open(file, bytes)?;
    let Some(root) = root.filter(|root| !root.is_nothing()) else {
        let hint = "begin it with `version: 1`; `tagboat init` writes one";
        return Err(Fault::of_file(file, "the file is empty", Some(hint)).into());
    };
    let Some(raw) = RawRepository::read(&root, &mut reader) else { return Err(reader.faults()) };
    let rules = images::rules(raw.images.value().unwrap_or_default(), &mut reader);
    let groups = images::groups(raw.groups.value().unwrap_or_default(), &mut reader);
    let (environments, lines) = match raw.environments.given {
        Some(given) => environments::environments(given, &mut reader),
        None => (Environments::single(Publish::default()), Vec::new()),
    };
    let formats = formats::formats(raw.formats.value().unwrap_or_default(), &mut reader);
    let raw_commit = raw.commit.value();
    let sign = raw_commit.as_ref().and_then(|raw| raw.sign.given.as_ref());
    let sign_at = sign.map(|given| reader.position(given.span.start));
    let commit = raw_commit.map(|raw| style::commit(raw, &mut reader)).unwrap_or_default();
    let pull_request = raw.pull_request.value().map(|raw| style::pull_request(raw, &mut reader)).unwrap_or_default();
    if !reader.is_clean() {
        return Err(reader.faults());
    }
    let inactive = inactive::find(&root, &mut reader);
    let repository = Repository {
        rules,
        groups,
        environments,
        formats,
        commit,
        sign_at,
        pull_request,
        configured: true,
        inactive,
        file: file.to_owned(),
        lines,
    };
    let faults: Vec<Fault> = repository.on_head_branches().into_iter().chain(repository.of_long_names()).collect();
    if faults.is_empty() { Ok(repository) } else { Err(Faults::new(faults)) }
}

/// Compiles globs over paths that were checked one by one.
fn path_globs(field: Field<OneOrMany<PathGlob>>, reader: &mut Reader<'_>) -> Option<PathGlobs> {
    let given = field.given?;
    if given.value.0.is_empty() && reader.is_clean() {
        reader.fault(given.span.clone(), "no file is named", Some("name files like `envs/dev/**`".to_owned()));
    }
    let written: Vec<&str> = given.value.0.iter().map(|glob| glob.value.0.as_str()).collect();
    PathGlobs::parse(&written)
        .map_err(|error| reader.fault(given.span.clone(), format!("these globs are too large: {}", error.reason), None))
        .ok()
}
