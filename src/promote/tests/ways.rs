//! Which way counts where one environment before is enough.

use super::*;

/// What comes to an environment by either of two ways, of which one runs 1.2.0 and the other another version, since so many hours.
fn by_ways(gates: Vec<GateSpec>, publish: Publish, [eu, us]: [(&str, i64); 2], approvals: Option<u32>) -> Proposal {
    let mut prod = environment("prod", &["eu", "us"], publish);
    (prod.after_any, prod.gates) = (true, gates);
    let first = |name| environment(name, &[], Publish::Commit);
    let environments = Environments(vec![first("eu"), first("us"), prod]);
    let decisions = [decision(WEB, "eu", eu.0), decision(WEB, "us", us.0), decision(WEB, "prod", "1.0.0")].to_vec();
    let mut observation = observation(&[WEB]);
    observation.now = timeline(&[]).oldest + jiff::SignedDuration::from_hours(6);
    for (name, (version, came)) in [("eu", eu), ("us", us)] {
        let past = Past { timeline: Some(timeline(&[("1.0.0", 0), (version, came)])), ..Past::default() };
        observation.pasts.insert((name.into(), WEB.parse().unwrap()), Ok(past));
    }
    if let Some(count) = approvals {
        let key = ("prod".into(), "ghcr.io-acme-web".to_owned());
        observation.approvals.insert(key, Ok(crate::model::pull_request::Approvals { head: None, count }));
    }
    let promoted = promote(&observation, decisions, &environments, &Groups::default());
    promoted.proposals.into_iter().find(|proposal| proposal.environment == "prod".into()).unwrap()
}

fn soak() -> GateSpec {
    GateSpec::Soak { time: jiff::SignedDuration::from_hours(2), count: SoakCount::Running }
}

#[test]
fn of_several_ways_the_one_that_is_open_is_taken() {
    let at = |eu: i64, us: i64| {
        let own = by_ways(vec![soak()], Publish::Commit, [("1.2.0", eu), ("1.2.0", us)], None);
        let hour = |moment: Timestamp| moment.to_zoned(jiff::tz::TimeZone::UTC).hour();
        (own.action.as_str(), own.earliest.map(hour))
    };
    assert_eq!((at(1, 5), at(5, 1)), (("committed", None), ("committed", None)));
    // None is open: the one that opens first.
    assert_eq!((at(5, 6), at(6, 5)), (("waiting", Some(7)), ("waiting", Some(7))));
}

#[test]
fn approvals_turn_no_pull_request_into_what_another_way_brings() {
    let brings = |eu: i64, us: i64, approvals: Option<u32>| {
        let gates = vec![soak(), GateSpec::Approvals(1)];
        let own = by_ways(gates, Publish::AutoMerge, [("1.3.0", eu), ("1.2.0", us)], approvals);
        own.moves[0].to.tag.as_ref().unwrap().to_string()
    };
    for approvals in [None, Some(0), Some(1)] {
        // Whoever has approved one head has not approved the other one.
        assert_eq!(brings(5, 1, approvals), "1.2.0", "{approvals:?}");
        assert_eq!(brings(6, 5, approvals), "1.2.0", "{approvals:?}");
        assert_eq!(brings(1, 2, approvals), "1.3.0", "{approvals:?}");
    }
}
