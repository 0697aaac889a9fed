//! Forges: the life of a pull request on each, by its real client against a stateful fake.
#![allow(dead_code, unused_imports, unused_macros, reason = "the forges that live by the scenarios come next")]

mod scenarios;
