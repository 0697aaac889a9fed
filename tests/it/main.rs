//! The integration tests: one binary, one module a subject.

mod support;

mod config;
mod decide;
mod git;
mod layers;
mod manifest;
mod registry;
mod report;
