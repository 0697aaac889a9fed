//! The arguments of every command, as clap reads them. Help texts name the common case first.

mod promotion;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::pass::setup::ForgeChoice;

pub(super) use self::promotion::{
    Forged, History, Hold, Place, Promote, Publishing, Release, Report, Rollback, Source, Status,
};

/// Tows new container images into Git.
///
/// Watches registries, decides by policy which new tag each environment should run, changes exactly those bytes in
/// the manifest repository, and commits them.
#[derive(Debug, Parser)]
#[command(
    name = "tagboat",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    propagate_version = false,
    after_help = "Start here:
  tagboat demo          see a new tag travel through three environments, on this machine alone
  tagboat plan          what would change in this folder, and why; changes nothing
  tagboat init          a first configuration, from what this folder holds

Exit codes: 0 done, 1 failed before anything could be done, 2 usage or configuration,
3 done but some targets failed, 10 changes found (with --exit-code)"
)]
pub(super) struct Arguments {
    /// Options that every command takes.
    #[command(flatten)]
    pub(super) common: Common,
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub(super) struct Common {
    /// The repository's configuration, instead of .tagboat.yaml at its root
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The operator's configuration: credentials, registries, limits
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) service: Option<PathBuf>,
    /// Recorded registry answers (see `tagboat snapshot`) instead of the network
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) snapshot: Option<PathBuf>,
    /// How results are printed
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        help = "How results are printed: text (default), json; for check and passes also github; for check sarif; for history csv"
    )]
    pub(super) output: Option<OutputFormat>,
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    pub(super) color: ColorChoice,
    /// More detail; twice also logs every request
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(super) verbose: u8,
    /// Only results and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// How log lines are written: text (default) or json
    #[arg(long, global = true, value_enum, value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    /// For people.
    Text,
    /// For programs; documented and stable.
    Json,
    /// Annotations, job summary and outputs of GitHub Actions; `check` and what makes a pass have them.
    #[value(hide = true)]
    Github,
    /// SARIF 2.1.0; `check` alone has it.
    #[value(hide = true)]
    Sarif,
    /// Comma-separated values; `history` alone has them.
    #[value(hide = true)]
    Csv,
}

/// When colour is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// A line of text each.
    Text,
    /// A JSON object each.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List every image reference found, and everything passed over, with reasons
    #[command(after_help = "Examples:
  tagboat scan                       this folder
  tagboat scan --output json envs    for programs")]
    Scan(Folder),
    /// Find mistakes in configuration, markers and policies
    #[command(after_help = "Examples:
  tagboat check                   exit code 2 when there is an error; each finding has file, line and column
  tagboat check --output github   annotations, as by itself within GitHub Actions
  tagboat check --output sarif    for code scanning
  tagboat check --registries      also whether each registry in use takes its credentials, and its limits
  tagboat check --forge           also which permissions the token lacks
  tagboat check --forge gitea     the same where the host's name does not tell which forge it is")]
    Check(Check),
    /// Show what would change and why; changes nothing
    #[command(after_help = "Examples:
  tagboat plan                                  this folder; without .tagboat.yaml: newest minor version everywhere
  tagboat plan --exit-code                      10 when there is something to change, for CI
  tagboat plan --snapshot tags.json             offline, on recorded answers
  tagboat plan --at 2026-12-01T09:00:00Z        as it would be decided then")]
    Plan(Plan),
    /// Write the changes into the files of this folder
    #[command(after_help = "Example:
  tagboat update && git diff")]
    Update(Update),
    /// Run one whole pass: fetch, decide, commit, push
    #[command(after_help = "Examples:
  tagboat run                                   the remote and branch of this checkout; its files are left alone
  tagboat run --repo https://github.com/acme/gitops --branch main
  tagboat run --dry-run                         what a run would do
  tagboat run --image ghcr.io/acme/web          right after its build: this image alone

The token comes from TAGBOAT_TOKEN, else from that of its forge: GITHUB_TOKEN, GITLAB_TOKEN or GITEA_TOKEN.")]
    Run(Run),
    /// Tell for one image why each tag was or was not chosen
    #[command(after_help = "Examples:
  tagboat explain nginx
  tagboat explain ghcr.io/acme/web --environment prod
  tagboat explain ghcr.io/acme/web --at 2026-12-01T09:00:00Z
  tagboat explain ghcr.io/acme/web --repo https://github.com/acme/gitops --branch main

docs/troubleshooting.md of Tagboat's repository says of each reason what it means, and what to do.")]
    Explain(Explain),
    /// Keep a version out of an environment and those after it, on record in Git
    #[command(after_help = "Examples:
  tagboat hold ghcr.io/acme/web:1.5.0 --environment prod --reason 'loses sessions'
  tagboat hold ghcr.io/acme/web:1.5.0 --until 2026-12-01T00:00:00Z --reason 'wait for the fix'
  tagboat release ghcr.io/acme/web:1.5.0")]
    Hold(Hold),
    /// End what `tagboat hold` began
    #[command(after_help = "Examples:
  tagboat release ghcr.io/acme/web:1.5.0                        wherever it is held
  tagboat release ghcr.io/acme/web --environment prod           every version of it there")]
    Release(Release),
    /// Go back to the version before, and hold the one that is left
    #[command(after_help = "Examples:
  tagboat rollback prod ghcr.io/acme/web --reason 'loses sessions'
  tagboat rollback prod shop                                       what came last of the group, together
  tagboat rollback prod ghcr.io/acme/web --to 1.3.0 --publish commit")]
    Rollback(Rollback),
    /// Bring a version into an environment now, on record in Git
    #[command(after_help = "Examples:
  tagboat promote ghcr.io/acme/web:1.5.1 --to prod                 staging runs it, and every gate passes
  tagboat promote ghcr.io/acme/web:1.5.1 --to prod --skip soak --reason 'security fix'
  tagboat promote shop:1.5.1 --to prod                             all images of the group, together or not at all
  tagboat promote ghcr.io/acme/web:1.5.1 --to prod --now --skip soak,windows --reason 'outage'")]
    Promote(Promote),
    /// Show what every environment runs, what comes next and what it waits for
    #[command(after_help = "Examples:
  tagboat status
  tagboat status --at 2026-12-01T09:00:00Z      what would wait then
  tagboat status --repo https://github.com/acme/gitops --branch main")]
    Status(Status),
    /// Tell what happened in each environment, from Git alone
    #[command(after_help = "Examples:
  tagboat history --environment prod --since 2026-11-01
  tagboat history --image ghcr.io/acme/web --output csv > web.csv")]
    History(History),
    /// Count deployments, lead time, failures and time to restore, from Git alone
    #[command(after_help = "Examples:
  tagboat report                                the last 30 days
  tagboat report --since 2026-10-01 --until 2026-11-01 --output json")]
    Report(Report),
    /// Record what registries answer, to replay it with --snapshot
    #[command(after_help = "Examples:
  tagboat snapshot --out tags.json
  tagboat plan --snapshot tags.json")]
    Snapshot(Snapshot),
    /// Write a first .tagboat.yaml: environments by the folders, images by registry
    #[command(after_help = "Examples:
  tagboat init                       writes .tagboat.yaml in this folder, unless there is one
  tagboat init --out -               prints it

Beside it, .tagboat/schema.json is the schema by which editors complete and check it; its first line names that.")]
    Init(Init),
    /// Turn what another updater left in the repository into a .tagboat.yaml
    #[command(after_help = "Examples:
  tagboat migrate flux                          prints what ImagePolicy objects and markers become
  tagboat migrate argocd --out .tagboat.yaml    writes it, unless there is one
  tagboat migrate renovate                      the parts of renovate.json that are about images

What cannot be carried over stands at its end as comments, and on standard error, with file and line.")]
    Migrate(Migrate),
    /// Print the JSON schema of a configuration file
    #[command(after_help = "Example:
  tagboat schema repository > tagboat.schema.json")]
    Schema {
        /// Which file's
        #[arg(value_enum)]
        which: SchemaOf,
    },
    /// Print a completion script for a shell
    #[command(after_help = "Example:
  tagboat completions bash > /etc/bash_completion.d/tagboat")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write man pages, one for each command
    #[command(after_help = "Example:
  tagboat manual /usr/local/share/man/man1")]
    Manual {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Run passes of many repositories, for ever
    #[command(after_help = "Examples:
  tagboat serve --config service.yaml                     by its schedule, its webhooks, and as gates open
  tagboat serve --config service.yaml --log-format json   for whoever collects logs

--config is the operator's file here: repositories, schedule, credentials. SIGHUP reads it again, and so does a change of it;
SIGTERM lets the passes that run end. /healthz, /readyz and /metrics are served where `listen` says.")]
    Serve,
    /// Show the main job on this machine alone: a new tag, a soak, a window, and a version that is taken back
    #[command(after_help = "Example:
  tagboat demo

Needs nothing but this program and git; leaves nothing behind.")]
    Demo,
}

/// A folder to work on.
#[derive(Debug, Clone, Args)]
pub(super) struct Folder {
    /// The folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) folder: PathBuf,
}

/// Arguments of `update`.
#[derive(Debug, Clone, Args)]
pub(super) struct Update {
    /// Where.
    #[command(flatten)]
    pub(super) folder: Folder,
    /// Whom gates ask.
    #[command(flatten)]
    pub(super) forged: Forged,
}

/// Arguments of `check`.
#[derive(Debug, Clone, Args)]
pub(super) struct Check {
    /// The folder
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Also ask each registry in use once: do its credentials work, and which limits does it tell of?
    #[arg(long, conflicts_with = "snapshot")]
    pub(super) registries: bool,
    /// Also ask the forge of the remote `origin` which permissions the token lacks: auto, github, gitlab, gitea or plain [default: auto]
    #[arg(long, value_name = "FORGE", num_args = 0..=1, default_missing_value = "auto", value_parser = asked)]
    forge: Option<AskedForge>,
    /// The forge's URL, where it is not https:// on the repository's host: https://host/gitlab
    #[arg(long, value_name = "URL", requires = "forge")]
    pub(super) forge_url: Option<String>,
}

/// What stands after `--forge` of `check`: a forge, or the folder that stood there before forges could be named.
#[derive(Debug, Clone)]
enum AskedForge {
    Named(Forge),
    Folder(PathBuf),
}

fn asked(text: &str) -> Result<AskedForge, String> {
    match Forge::from_str(text, false) {
        Ok(forge) => Ok(AskedForge::Named(forge)),
        Err(_) if Path::new(text).is_dir() => Ok(AskedForge::Folder(text.into())),
        Err(_) => Err("neither a forge (auto, github, gitlab, gitea, plain) nor a folder".to_owned()),
    }
}

impl Check {
    /// Returns the folder.
    pub(super) fn folder(&self) -> &Path {
        match (&self.folder, &self.forge) {
            (Some(folder), _) | (None, Some(AskedForge::Folder(folder))) => folder,
            (None, _) => Path::new("."),
        }
    }

    /// Returns which forge is asked about permissions, where one is.
    pub(super) fn asked(&self) -> Option<Forge> {
        self.forge.as_ref().map(|asked| match asked {
            AskedForge::Named(forge) => *forge,
            AskedForge::Folder(_) => Forge::Auto,
        })
    }

    /// Returns what is said of the forge.
    pub(super) fn named(&self) -> (ForgeChoice, Option<&str>) {
        (self.asked().map_or(ForgeChoice::Auto, Into::into), self.forge_url.as_deref())
    }
}

/// The moment that counts.
#[derive(Debug, Clone, Args)]
pub(super) struct At {
    /// Decide as if it were TIME, a day or a time (RFC 3339), on the facts of now
    #[arg(long, value_name = "TIME", value_parser = promotion::moment)]
    pub(super) at: Option<jiff::Timestamp>,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// Where.
    #[command(flatten)]
    pub(super) folder: Folder,
    /// When.
    #[command(flatten)]
    pub(super) at: At,
    /// Exit with 10 when there are changes
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Whom gates ask.
    #[command(flatten)]
    pub(super) forged: Forged,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The checkout whose remote `origin` and branch are meant
    #[arg(default_value = ".", value_name = "DIR", conflicts_with = "repo")]
    pub(super) folder: PathBuf,
    /// The repository's URL or path, instead of a checkout
    #[arg(long, value_name = "URL")]
    pub(super) repo: Option<String>,
    /// The base branch; of a checkout, instead of the one that is checked out
    #[arg(long, value_name = "BRANCH")]
    pub(super) branch: Option<String>,
    /// Where pull requests are made.
    #[command(flatten)]
    pub(super) forged: Forged,
    /// Look at this image alone, with those of its group; a tag is ignored: what is in the registry decides. May be given several times
    #[arg(long = "image", value_name = "IMAGE")]
    pub(super) images: Vec<String>,
    /// Stop before anything is written
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Ask the forge about everything that waits, and order again what it has denied; otherwise each run asks about one thing in turn, and takes
    /// the rest from earlier ones
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(super) ask_all: Option<bool>,
    /// When.
    #[command(flatten)]
    pub(super) at: RunAt,
}

/// Which forge a repository is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Forge {
    /// Told by the URL and by CI; a local path is plain Git.
    Auto,
    /// No forge: Git alone.
    Plain,
    /// GitHub or Enterprise Server, with GITHUB_TOKEN.
    Github,
    /// GitLab, with GITLAB_TOKEN.
    Gitlab,
    /// Gitea or Forgejo, with GITEA_TOKEN.
    #[value(alias = "forgejo")]
    Gitea,
}

impl From<Forge> for ForgeChoice {
    fn from(forge: Forge) -> Self {
        match forge {
            Forge::Auto => Self::Auto,
            Forge::Plain => Self::Plain,
            Forge::Github => Self::GitHub,
            Forge::Gitlab => Self::GitLab,
            Forge::Gitea => Self::Gitea,
        }
    }
}

/// The moment that counts, only where nothing is written.
#[derive(Debug, Clone, Args)]
pub(super) struct RunAt {
    /// With --dry-run: decide as if it were TIME, a day or a time (RFC 3339), on the facts of now
    #[arg(long, value_name = "TIME", requires = "dry_run", value_parser = promotion::moment)]
    pub(super) at: Option<jiff::Timestamp>,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The image: ghcr.io/acme/web, or the end of its name where one image alone has it: web
    pub(super) image: String,
    /// Only this environment
    #[arg(long, short, value_name = "NAME")]
    pub(super) environment: Option<String>,
    /// When.
    #[command(flatten)]
    pub(super) at: At,
    /// Where.
    #[command(flatten)]
    pub(super) source: Source,
    /// Whom gates ask.
    #[command(flatten)]
    pub(super) forged: Forged,
}

/// Arguments of `snapshot`.
#[derive(Debug, Args)]
pub(super) struct Snapshot {
    /// Where to write it, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Where.
    #[command(flatten)]
    pub(super) source: Source,
    /// Whose token Git is shown.
    #[command(flatten)]
    pub(super) forged: Forged,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where.
    #[command(flatten)]
    pub(super) folder: Folder,
    /// Where to write it, instead of .tagboat.yaml in DIR; - for standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// Arguments of `migrate`.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// What to come from
    #[arg(value_enum, value_name = "TOOL")]
    pub(super) from: MigrateFrom,
    /// Where.
    #[command(flatten)]
    pub(super) folder: Folder,
    /// Where to write it, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

/// What `migrate` reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum MigrateFrom {
    /// ImageRepository, ImagePolicy, ImageUpdateAutomation, and the markers that name policies.
    Flux,
    /// Annotations of Argo CD Image Updater, and ImageUpdater objects.
    Argocd,
    /// The configuration of Renovate.
    Renovate,
}

/// Which configuration file a schema is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaOf {
    /// `.tagboat.yaml` in the manifest repository.
    Repository,
    /// `service.yaml`, the operator's.
    Service,
    /// `.tagboat/holds.yaml`, the versions that people hold.
    Holds,
}
