//! Comments, written once however often that is begun anew, and by however many at a time.
//!
//! Entry point: [`say_once`]. How a forge lists, writes and removes them is its own.

use crate::forge::{Asked, ForgeError};
use crate::model::pull_request::PullRequest;

/// A comment that somebody wrote.
pub(super) struct Comment {
    /// Its number: a later one has a larger one.
    pub(super) id: u64,
    /// What it says.
    pub(super) text: String,
}

/// Where comments are kept.
pub(super) trait Comments: Sync {
    /// Lists those on a pull request, the newest at least.
    fn said<'a>(&'a self, pull_request: &'a PullRequest) -> Asked<'a, Vec<Comment>>;

    /// Writes one, and returns its number.
    fn write<'a>(&'a self, pull_request: &'a PullRequest, text: &'a str) -> Asked<'a, u64>;

    /// Removes one.
    fn remove<'a>(&'a self, pull_request: &'a PullRequest, id: u64) -> Asked<'a, ()>;
}

/// Comments, unless that was said already.
pub(super) async fn say_once(
    comments: &dyn Comments,
    pull_request: &PullRequest,
    text: &str,
) -> Result<(), ForgeError> {
    let is_it = |said: &Comment| said.text.trim() == text.trim();
    if comments.said(pull_request).await?.iter().any(is_it) {
        return Ok(());
    }
    let made = comments.write(pull_request, text).await?;
    // Another Tagboat may have said the same meanwhile: of several the first one stays.
    if comments.said(pull_request).await?.iter().any(|said| said.id < made && is_it(said)) {
        comments.remove(pull_request, made).await?;
    }
    Ok(())
}
