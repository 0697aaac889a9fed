//! Tagboat tows new container images into Git.
//!
//! `ls src` is the architecture: the nouns (`model`), the outside systems (`registry`, `git`, `forge`),
//! the five stages in pipeline order (`observe`, `decide`, `promote`, `edit`, `publish`), the pass that
//! joins them, and the faces. ARCHITECTURE.md holds the table of who may import whom.
//!
//! The library exists for the binary and the tests; its API promises nothing to others.

pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod cores;
pub mod decide;
pub mod demo;
pub mod edit;
pub mod forge;
pub mod git;
pub mod http;
pub mod manifest;
pub mod migrate;
pub mod model;
pub mod observe;
pub mod pass;
pub mod policy;
pub mod promote;
pub mod publish;
pub mod queue;
pub mod registry;
pub mod report;
pub mod service;
pub mod signature;
pub mod source;
