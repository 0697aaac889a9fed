//! The arguments of the commands that promote, hold, take back and look back.

use crate::cli::arguments::{At, Forge};
use crate::model::environment::Publish;
use crate::pass::setup::{ForgeChoice, Target};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

/// The repository that a command works on.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Place {
    /// The checkout whose remote `origin` and branch are meant
    #[arg(short = 'C', default_value = ".", value_name = "DIR", conflicts_with = "repo")]
    pub(in crate::cli) folder: PathBuf,
    /// The repository's URL or path, instead of a checkout
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) repo: Option<String>,
    /// The base branch; of a checkout, instead of the one that is checked out
    #[arg(long, value_name = "BRANCH")]
    pub(in crate::cli) branch: Option<String>,
}

impl Place {
    /// Returns what is meant.
    pub(in crate::cli) fn target(&self) -> Target<'_> {
        let branch = self.branch.as_deref();
        match &self.repo {
            Some(url) => Target::Url { url, branch },
            None => Target::Checkout { folder: &self.folder, branch },
        }
    }
}

/// Arguments of `hold`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Hold {
    /// The version
    #[arg(value_name = "IMAGE:TAG")]
    pub(in crate::cli) version: String,
    /// Only in this environment and those after it
    #[arg(long, short, value_name = "NAME")]
    pub(in crate::cli) environment: Option<String>,
    /// When the hold ends by itself: a day, at its beginning in UTC, or a time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) until: Option<jiff::Timestamp>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: String,
    /// Whose pull request, where the branch takes no direct push.
    #[command(flatten)]
    pub(in crate::cli) forged: Forged,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Release {
    /// The version, or the image for all of its versions
    #[arg(value_name = "IMAGE[:TAG]")]
    pub(in crate::cli) version: String,
    /// Only the holds of this environment
    #[arg(long, short, value_name = "NAME")]
    pub(in crate::cli) environment: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// Whose pull request, where the branch takes no direct push.
    #[command(flatten)]
    pub(in crate::cli) forged: Forged,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

/// Arguments of `rollback`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Rollback {
    /// The environment
    pub(in crate::cli) environment: String,
    /// The image, or the name of a group
    #[arg(value_name = "IMAGE|GROUP")]
    pub(in crate::cli) what: String,
    /// The tag to go back to, instead of the version before
    #[arg(long, value_name = "TAG")]
    pub(in crate::cli) to: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// How.
    #[command(flatten)]
    pub(in crate::cli) publishing: Publishing,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

/// Arguments of `promote`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Promote {
    /// The version of an image, or of a group, whose images move together
    #[arg(value_name = "IMAGE:TAG|GROUP:TAG")]
    pub(in crate::cli) version: String,
    /// The environment
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(in crate::cli) to: String,
    /// A hotfix: the environments before it need not run it
    #[arg(long, requires = "reason")]
    pub(in crate::cli) now: bool,
    /// Gates that are not waited for: soak, windows, freezes, checks, …
    #[arg(long, value_name = "GATES", value_delimiter = ',', requires = "reason")]
    pub(in crate::cli) skip: Vec<String>,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
    /// How.
    #[command(flatten)]
    pub(in crate::cli) publishing: Publishing,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) place: Place,
}

/// How what a person orders is published.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Publishing {
    /// How it is published, instead of as the environment says
    #[arg(long, value_enum, value_name = "HOW")]
    pub(in crate::cli) publish: Option<PublishChoice>,
    /// Where pull requests are made.
    #[command(flatten)]
    pub(in crate::cli) forged: Forged,
}

/// Where pull requests are made.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Forged {
    /// Which forge the repository is on; plain is Git alone: head branches, and fast-forward merges
    #[arg(long, value_enum, default_value_t = Forge::Auto, value_name = "FORGE")]
    pub(in crate::cli) forge: Forge,
    /// The forge's URL, where it is not https:// on the repository's host: https://host/gitlab
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) forge_url: Option<String>,
}

/// How a change is brought to the base branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "camelCase")]
pub(in crate::cli) enum PublishChoice {
    /// A commit on the base branch.
    Commit,
    /// A pull request that a person merges.
    PullRequest,
    /// A pull request that is merged by itself; on a forge a person merges a rollback, and what skips gates.
    AutoMerge,
}

impl Forged {
    /// Returns what is said of the forge.
    pub(in crate::cli) fn named(&self) -> (ForgeChoice, Option<&str>) {
        (self.forge.into(), self.forge_url.as_deref())
    }
}

impl From<PublishChoice> for Publish {
    fn from(choice: PublishChoice) -> Self {
        match choice {
            PublishChoice::Commit => Self::Commit,
            PublishChoice::PullRequest => Self::PullRequest,
            PublishChoice::AutoMerge => Self::AutoMerge,
        }
    }
}

/// The repository that is read: a folder as it is, or a branch on a remote.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct Source {
    /// The folder, with its own history
    #[arg(short = 'C', default_value = ".", value_name = "DIR", conflicts_with = "repo")]
    pub(in crate::cli) folder: PathBuf,
    /// The repository's URL or path, instead of a folder
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) repo: Option<String>,
    /// The branch of that repository
    #[arg(long, value_name = "BRANCH", requires = "repo")]
    pub(in crate::cli) branch: Option<String>,
}

impl Source {
    /// Takes a folder.
    pub(in crate::cli) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), repo: None, branch: None }
    }
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Status {
    /// When.
    #[command(flatten)]
    pub(in crate::cli) at: At,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) source: Source,
    /// Whom gates ask.
    #[command(flatten)]
    pub(in crate::cli) forged: Forged,
}

/// Arguments of `history`.
#[derive(Debug, Args)]
pub(in crate::cli) struct History {
    /// Only this environment
    #[arg(long, short, value_name = "NAME")]
    pub(in crate::cli) environment: Option<String>,
    /// Only this image
    #[arg(long, value_name = "IMAGE")]
    pub(in crate::cli) image: Option<String>,
    /// Only from this moment on: a day, or a time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) since: Option<jiff::Timestamp>,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) source: Source,
    /// Whose token Git is shown.
    #[command(flatten)]
    pub(in crate::cli) forged: Forged,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Report {
    /// The start of the period: a day, or a time (RFC 3339) [default: 30 days before its end]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) since: Option<jiff::Timestamp>,
    /// Its end, excluded [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) until: Option<jiff::Timestamp>,
    /// Where.
    #[command(flatten)]
    pub(in crate::cli) source: Source,
    /// Whose token Git is shown.
    #[command(flatten)]
    pub(in crate::cli) forged: Forged,
}

/// Reads a moment: a time with its zone, or a day, which begins at midnight in UTC.
pub(super) fn moment(text: &str) -> Result<jiff::Timestamp, String> {
    // A time of the day without its zone is no day: whoever wrote it means that time.
    let is_day = text.len() == "2026-11-01".len();
    let day = || text.parse::<jiff::civil::Date>().ok().filter(|_| is_day)?.to_zoned(jiff::tz::TimeZone::UTC).ok();
    match text.parse::<jiff::Timestamp>() {
        Ok(moment) => Ok(moment),
        Err(_) => day()
            .map(|day| day.timestamp())
            .ok_or_else(|| "write a day like 2026-11-01, or a time like 2026-11-01T09:00:00Z".to_owned()),
    }
}
