//! Forges: the life of a pull request on each, by its real client against a stateful fake.

mod beside;
mod denied;
mod described;
mod gates;
mod gitea;
mod github;
mod gitlab;
mod glances;
mod moving;
mod scenarios;
mod shown;
mod turns;
