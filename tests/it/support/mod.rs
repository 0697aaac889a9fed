//! What the tests stand on: stateful fakes that speak the real protocols, and scratch repositories.

pub(crate) mod authority;
pub(crate) mod cloud;
pub(crate) mod forge;
pub(crate) mod gate;
pub(crate) mod git_server;
pub(crate) mod memory;
pub(crate) mod nats_server;
pub(crate) mod passes;
pub(crate) mod proxy;
pub(crate) mod receiver;
pub(crate) mod registry;
pub(crate) mod repository;
pub(crate) mod scripted;
pub(crate) mod signer;
pub(crate) mod sources;
pub(crate) mod ssh_server;
pub(crate) mod tls_front;
