//! What the tests stand on: stateful fakes that speak the real protocols, and scratch repositories.

pub mod memory;
pub mod registry;
pub mod repository;
