//! The program is killed after each single write of each story, and run again: it ends where an undisturbed one ends.

use std::process::Child;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use crate::program::life::{Life, Place, Story, stories};
use crate::support::gate::{Waiting, When};

/// How often is looked whether a run is over, while it is waited for a write.
const LOOK: Duration = Duration::from_millis(5);

/// Waits until a write is held at the gate; `None` when the program ends with fewer.
pub(super) fn wait_for(told: &Receiver<Waiting>, child: &mut Child) -> Option<Waiting> {
    loop {
        match told.recv_timeout(LOOK) {
            Ok(waiting) => return Some(waiting),
            // What it wrote last is told before it ends.
            Err(_) if child.try_wait().unwrap().is_some() => return told.try_recv().ok(),
            Err(_) => {}
        }
    }
}

impl Life {
    /// Runs until the `nth` write is done, and kills the program there; `None` when it ends with fewer.
    fn kill_after(&self, nth: usize) -> Option<String> {
        let told = self.gate.arm(nth, When::After);
        let mut child = self.start("cache");
        let waiting = wait_for(&told, &mut child)?;
        child.kill().unwrap();
        child.wait().unwrap();
        let what = waiting.what.clone();
        // Only now, so that nothing of the answer is seen.
        waiting.break_off();
        Some(what)
    }
}

fn tell(place: Place, story: &Story) {
    Life::tell(place, story, |life, before, ends_well| {
        for nth in 1.. {
            life.restore(before);
            let Some(what) = life.kill_after(nth) else { break };
            ends_well(&format!("killed after {what}"));
        }
    });
}

stories! {
    super::tell;
    opened_renewed_and_closed OPENED_RENEWED_AND_CLOSED
    merged_once_its_gates_open MERGED_ONCE_ITS_GATES_OPEN
    two_merged_at_once TWO_MERGED_AT_ONCE
    refused_until_something_newer_comes REFUSED_UNTIL_SOMETHING_NEWER_COMES
    tried_again_by_a_label TRIED_AGAIN_BY_A_LABEL
    left_to_whoever_pushed LEFT_TO_WHOEVER_PUSHED
    made_anew_by_a_label MADE_ANEW_BY_A_LABEL
    made_anew_before_its_merge MADE_ANEW_BEFORE_ITS_MERGE
    put_into_the_queue PUT_INTO_THE_QUEUE
    merged_by_the_forge_or_taken_back MERGED_BY_THE_FORGE_OR_TAKEN_BACK
    signed_by_the_forge SIGNED_BY_THE_FORGE
    refused_whatever_changes_around_it REFUSED_WHATEVER_CHANGES_AROUND_IT
    taken_up_under_its_old_name TAKEN_UP_UNDER_ITS_OLD_NAME
    moved_to_another_branch MOVED_TO_ANOTHER_BRANCH
    goes_on_after_a_squash GOES_ON_AFTER_A_SQUASH
    merged_though_it_was_ordered MERGED_THOUGH_IT_WAS_ORDERED
    replaced_by_a_group REPLACED_BY_A_GROUP
    rolled_back_by_order ROLLED_BACK_BY_ORDER
    promoted_by_order PROMOTED_BY_ORDER
    proposed_to_be_held PROPOSED_TO_BE_HELD
    held_anew_on_a_base_that_moved HELD_ANEW_ON_A_BASE_THAT_MOVED
    held_by_the_base_in_the_end HELD_BY_THE_BASE_IN_THE_END
    returned_onto_a_protected_base RETURNED_ONTO_A_PROTECTED_BASE
    rolled_back_on_a_branch_of_its_own ROLLED_BACK_ON_A_BRANCH_OF_ITS_OWN
    closed_with_its_environment CLOSED_WITH_ITS_ENVIRONMENT
    refused_and_then_committed REFUSED_AND_THEN_COMMITTED
}
