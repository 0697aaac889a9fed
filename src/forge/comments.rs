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
    let made = match comments.write(pull_request, text).await {
        Ok(made) => made,
        Err(lost @ ForgeError::Later { after: None, .. }) => {
            // It may stand all the same, behind the one of another Tagboat that has noted that this was said: nobody else takes it back.
            let said = comments.said(pull_request).await.unwrap_or_default();
            let mut same: Vec<u64> = said.iter().filter(|said| is_it(said)).map(|said| said.id).collect();
            same.sort_unstable();
            for later in same.into_iter().skip(1) {
                comments.remove(pull_request, later).await?;
            }
            return Err(lost);
        }
        Err(error) => return Err(error),
    };
    // Another Tagboat may have said the same meanwhile: of several the first one stays.
    if comments.said(pull_request).await?.iter().any(|said| said.id < made && is_it(said)) {
        comments.remove(pull_request, made).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use super::*;
    use crate::model::commit::CommitId;
    use crate::model::environment::BranchName;
    use crate::model::pull_request::{Number, State};

    const TEXT: &str = "it is theirs";

    /// Comments where another Tagboat says the same between a look and the writing, whose answer is lost.
    #[derive(Default)]
    struct Raced {
        said: Mutex<Vec<(u64, String)>>,
        is_written: bool,
    }

    impl Comments for Raced {
        fn said<'a>(&'a self, _: &'a PullRequest) -> Asked<'a, Vec<Comment>> {
            let said = self.said.lock().unwrap().clone();
            let said = said.into_iter().rev().map(|(id, text)| Comment { id, text }).collect();
            Box::pin(std::future::ready(Ok(said)))
        }

        fn write<'a>(&'a self, _: &'a PullRequest, text: &'a str) -> Asked<'a, u64> {
            let mut said = self.said.lock().unwrap();
            said.extend([(7, text.to_owned()), (8, "something else".to_owned())]);
            if self.is_written {
                said.push((9, text.to_owned()));
            }
            let lost = ForgeError::Later { after: None, reason: "the answer was lost".to_owned() };
            Box::pin(std::future::ready(Err(lost)))
        }

        fn remove<'a>(&'a self, _: &'a PullRequest, id: u64) -> Asked<'a, ()> {
            self.said.lock().unwrap().retain(|(other, _)| *other != id);
            Box::pin(std::future::ready(Ok(())))
        }
    }

    #[tokio::test]
    async fn a_comment_whose_answer_was_lost_does_not_stand_beside_the_same_of_another() {
        let pull_request = PullRequest {
            number: Number(1),
            url: String::new(),
            state: State::Open,
            head: BranchName::from("tagboat/prod/web"),
            commit: CommitId("c".repeat(40).into()),
            base: BranchName::from("main"),
            title: String::new(),
            body: String::new(),
            marker: None,
            labels: BTreeSet::new(),
            is_draft: false,
            is_armed: false,
            told: None,
        };
        for is_written in [true, false] {
            let raced = Raced { is_written, ..Raced::default() };
            let told = say_once(&raced, &pull_request, TEXT).await;
            assert!(matches!(told, Err(ForgeError::Later { .. })), "{told:?}");
            let left: Vec<u64> = raced.said.lock().unwrap().iter().map(|(id, _)| *id).collect();
            assert_eq!(left, [7, 8]);
        }
    }
}
