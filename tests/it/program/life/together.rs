//! Two programs on one repository: the one stands still before each of its writes in turn, while the other runs to its end.

use crate::program::life::killed::wait_for;
use crate::program::life::{Life, Place, Story, stories};
use crate::support::gate::When;

fn tell(place: Place, story: &Story) {
    Life::tell(place, story, |life, before, ends_well| {
        for nth in 1.. {
            life.restore(before);
            let told = life.gate.arm(nth, When::Before);
            let mut first = life.start("cache");
            let Some(waiting) = wait_for(&told, &mut first) else { break };
            let what = waiting.what.clone();
            // It has a mirror of its own, or shares that of the other.
            let cache = if nth % 2 == 0 { "cache" } else { "another" };
            life.start(cache).wait().unwrap();
            waiting.let_go();
            first.wait().unwrap();
            ends_well(&format!("another one ran before {what}"));
        }
    });
}

stories! {
    super::tell;
    open_renew_and_close_one OPENED_RENEWED_AND_CLOSED
    merge_one_once_its_gates_open MERGED_ONCE_ITS_GATES_OPEN
    merge_two_at_once TWO_MERGED_AT_ONCE
    leave_it_to_whoever_pushed LEFT_TO_WHOEVER_PUSHED
    try_one_again TRIED_AGAIN_BY_A_LABEL
    make_signed_ones SIGNED_BY_THE_FORGE
    let_the_forge_merge MERGED_BY_THE_FORGE_OR_TAKEN_BACK
    propose_to_hold PROPOSED_TO_BE_HELD
    hold_anew_on_a_base_that_moved HELD_ANEW_ON_A_BASE_THAT_MOVED
    return_onto_a_protected_base RETURNED_ONTO_A_PROTECTED_BASE
}
