//! What the tests stand on: stateful fakes that speak the real protocols, and scratch repositories.

pub(crate) mod forge;
pub(crate) mod git_server;
pub(crate) mod memory;
pub(crate) mod registry;
pub(crate) mod repository;
