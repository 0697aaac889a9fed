//! Configuration: bytes → raw structures → model values, with all faults of a file at once.
//!
//! Owns the grammar of `.tagboat.yaml` ([`repository::parse`]) and of `service.yaml`
//! ([`service::parse`]), the JSON schemas of both ([`schema::schema`]), and the one door to
//! environment variables ([`environment::Environment`]). A raw structure is declared once, by
//! `object!`: that declaration is both its reader and its schema. Reads no file and opens no
//! connection: callers bring bytes, and secrets are only ever named here, by path or by variable.

pub mod environment;
pub mod fault;
pub mod holds;
mod object;
mod reader;
pub mod repository;
mod scalars;
pub mod schema;
pub mod service;
mod shapes;
mod yaml;

pub(crate) use crate::config::reader::closest;
