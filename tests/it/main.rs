//! The integration tests: one binary, one module a subject.
#![expect(clippy::unwrap_used, reason = "a test, and what it stands on, stops at the first surprise")]

mod bodies;
mod support;

mod asking;
mod branching;
mod cache;
mod carried;
mod config;
mod counterparts;
mod decide;
mod documents;
mod forge;
mod git;
mod history;
mod layers;
mod manifest;
mod moved;
mod moving;
mod observe;
mod ordering;
mod pass;
mod phrases;
mod program;
mod promotion;
mod proposing;
mod refusals;
mod registry;
mod report;
mod samples;
mod signature;
mod simulation;
mod taken_back;
mod together;
mod unasked;
mod wayin;
