//! Deciding: ranges, families, facts, and what is chosen from real tag lists.

mod again;
mod choices;
mod early;
mod facts;
mod properties;
mod ranges;
mod rules;
mod signatures;
mod world;
