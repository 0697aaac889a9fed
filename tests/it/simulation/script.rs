//! What happens in a simulation, drawn from a seed before it begins: so events can be left out, and the rest stays the same.

use fastrand::Rng;

use super::acts::{Act, Ambush};
use super::around;
use super::moving;
use super::session::{Fault, KINDS};
use super::setting::Setting;
use super::upstream;

/// A pass: its faults, its clock, and what people do while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PassSpec {
    pub(super) seed: u64,
    pub(super) fault: Fault,
    /// By how many minutes its clock is wrong.
    pub(super) skew: i32,
    pub(super) meanwhile: Vec<(usize, Act)>,
    /// What somebody does to a head branch right before a call about it, and how many such calls come first.
    pub(super) ambush: Option<(usize, Ambush)>,
}

/// What a person orders of Tagboat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Hold,
    Release,
    Rollback {
        is_group: bool,
    },
    /// With the gates that are skipped, each by its bit.
    Promote {
        at_once: bool,
        skips: u8,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Act(Act),
    Pass(PassSpec),
    /// Two passes at once, their calls in an order that the seed draws.
    Twins(PassSpec, PassSpec, u64),
    Order {
        order: Order,
        environment: usize,
        image: usize,
        nth: usize,
        spec: PassSpec,
    },
}

/// All of a simulation.
#[derive(Debug, Clone)]
pub(super) struct Script {
    pub(super) seed: u64,
    pub(super) setting: Setting,
    pub(super) events: Vec<Event>,
}

impl Script {
    pub(super) fn draw(seed: u64) -> Self {
        // Neighbouring seeds shall have nothing in common.
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7461_6762_6f61_7421);
        let setting = Setting::draw(&mut rng);
        let count = rng.usize(8..48);
        let is_rough = rng.u8(..4) > 0;
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            events.push(match rng.u8(..100) {
                0..=61 => Event::Act(Act::draw(&mut rng)),
                62..=65 => Event::Order {
                    order: match rng.u8(..6) {
                        0 => Order::Hold,
                        1 => Order::Release,
                        2 | 3 => Order::Rollback { is_group: rng.bool() },
                        _ => {
                            Order::Promote { at_once: rng.bool(), skips: if rng.bool() { u8::MAX } else { rng.u8(..) } }
                        }
                    },
                    environment: rng.usize(..8),
                    image: rng.usize(..8),
                    nth: rng.usize(..64),
                    spec: PassSpec::draw(&mut rng, is_rough),
                },
                66..=69 => {
                    let (one, other) = (PassSpec::draw(&mut rng, is_rough), PassSpec::draw(&mut rng, is_rough));
                    Event::Twins(one, other, rng.u64(..))
                }
                _ => Event::Pass(PassSpec::draw(&mut rng, is_rough)),
            });
        }
        let mut script = Self { seed, setting, events };
        script.draw_upstream();
        script.draw_around();
        script.draw_proposed_holds();
        script.draw_moving();
        script
    }

    /// Puts another repository before the first environment, in one of six worlds; the stories of the others stay as they are.
    fn draw_upstream(&mut self) {
        let mut rng = Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x7570_7374_7265_616d);
        if rng.u8(..6) > 0 {
            return;
        }
        self.setting.upstream = Some(upstream::Drawn::draw(&mut rng));
        for _ in 0..rng.usize(4..16) {
            let at = rng.usize(..=self.events.len());
            self.events.insert(at, Event::Act(Act::Upstream(upstream::Deed::draw(&mut rng))));
        }
    }
}

impl Script {
    /// Lets the base require statuses, and people call head branches otherwise or squash them, in one of five worlds.
    fn draw_around(&mut self) {
        let mut rng = Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6172_6f75_6e64_2121);
        if rng.u8(..5) > 0 {
            return;
        }
        if self.setting.forge.is_some() {
            self.setting.around = around::Drawn::draw(&mut rng);
        }
        // Under which names something was refused before, only the cache knows where no listing tells of it; here is none.
        if let Some(forge) = &mut self.setting.forge {
            forge.told_closed = 100;
        }
        for _ in 0..rng.usize(1..8) {
            let at = rng.usize(..=self.events.len());
            self.events.insert(at, Event::Act(Act::Around(around::Deed::draw(&mut rng))));
        }
    }
}

impl Script {
    /// Lets an image follow a moving tag, in one of four worlds.
    fn draw_moving(&mut self) {
        let mut rng = Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x6d6f_7669_6e67_2121);
        if rng.u8(..4) == 0 && moving::fits(&self.setting) {
            self.setting.has_moving = true;
            moving::draw(&mut rng, &mut self.events);
        }
    }

    /// Lets people hold what has just been built while the base takes no push, in one of six worlds: so it is only proposed to
    /// be held when the next pass comes.
    fn draw_proposed_holds(&mut self) {
        let mut rng = Rng::with_seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x686f_6c64_735f_5f31);
        if rng.u8(..6) > 0 {
            return;
        }
        for _ in 0..rng.usize(2..6) {
            let (environment, image) = (rng.usize(..8), rng.usize(..8));
            let build = Act::Build { image, kind: rng.u8(..13), together: rng.bool() };
            let order =
                Event::Order { order: Order::Hold, environment, image, nth: rng.usize(..64), spec: PassSpec::clean() };
            let own = [
                Event::Act(build),
                Event::Act(Act::Protect(true)),
                order,
                Event::Act(Act::Protect(false)),
                Event::Pass(PassSpec::draw(&mut rng, false)),
            ];
            let at = rng.usize(..=self.events.len());
            drop(self.events.splice(at..at, own));
        }
    }
}

impl PassSpec {
    pub(super) fn clean() -> Self {
        Self { seed: 0, fault: Fault::Nothing, skew: 0, meanwhile: Vec::new(), ambush: None }
    }

    fn draw(rng: &mut Rng, is_rough: bool) -> Self {
        let fault = match rng.u8(..10) {
            _ if !is_rough => Fault::Nothing,
            0..=3 => Fault::Nothing,
            4 => Fault::Outage(rng.usize(..KINDS.len())),
            5..=6 => Fault::Random(rng.choice([3, 10, 30]).expect("there are some")),
            _ => Fault::Crash { at: rng.usize(1..60), is_done: rng.bool() },
        };
        let skew = if is_rough && rng.u8(..12) == 0 { rng.i32(-3000..3000) } else { 0 };
        let count = if is_rough && rng.u8(..3) == 0 { rng.usize(1..5) } else { 0 };
        let meanwhile = (0..count).map(|_| (rng.usize(1..60), Act::draw_for_a_race(rng))).collect();
        let ambush = (is_rough && rng.u8(..4) == 0).then(|| (rng.usize(..8), Ambush::draw(rng)));
        Self { seed: rng.u64(..), fault, skew, meanwhile, ambush }
    }
}
