//! Deciding: ranges, families, facts, and what is chosen from real tag lists.

mod ranges;
