//! What `.tagboat.yaml` says, key by key: the source of its reader and of its JSON schema.
//!
//! Owns keys, types and their descriptions; looks at no two keys together.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::config::object::object;
use crate::config::reader::Located;
use crate::config::repository::formats::ReferencePattern;
use crate::config::repository::gates::{CountWord, DaysText, EdgeText, HoursText};
use crate::config::repository::policy::Semver;
use crate::config::repository::style::{Person, RebaseWord, SignWord};
use crate::config::scalars::{BranchPrefix, CleanUrl, GrammarVersion, Line, Name, PathGlob, Text};
use crate::config::shapes::{FreeMap, OneOrMany, ShortOrLong, True, TrueOr, Whole};
use crate::model::environment::{BranchName, EnvironmentName, Publish};
use crate::model::glob::ImageGlob;
use crate::model::image::Tag;
use crate::model::json_path::JsonPath;
use crate::model::policy::{CalverFormat, Direction, Pin, TagPattern};
use crate::model::query::QueryText;
use crate::model::signature::NamePattern;
use crate::model::source::Expectation;
use crate::model::tags::Platform;

object! {
    /// What Tagboat tracks in this repository, and how it is promoted.
    RawRepository, "the configuration";
    /// The version of this file's grammar: `1`.
    "version" required version: GrammarVersion,
    /// Rules that give images their policy. The first rule that matches an image holds for it; an
    /// image that no rule matches is not tracked. Default: none.
    "images" optional images: Vec<Located<RawRule>>,
    /// Images that move together, in one pull request. Default: each image by itself.
    "groups" optional groups: Vec<Located<RawGroup>>,
    /// Where versions run and how they get there; `after` makes the graph, the order here does not
    /// matter. Default: one environment `default` that holds all files.
    "environments" optional environments: Vec<Located<RawEnvironment>>,
    /// Further places of references in files of any kind. Default: none.
    "formats" optional formats: Vec<Located<RawFormat>>,
    /// How commits look.
    "commit" optional commit: RawCommit,
    /// How pull requests look.
    "pullRequest" optional pull_request: RawPullRequest,
}

object! {
    /// A rule: which images it is for, and which of their tags may be chosen.
    RawRule, "a rule of `images`", exactly one of ["semver", "calver", "numeric", "alphabetical", "newest", "digest"];
    /// A glob over `registry/repository`: `*` stays within one part, `**` crosses parts; names are
    /// normalised first, so `nginx` is `docker.io/library/nginx`. Example: `ghcr.io/acme/*`.
    "match" required images: ImageGlob,
    /// A version range as Masterminds/semver v3 reads it (`">=1.4.0 <2.0.0"`), or the largest part
    /// that may change from the version in use: `patch`, `minor` or `major`.
    "semver" optional semver: Semver,
    /// Calendar versions: `true`, or a format like `YYYY.0M.DD`.
    "calver" optional calver: TrueOr<CalverFormat>,
    /// Tags that are numbers: the greatest (`asc`) or the smallest (`desc`) wins.
    "numeric" optional numeric: Direction,
    /// Tags by the alphabet: the last (`asc`) or the first (`desc`) wins.
    "alphabetical" optional alphabetical: Direction,
    /// `true`: the image that was created last wins, by its own creation time.
    "newest" optional newest: True,
    /// Follows what a moving tag points to: `true` for the tag in use, or a tag like `stable`.
    "digest" optional digest: TrueOr<Tag>,
    /// A regular expression: only tags that match compete. Its group `version` is what is compared, after it its group `variant`.
    /// Default: tags of the same family as the one in use. Example: `'^v(?<version>[0-9.]+)$'`.
    "tags" optional tags: TagPattern,
    /// Regular expressions: tags that match one never compete. Default: none. Example: `['-debug$']`.
    "ignore" optional ignore: OneOrMany<TagPattern>,
    /// `true`: pre-releases compete although nothing else asks for them. Default: `false`.
    "prerelease" optional prerelease: bool,
    /// How long a tag must have pointed to its digest: since it was pushed, where the registry tells, else since the cache
    /// first saw it. Default: no time. Example: `2h`.
    "minAge" optional min_age: SignedDuration,
    /// `digest`: every reference is written as `tag@sha256:…`. Default: a digest is renewed where one stands.
    "pin" optional pin: Pin,
    /// Platforms for which a candidate must be there. Default: none. Example: `[linux/amd64, linux/arm64]`.
    "platforms" optional platforms: OneOrMany<Platform>,
    /// The signature that a candidate must have. Default: none.
    "verify" optional verify: RawVerify,
}

object! {
    /// Who must have signed an image.
    RawVerify, "`verify`";
    /// A signature made by cosign.
    "cosign" required cosign: RawCosign,
}

object! {
    /// A cosign signature: by public keys, or keyless by identity and issuer.
    RawCosign, "`cosign`", exactly one of ["key", "identity"];
    /// Paths of public keys in this repository; one of them must have signed. Example: `keys/cosign.pub`.
    "key" optional key: OneOrMany<Line>,
    /// The certificate's subject, exactly or as `{pattern: …}`; needs `issuer`.
    "identity" optional identity: ShortOrLong<Line, RawPattern>,
    /// Who vouched for the subject, exactly or as `{pattern: …}`; needs `identity`. Example: `https://token.actions.githubusercontent.com`.
    "issuer" optional issuer: ShortOrLong<Line, RawPattern>,
}

object! {
    /// A name by a pattern.
    RawPattern, "a pattern";
    /// A regular expression that must match the whole name. Example: `'https://github\.com/acme/.+'`.
    "pattern" required pattern: NamePattern,
}

object! {
    /// Images that move together, in one pull request.
    RawGroup, "a group";
    /// The group's name, a part of its head branch. Example: `shop`.
    "name" required name: Name,
    /// Globs over its images, as in `match`.
    "images" required images: OneOrMany<ImageGlob>,
}

object! {
    /// An environment: its files, what comes before it, and how a change reaches it.
    RawEnvironment, "an environment";
    /// Its name: letters, digits, `-`, `_` and `.`.
    "name" required name: EnvironmentName,
    /// Globs over the paths of its files; no file may belong to two environments. Example: `envs/dev/**`.
    "files" required files: OneOrMany<PathGlob>,
    /// The branch it lives on. Default: the repository's base branch.
    "branch" optional branch: BranchName,
    /// The environment, or several, that must run a version before this one; also
    /// `{repository, environment}` of another watched repository, and `{any: […]}` where one of several is enough. Default:
    /// versions come from registries.
    "after" optional after: OneOrMany<ShortOrLong<EnvironmentName, RawBefore>>,
    /// What a promotion into it waits for. Default: nothing.
    "gates" optional gates: RawGates,
    /// How a change reaches it: `commit` on the base branch, `pullRequest` that a person merges, or
    /// `autoMerge` when every gate passes. Default: `pullRequest`.
    "publish" optional publish: Publish,
    /// How many of its pull requests may be open at once, whoever has them in hand; further ones wait. Default: any number. Example: `5`.
    "maxOpen" optional max_open: Whole<1, 1000>,
    /// Who is asked to review its pull requests. Example: `[acme/sre]`.
    "reviewers" optional reviewers: OneOrMany<Line>,
    /// What is watched after a merge, and how to go back. Default: nothing.
    "onFailure" optional on_failure: RawOnFailure,
    /// `true`: GitHub keeps what reaches it as deployments. Default: `false`.
    "deployments" optional deployments: bool,
}

object! {
    /// An environment of another watched repository, or several environments of which one is enough.
    RawBefore, "`after`", exactly one of ["repository", "any"];
    /// The other repository's URL as `service.yaml` writes it.
    "repository" optional repository: CleanUrl,
    /// The environment there.
    "environment" optional environment: EnvironmentName,
    /// Environments of which one must run a version before. Example: `[staging-eu, staging-us]`.
    "any" optional any: OneOrMany<ShortOrLong<EnvironmentName, RawElsewhere>>,
}

object! {
    /// An environment of another watched repository.
    RawElsewhere, "an environment";
    /// The other repository's URL as `service.yaml` writes it.
    "repository" required repository: CleanUrl,
    /// The environment there.
    "environment" required environment: EnvironmentName,
}

object! {
    /// Conditions that a promotion waits for; all must pass.
    RawGates, "`gates`";
    /// How long the version must have been in the environment before. Example: `24h`.
    "soak" optional soak: ShortOrLong<SignedDuration, RawSoak>,
    /// Commit statuses and check runs that must have passed on the environment before; `*` at the end of a name takes all
    /// that begin so. Example: `[argocd/dev]`.
    "checks" optional checks: OneOrMany<Line>,
    /// When promotions may happen; within one is enough. Default: always.
    "windows" optional windows: Vec<Located<RawWindow>>,
    /// When nothing is promoted; freezes win over windows. Default: never.
    "freezes" optional freezes: Vec<Located<RawFreeze>>,
    /// A query to a source that `service.yaml` names.
    "query" optional query: RawQuery,
    /// A path below a source that `service.yaml` names.
    "http" optional http: RawHttp,
    /// How many people must have approved the pull request. Example: `1`.
    "approvals" optional approvals: Whole<1, 100>,
    /// `true`: a person must let it pass.
    "manual" optional manual: True,
}

object! {
    /// How long a version soaks, and what counts.
    RawSoak, "`soak`";
    /// For how long. Example: `24h`.
    "for" required time: SignedDuration,
    /// `running`: while it runs in the environment before; `introduced`: since it came there, also
    /// after a newer one replaced it. Default: `running`.
    "count" optional count: CountWord,
}

object! {
    /// A window of the week.
    RawWindow, "a window";
    /// The days on which it starts: a range like `mon-thu`, or a list like `[mon, wed]`. Default: every day.
    "days" optional days: OneOrMany<DaysText>,
    /// From when to when, the end excluded; past midnight it belongs to the day on which it starts.
    /// Default: the whole day. Example: `"09:00-16:00"`.
    "hours" optional hours: HoursText,
    /// The time zone. Default: `UTC`. Example: `Europe/Berlin`.
    "zone" optional zone: TimeZone,
}

object! {
    /// A time in which nothing is promoted.
    RawFreeze, "a freeze";
    /// The first day, or an exact time (RFC 3339). Example: `2026-12-20`.
    "from" required from: EdgeText,
    /// The last day, included, or an exact time, excluded. Example: `2027-01-03`.
    "to" required to: EdgeText,
    /// The time zone of whole days. Default: `UTC`.
    "zone" optional zone: TimeZone,
}

object! {
    /// A query whose answer lets a promotion pass.
    RawQuery, "`query`";
    /// The name of a source of `service.yaml`.
    "source" required source: Name,
    /// The query, in the source's own language. `$tag`, `$image` and `$environment` stand for what would move and where to, each
    /// as a text with its quotes. Example: `sum(rate(http_errors_total{version=$tag}[5m]))`.
    "expr" required expr: QueryText,
    /// A comparison with a number; every sample of the answer must be so. Example: `"< 0.01"`.
    "expect" required expect: Expectation,
    /// How far back every sample must be so. Default: the present alone. Example: `1h`.
    "range" optional range: SignedDuration,
    /// How far the samples of the range are apart. Default: `1m`.
    "step" optional step: SignedDuration,
}

object! {
    /// An HTTP request whose answer lets a promotion pass.
    RawHttp, "`http`";
    /// The name of a source of `service.yaml`.
    "source" required source: Name,
    /// The path below the source's URL; it must answer with a status of success. Example: `/healthz`.
    "path" required path: Line,
    /// The place in the JSON answer, a JSONPath. Default: a successful status is enough.
    "json" optional json: JsonPath,
    /// A comparison with what stands there; `json` and `expect` need each other. Example: `"== ok"`.
    "expect" optional expect: Expectation,
}

object! {
    /// What is watched after a merge, and how to go back.
    RawOnFailure, "`onFailure`";
    /// Commit statuses and check runs to watch on the commit that brought a version. Example: `[argocd/staging]`.
    "checks" required checks: OneOrMany<Line>,
    /// For how long. Example: `30m`.
    "within" required within: SignedDuration,
    /// How the return is published. Default: as the environment's changes.
    "publish" optional publish: Publish,
}

object! {
    /// A further place of references.
    RawFormat, "a format", exactly one of ["path", "regex"];
    /// Globs over the files.
    "files" required files: OneOrMany<PathGlob>,
    /// A JSONPath (RFC 9535, without filters) to the reference, in YAML, JSON or TOML. Example: `$.spec.image`.
    "path" optional path: JsonPath,
    /// A regular expression with groups `image`, `tag`, `digest`; `tag` or `digest` must be among them.
    "regex" optional regex: ReferencePattern,
}

object! {
    /// How commits look.
    RawCommit, "`commit`";
    /// The template of the message; Tagboat's trailers are always added behind it. Default: Tagboat's own.
    /// Example: `"{{ environment }}: {{ summary }}"`.
    "message" optional message: Text,
    /// The author. Default: `Tagboat <tagboat@localhost>`. Example: `Ship Bot <ship@acme.example>`.
    "author" optional author: Person,
    /// The committer. Default: the author. Example: `Ship Bot <ship@acme.example>`.
    "committer" optional committer: Person,
    /// How commits are signed: `ssh`, `gpg`, or `forge` for commits that the forge makes and signs.
    /// The keys are the operator's. Default: not at all.
    "sign" optional sign: SignWord,
    /// `true`: the committer's `Signed-off-by` is added. Default: `false`.
    "signOff" optional sign_off: bool,
    /// Further trailers, by name. Example: `{Ticket: OPS-1}`.
    "trailers" optional trailers: FreeMap<Line>,
}

object! {
    /// How pull requests look.
    RawPullRequest, "`pullRequest`";
    /// The template of the title. Default: Tagboat's own. Example: `"[{{ environment }}] {{ summary }}"`.
    "title" optional title: Line,
    /// The template of the body; Tagboat's hidden marker is always added below it. Default: Tagboat's own.
    /// Example: `"{{ default }}"`.
    "body" optional body: Text,
    /// Labels that it gets. Default: none. Example: `[dependencies]`.
    "labels" optional labels: OneOrMany<Line>,
    /// `true`: opened as a draft. Default: `false`.
    "draft" optional draft: bool,
    /// What the names of head branches begin with. Default: `tagboat/`.
    "branchPrefix" optional branch_prefix: BranchPrefix,
    /// `true`: merged although its head commit has no check at all. Default: `false`.
    "allowNoChecks" optional allow_no_checks: bool,
    /// `false`: neither compare links nor release notes of the source repositories are looked up. Default: `true`.
    "releaseNotes" optional release_notes: bool,
    /// When a head branch is made anew on a base that moved: on `conflict`; when that is `needed`, so also where the base must be up
    /// to date for a merge that is due; or `always`. Default: `needed`.
    "rebase" optional rebase: RebaseWord,
    /// `true`: with `autoMerge`, a forge is told to merge by itself once the checks that the base requires have passed, where nothing
    /// else is waited for. Default: `false`.
    "nativeAutoMerge" optional native_auto_merge: bool,
}
