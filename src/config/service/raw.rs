//! What `service.yaml` says, key by key: the source of its reader and of its JSON schema.
//!
//! Owns keys, types and their descriptions; looks at no two keys together. No key takes a secret.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use crate::config::object::object;
use crate::config::reader::Located;
use crate::config::scalars::{CleanUrl, GrammarVersion, Line, Name, Text};
use crate::config::service::log::RawLog;
use crate::config::service::words::{
    Address, ByteSize, CronText, EventWord, FilePath, ForgeWord, GitUrl, HostName, MirrorText, NatsUrl, ProxyText,
    QueueName, QueueWord, ScheduleText, SourceWord, VariableName, VendorWord,
};
use crate::config::shapes::{OneOrMany, ShortOrLong, Whole};
use crate::model::environment::{BranchName, EnvironmentName};

object! {
    /// The operator's file: repositories, credentials, registries, schedule. Paths are relative to this
    /// file; secrets are named by a file's path or an environment variable, never written here.
    RawService, "the service's configuration";
    /// The version of this file's grammar: `1`.
    "version" required version: GrammarVersion,
    /// When passes begin: cron of five fields, or `every 5m`; with a time zone `{cron, zone}`.
    /// Default: `every 5m`.
    "schedule" optional schedule: ShortOrLong<ScheduleText, RawCron>,
    /// Where the board, webhooks and metrics are served. Default: `127.0.0.1:8080`.
    "listen" optional listen: Address,
    /// How `serve` logs; a change takes effect while it runs. Default: what the command line says.
    "log" optional log: RawLog,
    /// The cache's file; mirrors of repositories are kept beside it. Default: what `TAGBOAT_CACHE` names, else `tagboat/cache.db` in the user's cache folder.
    "cache" optional cache: FilePath,
    /// Who may hasten a pass over `POST /hooks/<source>`. Default: nobody.
    "webhooks" optional webhooks: Vec<Located<RawWebhook>>,
    /// The manifest repositories that are watched; `serve` needs one.
    "repositories" optional repositories: Vec<Located<RawWatched>>,
    /// How registries are spoken to. Default: docker's `config.json`, TLS, plain HTTP on loopback.
    "registries" optional registries: Vec<Located<RawRegistry>>,
    /// Whom signatures are checked against. Default: signatures by key alone can be checked.
    "sigstore" optional sigstore: RawSigstore,
    /// The keys that commits are signed with where `.tagboat.yaml` asks for it. Default: those of the environment variables
    /// `TAGBOAT_SSH_SIGNING_KEY` and `TAGBOAT_GPG_SIGNING_KEY`.
    "signing" optional signing: RawSigning,
    /// What gates may ask; `.tagboat.yaml` only names them. Default: none.
    "sources" optional sources: Vec<Located<RawSource>>,
    /// Who is told what happened. Default: nobody.
    "notify" optional notify: Vec<Located<RawNotify>>,
    /// How replicas share work: `local`, or `{nats: …}`. Default: `local`.
    "queue" optional queue: ShortOrLong<QueueWord, RawQueue>,
    /// The names under which the board is reached, beside addresses and `localhost`: requests for any other are refused.
    /// Default: none. Example: `tagboat.acme.example`.
    "hosts" optional hosts: OneOrMany<Name>,
    /// Who may act on the board. Default: it is read-only.
    "access" optional access: RawAccess,
    /// Bounds on what is read and how long it may take.
    "limits" optional limits: RawLimits,
}

object! {
    /// A schedule in a time zone.
    RawCron, "`schedule`";
    /// Cron of five fields: minute, hour, day, month, day of the week. Example: `*/5 * * * *`.
    "cron" required cron: CronText,
    /// The time zone. Default: `UTC`. Example: `Europe/Berlin`.
    "zone" optional zone: TimeZone,
}

object! {
    /// A sender of webhooks.
    RawWebhook, "a webhook";
    /// Whose webhooks: `dockerhub`, `ghcr`, `quay`, `harbor`, `acr`, `ecr`, `gar`, `distribution`,
    /// `gitlab-registry`, `nexus`, `jfrog`, `github`, `gitlab`, `gitea` or `generic`.
    "source" required source: SourceWord,
    /// The file that holds the shared secret.
    "secretFile" optional secret_file: FilePath,
    /// The environment variable that holds the shared secret.
    "secretEnv" optional secret_env: VariableName,
    /// `gar`: the audience of the push subscription's tokens. Example: `https://tagboat.acme.example/hooks/gar`.
    "audience" optional audience: Line,
    /// `gar`: the service account by which the subscription pushes. Example: `push@acme.iam.gserviceaccount.com`.
    "serviceAccount" optional service_account: Line,
    /// `gar`: where the keys of the tokens are. Default: `https://www.googleapis.com/oauth2/v3/certs`.
    "keysUrl" optional keys_url: CleanUrl,
    /// `gar`: the file with the certificates of a private authority that `keysUrl` is trusted by.
    "caFile" optional ca_file: FilePath,
}

object! {
    /// The keys that commits are signed with.
    RawSigning, "`signing`";
    /// The file that holds a private SSH key of the kind ed25519, without a passphrase.
    "sshKeyFile" optional ssh_key_file: FilePath,
    /// The environment variable that holds such a key.
    "sshKeyEnv" optional ssh_key_env: VariableName,
    /// The fingerprint or address of a GPG key, for the `gpg` program. Example: `ship@acme.example`.
    "gpgKey" optional gpg_key: Line,
    /// The folder of GPG's keyring. Default: the user's own.
    "gpgHome" optional gpg_home: FilePath,
}

object! {
    /// A manifest repository that is watched.
    RawWatched, "a repository";
    /// Its URL, without any credential. Example: `https://github.com/acme/gitops`.
    "url" required url: GitUrl,
    /// Its base branch. Default: the remote's own.
    "branch" optional branch: BranchName,
    /// Which forge it is on, where its host's name does not tell: `github`, `gitlab`, `gitea`, `forgejo`, or `plain` for Git
    /// alone, with head branches and fast-forward merges. Default: `auto`.
    "forge" optional forge: ForgeWord,
    /// The forge's URL, where it is not `https://` on the repository's host. Example: `https://git.acme.example/gitlab`.
    "forgeUrl" optional forge_url: CleanUrl,
    /// How it is reached. Default: the token variables of the environment.
    "auth" optional auth: RawRepositoryAuth,
    /// The file that holds the secret of this repository's webhooks.
    "webhookSecretFile" optional webhook_secret_file: FilePath,
    /// Its own schedule. Default: the service's.
    "schedule" optional schedule: ShortOrLong<ScheduleText, RawCron>,
    /// The certificates of a private authority, in PEM form, that the forge's API is trusted by. Git over HTTPS takes
    /// `SSL_CERT_FILE`. Default: the machine's authorities.
    "caFile" optional ca_file: FilePath,
    /// What the forge's API is reached through: a proxy's URL, or `none`. Default: what the environment says.
    "proxy" optional proxy: ProxyText,
}

object! {
    /// How a repository is reached.
    RawRepositoryAuth, "`auth`", exactly one of ["githubApp", "tokenFile", "tokenEnv", "sshKeyFile", "basic"];
    /// A GitHub App.
    "githubApp" optional github_app: RawGithubApp,
    /// The file that holds a token.
    "tokenFile" optional token_file: FilePath,
    /// The environment variable that holds a token.
    "tokenEnv" optional token_env: VariableName,
    /// The file that holds a private SSH key.
    "sshKeyFile" optional ssh_key_file: FilePath,
    /// A user's name and a password.
    "basic" optional basic: RawBasic,
}

object! {
    /// A GitHub App.
    RawGithubApp, "`githubApp`";
    /// The app's id.
    "id" required id: Whole<1, { u64::MAX }>,
    /// The file that holds its private key.
    "privateKeyFile" required private_key_file: FilePath,
    /// The id of its installation. Default: found by the repository.
    "installation" optional installation: Whole<1, { u64::MAX }>,
}

object! {
    /// A user's name and a password.
    RawBasic, "`basic`", exactly one of ["passwordFile", "passwordEnv"];
    /// The user's name.
    "username" required username: Line,
    /// The file that holds the password.
    "passwordFile" optional password_file: FilePath,
    /// The environment variable that holds the password.
    "passwordEnv" optional password_env: VariableName,
}

object! {
    /// How a registry is spoken to.
    RawRegistry, "a registry";
    /// Its host as image names have it, with the port if any. Example: `ghcr.io`.
    "host" required host: HostName,
    /// The credential. Default: docker's `config.json`.
    "auth" optional auth: RawRegistryAuth,
    /// How many requests a second at most, evenly spaced. Default: no limit of our own. Example: `10`.
    "requestsPerSecond" optional requests_per_second: Whole<1, 10000>,
    /// How many requests at once at most. Default: `8`.
    "concurrency" optional concurrency: Whole<1, 256>,
    /// `true`: plain HTTP is spoken. Default: `false`, but plain HTTP on loopback.
    "insecure" optional insecure: bool,
    /// The PEM file with the certificates of private authorities, which are trusted beside the machine's own. A
    /// loopback host is then spoken to over TLS.
    "caFile" optional ca_file: FilePath,
    /// The PEM file with the client certificate that is shown to it; needs `clientKeyFile`.
    "clientCertFile" optional client_cert_file: FilePath,
    /// The PEM file with the key of `clientCertFile`.
    "clientKeyFile" optional client_key_file: FilePath,
    /// `environment` for `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, which never count for loopback; `none`; or
    /// the URL of a proxy. Default: `environment`.
    "proxy" optional proxy: ProxyText,
    /// Another registry that is asked in its place: a host, perhaps with a path that comes before the repository.
    /// Example: `harbor.example/dockerhub`.
    "mirror" optional mirror: ShortOrLong<MirrorText, RawMirror>,
    /// Whose software it is, where the host's name does not tell: `dockerhub`, `quay`, `harbor`, `gitlab-registry`,
    /// `ecr` or `other`. Its own API then says when tags were pushed. Default: by the host and by how it asks for
    /// a login.
    "vendor" optional vendor: VendorWord,
    /// Time limits.
    "timeouts" optional timeouts: RawTimeouts,
}

object! {
    /// Another registry that is asked in place of this one.
    RawMirror, "`mirror`";
    /// Its host, perhaps with a path that comes before the repository. Example: `harbor.example/dockerhub`.
    "at" required place: MirrorText,
    /// `true`: the registry itself is asked where the mirror cannot be reached or does not know the image.
    /// Default: `false`.
    "fallback" optional fallback: bool,
}

object! {
    /// The credential of a registry.
    RawRegistryAuth, "`auth`", exactly one of ["dockerConfig", "usernameEnv", "basic", "tokenFile", "helper", "aws", "gcp", "azure"];
    /// A docker `config.json`: `default` for the user's own, or a path.
    "dockerConfig" optional docker_config: FilePath,
    /// The environment variable that holds the user's name; needs `passwordEnv`.
    "usernameEnv" optional username_env: VariableName,
    /// The environment variable that holds the password; needs `usernameEnv`.
    "passwordEnv" optional password_env: VariableName,
    /// A name, and a password from a file or a variable.
    "basic" optional basic: RawBasic,
    /// The file that holds a token.
    "tokenFile" optional token_file: FilePath,
    /// A docker credential helper by its name: `ecr-login` for `docker-credential-ecr-login`.
    "helper" optional helper: Name,
    /// Amazon ECR, by the identity of the machine or of the environment.
    "aws" optional aws: RawAws,
    /// Google Artifact Registry, by the identity of the machine, of the environment or of a file.
    "gcp" optional gcp: RawGcp,
    /// Azure Container Registry, by the identity of the machine or of the environment, or by a client's secret.
    "azure" optional azure: RawAzure,
}

object! {
    /// Whom signatures are checked against.
    RawSigstore, "`sigstore`";
    /// The file with the trusted root (Sigstore's `trusted_root.json`): authorities and logs for signatures without keys.
    "trustedRootFile" required trusted_root_file: FilePath,
}

object! {
    /// Amazon ECR.
    RawAws, "`aws`";
    /// The region. Default: the one in the host's name.
    "region" optional region: Name,
}

object! {
    /// Google Artifact Registry.
    RawGcp, "`gcp`";
    /// The file of a service account or of a workload identity. Default: the one that `GOOGLE_APPLICATION_CREDENTIALS`
    /// names, else the metadata server.
    "credentialsFile" optional credentials_file: FilePath,
}

object! {
    /// Azure Container Registry.
    RawAzure, "`azure`";
    /// The tenant. Default: `AZURE_TENANT_ID`, else the managed identity's.
    "tenant" optional tenant: Name,
    /// The client's id. Default: `AZURE_CLIENT_ID`, else the managed identity's.
    "clientId" optional client_id: Name,
    /// The file that holds the client's secret. Default: a workload identity, else the managed identity.
    "clientSecretFile" optional client_secret_file: FilePath,
}

object! {
    /// Time limits of requests to a registry.
    RawTimeouts, "`timeouts`";
    /// For connecting. Default: `5s`.
    "connect" optional connect: SignedDuration,
    /// For silence in the middle of an answer. Default: `15s`.
    "silence" optional silence: SignedDuration,
    /// For one image with all its retries and waits. Default: `60s`.
    "image" optional image: SignedDuration,
}

object! {
    /// Something that gates may ask.
    RawSource, "a source", exactly one of ["prometheus", "http"];
    /// Its name, by which `.tagboat.yaml` calls it.
    "name" required name: Name,
    /// The URL of a Prometheus server. Example: `https://prometheus.acme.example`.
    "prometheus" optional prometheus: CleanUrl,
    /// The URL below which `http` gates may ask.
    "http" optional http: CleanUrl,
    /// The credential. Default: none.
    "auth" optional auth: RawSourceAuth,
    /// The file with the certificates of a private authority.
    "caFile" optional ca_file: FilePath,
}

object! {
    /// The credential of a source.
    RawSourceAuth, "`auth`", exactly one of ["tokenFile", "tokenEnv", "basic"];
    /// The file that holds a token.
    "tokenFile" optional token_file: FilePath,
    /// The environment variable that holds a token.
    "tokenEnv" optional token_env: VariableName,
    /// A user's name and a password.
    "basic" optional basic: RawBasic,
}

object! {
    /// Somebody who is told.
    RawNotify, "an entry of `notify`", exactly one of ["slack", "teams", "webhook"];
    /// A channel of Slack.
    "slack" optional slack: RawSlack,
    /// A channel of Microsoft Teams: the URL of its workflow "when a Teams webhook request is received".
    "teams" optional teams: RawUrlFile,
    /// Any receiver of JSON.
    "webhook" optional webhook: RawReceiver,
    /// What they are told. Default: everything. Known: `proposed`, `merged`, `rolledBack`, `held`, `failed`, `waitingTooLong`,
    /// `passFailing`.
    "on" optional on: OneOrMany<EventWord>,
    /// Of which environments. What is about a repository as a whole is told in any case. Default: all.
    "environments" optional environments: OneOrMany<EnvironmentName>,
    /// Of which repositories, by their URLs. Default: all. Example: `https://github.com/acme/gitops`.
    "repositories" optional repositories: OneOrMany<CleanUrl>,
    /// How long something waits, where no time is known at which it ends, until `waitingTooLong`. Default: `24h`.
    "waitingAfter" optional waiting_after: SignedDuration,
    /// What is said, as a template of `default`, `repository` and `events`, in the receiver's own markup. Default: a line for each event.
    "template" optional template: Text,
    /// The file with the certificates of a private authority that the receiver is trusted by.
    "caFile" optional ca_file: FilePath,
}

object! {
    /// A channel of Slack, by the URL of an incoming webhook, or by a bot's token and the channel's name.
    RawSlack, "`slack`", exactly one of ["urlFile", "urlEnv", "tokenFile", "tokenEnv"];
    /// The file that holds the URL.
    "urlFile" optional url_file: FilePath,
    /// The environment variable that holds the URL.
    "urlEnv" optional url_env: VariableName,
    /// The file that holds a bot's token, with the scope `chat:write`; needs `channel`.
    "tokenFile" optional token_file: FilePath,
    /// The environment variable that holds a bot's token; needs `channel`.
    "tokenEnv" optional token_env: VariableName,
    /// The channel that a bot writes to, by its id or name. Example: `C0123456789`.
    "channel" optional channel: Line,
    /// The URL below which Slack's API is, for a bot. Default: `https://slack.com/api/`.
    "apiUrl" optional api_url: CleanUrl,
}

object! {
    /// A channel whose URL is itself a secret.
    RawUrlFile, "a channel", exactly one of ["urlFile", "urlEnv"];
    /// The file that holds the URL.
    "urlFile" optional url_file: FilePath,
    /// The environment variable that holds the URL.
    "urlEnv" optional url_env: VariableName,
}

object! {
    /// A receiver of JSON.
    RawReceiver, "`webhook`";
    /// Its URL.
    "url" required url: CleanUrl,
    /// The file that holds the secret by which bodies are signed. Default: they are not signed.
    "secretFile" optional secret_file: FilePath,
    /// The environment variable that holds the secret by which bodies are signed.
    "secretEnv" optional secret_env: VariableName,
}

object! {
    /// A queue that replicas share.
    RawQueue, "`queue`";
    /// NATS JetStream.
    "nats" required nats: RawNats,
}

object! {
    /// NATS JetStream.
    RawNats, "`nats`";
    /// The servers' URLs; `tls://` insists on TLS. Example: `nats://nats:4222`.
    "url" required url: OneOrMany<NatsUrl>,
    /// What streams, subjects and buckets begin with, where several Tagboats share an account. Default: `tagboat`.
    "name" optional name: QueueName,
    /// The file of credentials, as `nsc` writes it: a JWT and the seed of a key. Default: no login.
    "credentialsFile" optional credentials_file: FilePath,
    /// The file that holds a token.
    "tokenFile" optional token_file: FilePath,
    /// The environment variable that holds a token.
    "tokenEnv" optional token_env: VariableName,
    /// A name and a password.
    "basic" optional basic: RawBasic,
    /// Certificates of the authority that the servers' are from, in place of the machine's. TLS is insisted on then.
    "caFile" optional ca_file: FilePath,
    /// The certificate that is shown to the servers.
    "clientCertFile" optional client_cert_file: FilePath,
    /// Its key.
    "clientKeyFile" optional client_key_file: FilePath,
    /// Whether a token or a password is sent without TLS to a server that is not on loopback. Default: `false`.
    "insecure" optional insecure: bool,
    /// The file that holds what replicas prove by that tag lists and ages are theirs. Default: those are not shared.
    "secretFile" optional secret_file: FilePath,
    /// The environment variable that holds it.
    "secretEnv" optional secret_env: VariableName,
    /// How long a replica may be silent before another takes its pass over. Default: `30s`.
    "lease" optional lease: SignedDuration,
    /// How many servers of a cluster keep each stream. Default: `1`.
    "streamReplicas" optional stream_replicas: Whole<1, 5>,
}

object! {
    /// Who may act on the board.
    RawAccess, "`access`", exactly one of ["usersFile", "trustedHeader"];
    /// A file of users with password hashes.
    "usersFile" optional users_file: FilePath,
    /// The header in which an authenticating proxy names the user. Example: `X-Forwarded-User`.
    "trustedHeader" optional trusted_header: Name,
    /// Addresses of the proxies whose header is believed; with `usersFile`, those whose `X-Forwarded-For` tells where a login comes from.
    /// Default: loopback; with `usersFile`, none.
    "trustedProxies" optional trusted_proxies: OneOrMany<Line>,
}

object! {
    /// Bounds on what is read and how long it may take.
    RawLimits, "`limits`";
    /// The largest file that is looked into. Default: `16MiB`.
    "maxFileSize" optional max_file_size: ByteSize,
    /// The largest tag list of one image. Default: `64MiB`; more than `1GiB` counts as that.
    "maxTagListSize" optional max_tag_list_size: ByteSize,
    /// The most tags of one image. Default: `1000000`.
    "maxTags" optional max_tags: Whole<1, 100000000>,
    /// The most pages of one tag list. Default: `10000`.
    "maxPages" optional max_pages: Whole<1, 1000000>,
    /// The most tags of all images together whose platforms or age one pass asks for, which costs a manifest and a
    /// blob each; the newest come first. Default: `2000`.
    "maxInspections" optional max_inspections: Whole<1, 1000000>,
    /// The most tags of all images together of which one pass asks by HEAD where they point, for `newest` and
    /// `platforms`; those that no pass asked about before come first. Default: `5000`.
    "maxHeads" optional max_heads: Whole<1, 1000000>,
    /// How long one pass may take. Registries are asked in the first four fifths of it; what is left is reported, and done
    /// in the next pass. Default: `30m`.
    "passTime" optional pass_time: SignedDuration,
    /// How many passes `serve` runs at once, of a repository each. Default: `4`.
    "concurrentPasses" optional concurrent_passes: Whole<1, 256>,
}
