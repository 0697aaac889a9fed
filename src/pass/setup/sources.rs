//! The operator's sources: from the words of `service.yaml` to what gates may ask.

use std::sync::Arc;

use crate::clock::{PassEnd, SystemClock};
use crate::config::environment::Environment;
use crate::config::service::{self, Service, SourceAuth, SourceKind};
use crate::pass::setup::{pass_end, secret};
use crate::pass::transport;
use crate::source::{Credential, Kind, SourceSettings, Sources};

/// Returns what gates may ask. A secret that cannot be had fails when its source is asked.
pub fn sources(service: &Service, environment: &Environment) -> Sources {
    sources_until(pass_end(service), service, environment)
}

/// As [`sources`], for a pass that ends so.
pub(in crate::pass) fn sources_until(ends: PassEnd, service: &Service, environment: &Environment) -> Sources {
    let clock = Arc::new(SystemClock);
    if service.file.is_empty() {
        return Sources::none("no operator's file is read, which names it: `--service FILE`", clock);
    }
    let settings = service.sources.iter().map(|source| settings(source, service, environment)).collect();
    Sources::new(settings, transport::proxies(environment), clock).until(ends)
}

fn settings(source: &service::Source, service: &Service, environment: &Environment) -> SourceSettings {
    let (kind, url) = match &source.kind {
        SourceKind::Prometheus(url) => (Kind::Prometheus, url.clone()),
        SourceKind::Http(url) => (Kind::Http, url.clone()),
    };
    let read = |place| secret(place, service, environment).map_err(|error| error.to_string());
    let credential = match &source.auth {
        None => Ok(None),
        Some(SourceAuth::Token(place)) => read(place).map(|token| Some(Credential::Token(token))),
        Some(SourceAuth::Basic(basic)) => {
            read(&basic.password).map(|password| Some(Credential::Basic { user: basic.username.clone(), password }))
        }
    };
    let ca_file = source.ca_file.as_ref().map(|file| service.resolve(file));
    SourceSettings { name: source.name.clone(), kind, url, credential, ca_file }
}
