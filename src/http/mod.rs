//! The shared HTTP client: time limits, bounded bodies, retries, `Retry-After`, redirects that carry no secret away.
//!
//! The entry point is [`client::HttpClient::send`]. It follows no challenge and knows no credential: whoever
//! calls it sets the headers. How each host is connected to is [`connection::Connections`]'s. Plain HTTP goes to loopback hosts, and to others only where the call says so.

pub mod body;
pub mod client;
pub mod connection;
pub mod echo;
pub mod error;
pub mod proxy;
pub mod retry;
pub mod target;

#[cfg(test)]
mod tests;
