//! From the raw structures of `service.yaml` to its plain types, with the checks between keys.
//!
//! A part at fault is left out: the reader knows the fault, and the whole is then refused.

mod queue;

use jiff::tz::TimeZone;

use crate::config::fault::quote;
use crate::config::reader::{Field, Located, Reader};
use crate::config::service::log::RawLog;
use crate::config::service::raw::{
    RawAccess, RawBasic, RawCron, RawLimits, RawNotify, RawRegistry, RawRegistryAuth, RawRepositoryAuth, RawService,
    RawSigning, RawSlack, RawSource, RawUrlFile, RawWatched, RawWebhook,
};
use crate::config::service::words::{FilePath, ForgeWord, ScheduleText, VariableName};
use crate::config::service::{
    Access, Basic, Channel, ClientCertificate, GoogleToken, Limits, Mirror, Notify, Registry, RegistryAuth,
    RepositoryAuth, Schedule, SecretPlace, Service, Signing, Source, SourceAuth, SourceKind, Timeouts,
    WatchedRepository, Webhook, WebhookProof,
};
use crate::config::shapes::{OneOrMany, ShortOrLong, Whole};
use crate::model::template::{Template, TemplateFault, Wording};

/// Turns the whole file into its plain types.
pub(super) fn service(file: &str, raw: RawService, reader: &mut Reader<'_>) -> Service {
    let default = Service::without_configuration();
    let webhooks = raw.webhooks.value().unwrap_or_default();
    let repositories = raw.repositories.value().unwrap_or_default();
    let registries = raw.registries.value().unwrap_or_default();
    let sources = raw.sources.value().unwrap_or_default();
    let told = raw.notify.value().unwrap_or_default();
    let urls = repositories.iter().filter_map(|raw| Some(raw.value.url.given.as_ref()?.value.0.clone()));
    let watched: Vec<String> = urls.collect();
    unique(&repositories, "repository", |raw| raw.url.given.as_ref().map(|url| (url.value.0.clone(), url)), reader);
    unique(&registries, "registry", |raw| raw.host.given.as_ref().map(|host| (host.value.0.clone(), host)), reader);
    unique(&sources, "source", |raw| raw.name.given.as_ref().map(|name| (name.value.0.clone(), name)), reader);
    unique(&webhooks, "webhook", |raw| raw.source.given.as_ref().map(|name| (name.value.0.to_owned(), name)), reader);
    Service {
        file: file.to_owned(),
        schedule: raw.schedule.value().and_then(schedule).unwrap_or(default.schedule),
        listen: raw.listen.value().map_or(default.listen, |address| address.0),
        log: raw.log.value().map(RawLog::plain).unwrap_or_default(),
        cache: raw.cache.value(),
        webhooks: webhooks.into_iter().filter_map(|raw| webhook(raw, reader)).collect(),
        repositories: repositories.into_iter().filter_map(|raw| repository(raw.value, reader)).collect(),
        registries: registries.into_iter().filter_map(|raw| registry(raw.value, reader)).collect(),
        trusted_root: raw.sigstore.value().and_then(|sigstore| sigstore.trusted_root_file.value()),
        signing: raw.signing.value().map(|raw| signing(raw, reader)).unwrap_or_default(),
        sources: sources.into_iter().filter_map(|raw| source(raw.value)).collect(),
        notify: told.into_iter().filter_map(|raw| notify(raw.value, &watched, reader)).collect(),
        queue: match raw.queue.value() {
            Some(ShortOrLong::Long(queue)) => queue.nats.value().and_then(|nats| queue::nats(nats, reader)),
            Some(ShortOrLong::Short(_)) | None => None,
        }
        .unwrap_or_default(),
        hosts: list(raw.hosts).map(|host| host.0.to_ascii_lowercase()).collect(),
        access: raw.access.value().and_then(access),
        limits: raw.limits.value().map(limits).unwrap_or_default(),
    }
}

/// Refuses a second entry of the same name.
fn unique<R, T>(
    entries: &[Located<R>],
    what: &str,
    name: impl Fn(&R) -> Option<(String, &Located<T>)>,
    reader: &mut Reader<'_>,
) {
    let mut known: Vec<String> = Vec::new();
    for entry in entries {
        let Some((name, at)) = name(&entry.value) else { continue };
        if known.contains(&name) {
            reader.fault(at.span.clone(), format!("the {what} {} is already there", quote(&name)), None);
        } else {
            known.push(name);
        }
    }
}

fn schedule(raw: ShortOrLong<ScheduleText, RawCron>) -> Option<Schedule> {
    Some(match raw {
        ShortOrLong::Short(ScheduleText::Every(time)) => Schedule::Every(time),
        ShortOrLong::Short(ScheduleText::Cron(cron)) => Schedule::Cron { cron, zone: TimeZone::UTC },
        ShortOrLong::Long(long) => {
            Schedule::Cron { cron: long.cron.value()?, zone: long.zone.value().unwrap_or(TimeZone::UTC) }
        }
    })
}

fn secret(file: Field<FilePath>, variable: Field<VariableName>) -> Option<SecretPlace> {
    file.value().map(SecretPlace::File).or_else(|| variable.value().map(SecretPlace::Variable))
}

fn webhook(raw: Located<RawWebhook>, reader: &mut Reader<'_>) -> Option<Webhook> {
    let RawWebhook { source, secret_file, secret_env, audience, service_account, keys_url, ca_file, .. } = raw.value;
    // Parts are looked at although the source is at fault: each may hold a fault of its own.
    let source = source.value().map(|source| source.0);
    let of_google = [
        ("audience", &audience.key),
        ("serviceAccount", &service_account.key),
        ("keysUrl", &keys_url.key),
        ("caFile", &ca_file.key),
    ];
    if let Some(source @ "gar") = source {
        for (key, given) in [("secretFile", &secret_file.key), ("secretEnv", &secret_env.key)] {
            if let Some(span) = given {
                let hint = "name the `audience` and the `serviceAccount` of the push subscription".to_owned();
                reader.fault(span.clone(), format!("`gar` signs its webhooks, and takes no `{key}`"), Some(hint));
            }
        }
        for (key, given) in &of_google[..2] {
            if given.is_none() {
                reader.fault(raw.span.clone(), format!("the webhook `gar` needs `{key}`"), None);
            }
        }
        let (audience, account) = (audience.value()?.0, service_account.value()?.0);
        let (keys_url, ca_file) = (keys_url.value().map(|url| url.0), ca_file.value());
        let proof = WebhookProof::Google(GoogleToken { audience, account, keys_url, ca_file });
        return Some(Webhook { source, proof });
    }
    for (key, given) in of_google {
        if let Some(span) = given {
            reader.fault(span.clone(), format!("`{key}` is of the webhook `gar` alone"), None);
        }
    }
    match (&secret_file.key, &secret_env.key) {
        (Some(_), Some(second)) => {
            reader.fault(second.clone(), "`secretFile` and `secretEnv` exclude each other", None);
        }
        (None, None) => {
            let hint = "name the file that holds the shared secret: `secretFile: …`".to_owned();
            reader.fault(raw.span, "a webhook needs `secretFile` or `secretEnv`", Some(hint));
        }
        _ => {}
    }
    Some(Webhook { source: source?, proof: WebhookProof::Secret(secret(secret_file, secret_env)?) })
}

fn signing(raw: RawSigning, reader: &mut Reader<'_>) -> Signing {
    if let (Some(_), Some(second)) = (&raw.ssh_key_file.key, &raw.ssh_key_env.key) {
        reader.fault(second.clone(), "`sshKeyFile` and `sshKeyEnv` exclude each other", None);
    }
    if let (Some(span), false) = (&raw.gpg_home.key, raw.gpg_key.is_present()) {
        reader.fault(span.clone(), "`gpgHome` needs `gpgKey` beside it", None);
    }
    Signing {
        ssh: secret(raw.ssh_key_file, raw.ssh_key_env),
        gpg_key: raw.gpg_key.value().map(|key| key.0),
        gpg_home: raw.gpg_home.value(),
    }
}

fn repository(raw: RawWatched, reader: &mut Reader<'_>) -> Option<WatchedRepository> {
    let forge = raw.forge.value().unwrap_or_default();
    if let (ForgeWord::Plain, Some(span)) = (forge, &raw.forge_url.key) {
        reader.fault(span.clone(), "`forgeUrl` says nothing beside `forge: plain`", None);
    }
    if let Some(url) = &raw.forge_url.given {
        let parsed = url::Url::parse(&url.value.0).ok();
        if !parsed.is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host()) {
            let hint = "write it like `https://git.acme.example/gitlab`".to_owned();
            reader.fault(url.span.clone(), "`forgeUrl` is no URL of the form https://host", Some(hint));
        }
    }
    Some(WatchedRepository {
        forge,
        forge_url: raw.forge_url.value().map(|url| url.0),
        url: raw.url.value()?.0,
        branch: raw.branch.value(),
        auth: raw.auth.value().and_then(repository_auth),
        webhook_secret: raw.webhook_secret_file.value(),
        schedule: raw.schedule.value().and_then(schedule),
        ca_file: raw.ca_file.value(),
        proxy: raw.proxy.value().unwrap_or_default(),
    })
}

fn repository_auth(raw: RawRepositoryAuth) -> Option<RepositoryAuth> {
    if let Some(app) = raw.github_app.value() {
        return Some(RepositoryAuth::GithubApp {
            id: app.id.value()?.0,
            private_key_file: app.private_key_file.value()?,
            installation: app.installation.value().map(|id| id.0),
        });
    }
    secret(raw.token_file, raw.token_env)
        .map(RepositoryAuth::Token)
        .or_else(|| raw.ssh_key_file.value().map(RepositoryAuth::SshKey))
        .or_else(|| raw.basic.value().and_then(basic).map(RepositoryAuth::Basic))
}

fn basic(raw: RawBasic) -> Option<Basic> {
    Some(Basic { username: raw.username.value()?.0, password: secret(raw.password_file, raw.password_env)? })
}

fn small<const LEAST: u64, const MOST: u64>(number: Field<Whole<LEAST, MOST>>) -> Option<u32> {
    number.value().and_then(|number| u32::try_from(number.0).ok())
}

fn registry(raw: RawRegistry, reader: &mut Reader<'_>) -> Option<Registry> {
    let insecure = raw.insecure.as_ref().copied().unwrap_or_default();
    for (field, key) in [("caFile", &raw.ca_file.key), ("clientCertFile", &raw.client_cert_file.key)] {
        if let (true, Some(span)) = (insecure, key) {
            reader.fault(span.clone(), format!("`{field}` says nothing beside `insecure: true`"), None);
        }
    }
    match (&raw.client_cert_file.key, &raw.client_key_file.key) {
        (Some(span), None) => reader.fault(span.clone(), "`clientCertFile` needs `clientKeyFile` beside it", None),
        (None, Some(span)) => reader.fault(span.clone(), "`clientKeyFile` needs `clientCertFile` beside it", None),
        _ => {}
    }
    let client_files = raw.client_cert_file.value().zip(raw.client_key_file.value());
    let mirror = raw.mirror.value().and_then(|raw| match raw {
        ShortOrLong::Short(at) => Some(Mirror { at, fallback: false }),
        ShortOrLong::Long(long) => {
            Some(Mirror { fallback: long.fallback.as_ref().copied().unwrap_or_default(), at: long.place.value()? })
        }
    });
    let timeouts = raw.timeouts.value().map(|raw| Timeouts {
        connect: raw.connect.value(),
        silence: raw.silence.value(),
        image: raw.image.value(),
    });
    Some(Registry {
        auth: raw.auth.value().and_then(|raw| registry_auth(raw, reader)),
        host: raw.host.value()?.0,
        requests_per_second: small(raw.requests_per_second),
        concurrency: small(raw.concurrency),
        insecure,
        ca_file: raw.ca_file.value(),
        client_certificate: client_files
            .map(|(certificate_file, key_file)| ClientCertificate { certificate_file, key_file }),
        proxy: raw.proxy.value().unwrap_or_default(),
        mirror,
        vendor: raw.vendor.value().map(|vendor| vendor.0),
        timeouts: timeouts.unwrap_or_default(),
    })
}

fn registry_auth(raw: RawRegistryAuth, reader: &mut Reader<'_>) -> Option<RegistryAuth> {
    match (&raw.username_env.key, &raw.password_env.key) {
        (Some(span), None) => reader.fault(span.clone(), "`usernameEnv` needs `passwordEnv` beside it", None),
        (None, Some(span)) => reader.fault(span.clone(), "`passwordEnv` needs `usernameEnv` beside it", None),
        _ => {}
    }
    if let Some(path) = raw.docker_config.value() {
        return Some(RegistryAuth::DockerConfig((path.0 != "default").then_some(path)));
    }
    if let (Some(username), Some(password)) = (raw.username_env.value(), raw.password_env.value()) {
        return Some(RegistryAuth::Variables { username, password });
    }
    let aws = raw.aws.value().map(|aws| RegistryAuth::Aws { region: aws.region.value().map(|region| region.0) });
    let gcp = raw.gcp.value().map(|gcp| RegistryAuth::Gcp { credentials_file: gcp.credentials_file.value() });
    let azure = raw.azure.value().map(|azure| RegistryAuth::Azure {
        tenant: azure.tenant.value().map(|tenant| tenant.0),
        client_id: azure.client_id.value().map(|id| id.0),
        client_secret_file: azure.client_secret_file.value(),
    });
    let token = raw.token_file.value().map(RegistryAuth::TokenFile);
    let token = token.or_else(|| raw.basic.value().and_then(basic).map(RegistryAuth::Basic));
    token.or_else(|| raw.helper.value().map(|name| RegistryAuth::Helper(name.0))).or(aws).or(gcp).or(azure)
}

fn source(raw: RawSource) -> Option<Source> {
    let prometheus = raw.prometheus.value().map(|url| SourceKind::Prometheus(url.0));
    let kind = prometheus.or_else(|| raw.http.value().map(|url| SourceKind::Http(url.0)));
    let auth = raw.auth.value().and_then(|auth| {
        let token = secret(auth.token_file, auth.token_env).map(SourceAuth::Token);
        token.or_else(|| auth.basic.value().and_then(basic).map(SourceAuth::Basic))
    });
    Some(Source { name: raw.name.value()?.0, kind: kind?, auth, ca_file: raw.ca_file.value() })
}

fn list<T>(field: Field<OneOrMany<T>>) -> impl Iterator<Item = T> {
    field.value().map(|list| list.0).unwrap_or_default().into_iter().map(|item| item.value)
}

fn notify(raw: RawNotify, watched: &[String], reader: &mut Reader<'_>) -> Option<Notify> {
    let url = |raw: RawUrlFile| secret(raw.url_file, raw.url_env);
    let webhook = raw.webhook.value().and_then(|raw| {
        if let (Some(_), Some(second)) = (&raw.secret_file.key, &raw.secret_env.key) {
            reader.fault(second.clone(), "`secretFile` and `secretEnv` exclude each other", None);
        }
        Some(Channel::Webhook { url: raw.url.value()?.0, secret: secret(raw.secret_file, raw.secret_env) })
    });
    let slack = raw.slack.value().and_then(|raw| slack(raw, reader));
    let channel = slack.or_else(|| raw.teams.value().and_then(url).map(Channel::Teams)).or(webhook)?;
    for repository in raw.repositories.as_ref().into_iter().flat_map(|list| &list.0) {
        if !watched.contains(&repository.value.0) {
            let hint = "write its `url` as `repositories` has it".to_owned();
            reader.fault(repository.span.clone(), "no such repository is watched", Some(hint));
        }
    }
    let template = raw.template.given.and_then(|given| {
        let parsed = Template::parse(given.value.as_ref(), Wording::Notice);
        let fault = |fault: TemplateFault| {
            let line = fault.line.map(|line| format!("line {line} of the template: ")).unwrap_or_default();
            reader.fault(given.span.clone(), format!("{line}{}", fault.reason), fault.hint);
        };
        parsed.map_err(fault).ok()
    });
    Some(Notify {
        channel,
        on: list(raw.on).map(|event| event.0).collect(),
        environments: list(raw.environments).collect(),
        repositories: list(raw.repositories).map(|url| url.0).collect(),
        waiting_after: raw.waiting_after.value(),
        template,
        ca_file: raw.ca_file.value(),
    })
}

fn slack(raw: RawSlack, reader: &mut Reader<'_>) -> Option<Channel> {
    let token = secret(raw.token_file, raw.token_env);
    if token.is_none() {
        for (key, given) in [("channel", &raw.channel.key), ("apiUrl", &raw.api_url.key)] {
            if let Some(span) = given {
                let reason = format!("`{key}` is of a bot with a token: the URL of a webhook knows its channel");
                reader.fault(span.clone(), reason, None);
            }
        }
        return secret(raw.url_file, raw.url_env).map(Channel::Slack);
    }
    if !raw.channel.is_present() {
        reader.fault(raw.at, "a bot needs to know the `channel`", None);
    }
    Some(Channel::SlackBot {
        token: token?,
        channel: raw.channel.value()?.0,
        api: raw.api_url.value().map(|url| url.0),
    })
}

fn access(raw: RawAccess) -> Option<Access> {
    let proxies = list(raw.trusted_proxies).map(|proxy| proxy.0).collect();
    match raw.users_file.value() {
        Some(file) => Some(Access::Users { file, proxies }),
        None => Some(Access::TrustedHeader { header: raw.trusted_header.value()?.0, proxies }),
    }
}

fn limits(raw: RawLimits) -> Limits {
    Limits {
        max_file_size: raw.max_file_size.value().map(|size| size.0),
        max_tag_list_size: raw.max_tag_list_size.value().map(|size| size.0),
        max_tags: raw.max_tags.value().map(|count| count.0),
        max_pages: raw.max_pages.value().map(|count| count.0),
        max_inspections: raw.max_inspections.value().map(|count| count.0),
        max_heads: raw.max_heads.value().map(|count| count.0),
        pass_time: raw.pass_time.value(),
        concurrent_passes: small(raw.concurrent_passes),
    }
}
