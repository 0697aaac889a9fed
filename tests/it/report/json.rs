//! The JSON: names, order, nulls and shapes of the contract.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tagboat::model::decision::{Reason, Verdict};
use tagboat::model::outcome::{Outcome, ScanOutcome};
use tagboat::model::usage::{RegistryUsage, ToldLimit, Usage};
use tagboat::report::text::Occasion;
use tagboat::report::{github, json};

use super::made::{self, text};

fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn scan_has_every_field_of_the_contract_in_its_order() {
    let written = text(|out| json::scan(&made::scan(), out));
    let first = written.lines().nth(1).unwrap();
    assert_eq!(
        first,
        r#"{"file":"envs/dev/web.yaml","line":12,"column":34,"bytes":[312,317],"format":"kubernetes","#.to_owned()
            + r#""image":"ghcr.io/acme/web","tag":"1.4.0","digest":null,"environment":"dev","#
            + r#""policy":"semver >=1.4.0 <2.0.0","skipped":null},"#
    );
    let parsed = parse(&written);
    assert_eq!(
        parsed["references"][2],
        json!({"file": "envs/dev/job.yaml", "line": 9, "column": 34, "bytes": [0, 0], "format": "kubernetes",
            "image": "ghcr.io/acme/job:${TAG}", "tag": null, "digest": null, "environment": null, "policy": null,
            "skipped": "holds the variable ${TAG}"})
    );
    assert_eq!(parsed["passedOver"][3], json!({"file": "secrets.enc.yaml", "reason": "encrypted with SOPS"}));
    assert_eq!(parsed["errors"], json!([]));
}

#[test]
fn a_pull_request_that_waits_has_its_reason() {
    let parsed = parse(&text(|out| json::outcome(&made::waiting(), out)));
    let reasons: Vec<&Json> = parsed["proposals"].as_array().unwrap().iter().map(|row| &row["reason"]).collect();
    assert_eq!(reasons[0], "checks failed: build (cancelled)");
    assert_eq!((reasons[3], reasons[4]), (&Json::Null, &json!("somebody has to merge it")), "the gates say it");
    assert_eq!((reasons[5], reasons[6]), (&json!("it has the label `tagboat/hold`"), &Json::Null));
}

#[test]
fn outputs_and_summary_tell_what_waits_and_for_what() {
    let waiting = made::waiting();
    let outputs = github::outputs(&waiting, Occasion::Run).0;
    let of = |name: &str| parse(&outputs.iter().find(|(other, _)| *other == name).unwrap().1);
    let rows = of("waiting");
    let told: Vec<&Json> = rows.as_array().unwrap().iter().map(|row| &row["reason"]).collect();
    assert_eq!(told.len(), 5, "what a person holds and what is queued waits for nothing else: {told:?}");
    assert_eq!((told[0], told[4]), (&json!("checks failed: build (cancelled)"), &json!("somebody has to merge it")));
    assert_eq!(rows[1]["url"], "https://git.acme.example/acme/gitops/pulls/2");
    assert_eq!(of("pull-requests")[0]["reason"], "checks failed: build (cancelled)");
    let summary = github::summary(&waiting, Occasion::Run);
    let row = "| `prod` | `ghcr.io-acme-web` | being merged | required checks have not reported: e2e |";
    assert!(summary.contains(row), "{summary}");
    assert!(summary.contains("| being merged | somebody has to merge it |"), "{summary}");
}

#[test]
fn outcome_has_every_field_of_the_contract() {
    let mut outcome = made::outcome();
    outcome.changes.truncate(1);
    outcome.changes[0].to = made::pinned("1.5.0");
    outcome.decisions.truncate(1);
    let parsed = parse(&text(|out| json::outcome(&outcome, out)));
    let until = "2026-11-21T09:00:00Z";
    assert_eq!(
        parsed,
        json!({
            "changes": [{"file": "envs/dev/a/web.yaml", "line": 12, "column": 34, "bytes": [312, 317],
                "replaces": "1.4.0", "with": "1.5.0", "environment": "dev", "group": "ghcr.io-acme-web",
                "image": "ghcr.io/acme/web", "from": {"tag": "1.4.0", "digest": null},
                "to": {"tag": "1.5.0", "digest": made::DIGEST}, "step": "minor"}],
            "decisions": [{"image": "ghcr.io/acme/web", "environment": "dev", "current": "1.4.0", "chosen": "1.5.0",
                "rejected": [{"tag": "latest", "reason": "not a version"}, {"tag": "1.4.0", "reason": "in use"},
                    {"tag": "2.0.0", "reason": "out of range"}]}],
            "proposals": [
                {"environment": "dev", "group": "ghcr.io-acme-web", "publish": "commit", "branch": null, "url": null,
                    "action": "committed", "reason": null, "gates": []},
                {"environment": "prod", "group": "ghcr.io-acme-web", "publish": "commit", "branch": null, "url": null,
                    "action": "waiting", "reason": null, "gates": [
                        {"gate": "checks", "state": "pass", "until": null, "reason": null,
                         "facts": "argocd/staging: success on commit 0a1b2c3d4e in staging"},
                        {"gate": "soak", "state": "wait", "until": until, "reason": "in staging for 3 h of 24 h", "facts": null},
                        {"gate": "approvals", "state": "wait", "until": null, "reason": "0 of 1", "facts": null},
                        {"gate": "query", "state": "fail", "until": null, "reason": "0.2 is not < 0.01", "facts": null}]}],
            "skipped": [{"what": "docker.io/library/redis", "reason": "not in the snapshot"}],
            "errors": [{"what": "ghcr.io/acme/api", "reason": "the registry answered 503; try again later"},
                {"what": "envs/dev/x.yaml", "file": "envs/dev/x.yaml", "line": 3, "column": 4,
                    "reason": "the tag stands in an alias"}],
        })
    );
}

#[test]
fn outcome_keeps_the_order_of_fields_and_one_row_a_line() {
    let written = text(|out| json::outcome(&made::outcome(), out));
    let starts: Vec<&str> = written.lines().map(|line| &line[..line.len().min(13)]).collect();
    let order = ["{\"changes\":[", "],", "\"decisions\":[", "\"proposals\":[", "\"skipped\":[", "\"errors\":[", "]}"];
    let mut search = starts.iter();
    for expected in order {
        let is_there = search.any(|line| line.starts_with(&expected[..expected.len().min(13)]));
        assert!(is_there, "{expected} in {starts:?}");
    }
    assert_eq!(written.lines().filter(|line| line.starts_with("{\"file\"")).count(), 4);
    assert_eq!(written.lines().filter(|line| line.starts_with("{\"image\"")).count(), 2);
}

#[test]
fn nothing_better_is_null() {
    let mut outcome = made::outcome();
    outcome.decisions.remove(0);
    outcome.decisions[0].question.current = Default::default();
    let parsed = parse(&text(|out| json::outcome(&outcome, out)));
    assert_eq!(parsed["decisions"][0]["chosen"], Json::Null);
    assert_eq!(parsed["decisions"][0]["current"], Json::Null);
}

#[test]
fn empty_outcomes_have_every_list() {
    let empty = json!({"changes": [], "decisions": [], "proposals": [], "skipped": [], "errors": []});
    assert_eq!(parse(&text(|out| json::outcome(&Outcome::default(), out))), empty);
    let empty = json!({"references": [], "passedOver": [], "errors": []});
    assert_eq!(parse(&text(|out| json::scan(&ScanOutcome::default(), out))), empty);
    let nothing = text(|out| json::explain(&[], &Default::default(), &Default::default(), &[], out));
    assert_eq!(parse(&nothing), json!({"explanations": [], "asked": [], "errors": []}));
    assert_eq!(parse(&text(|out| json::check(&[], out))), json!({"findings": []}));
}

#[test]
fn explain_names_every_tag_with_its_state() {
    let images = made::outcome().images;
    let parsed = parse(&text(|out| json::explain(&[made::explanation()], &images, &Default::default(), &[], out)));
    let explanation = &parsed["explanations"][0];
    assert_eq!(
        explanation["candidates"],
        json!([
            {"tag": "latest", "state": "rejected", "reason": "not a version"},
            {"tag": "1.4.0", "state": "current", "reason": "in use"},
            {"tag": "2.0.0", "state": "rejected", "reason": "out of range"},
            {"tag": "1.5.0", "state": "chosen", "reason": "best that semver minor allows"},
        ])
    );
    assert_eq!(explanation["earliest"], "2026-11-21T09:00:00Z");
    assert_eq!(explanation["gates"].as_array().unwrap().len(), 4);
    assert_eq!(explanation["environment"], "dev");
}

#[test]
fn explain_tells_what_registries_were_asked() {
    let limit = Some(ToldLimit { limit: Some(100), remaining: 76, window: Some(Duration::from_secs(21_600)) });
    let waited = Duration::from_millis(3250);
    let usage = RegistryUsage { lists: 2, heads: 1, bytes: 4096, waited, limit, ..RegistryUsage::default() };
    let usage = Usage([("ghcr.io".to_owned(), usage)].into());
    let parsed = parse(&text(|out| json::explain(&[], &Default::default(), &usage, &[], out)));
    let expected = json!([{
        "registry": "ghcr.io", "lists": 2, "heads": 1, "manifests": 0, "blobs": 0, "tokens": 0, "others": 0, "cached": 0,
        "throttled": 0, "retries": 0, "bytes": 4096, "waited": 3.25,
        "limit": {"limit": 100, "remaining": 76, "window": 21600},
    }]);
    assert_eq!(parsed["asked"], expected);
}

#[test]
fn a_chosen_tag_outside_of_the_list_is_still_a_candidate() {
    let images = [(made::name("ghcr.io/acme/web"), made::tags(&["latest"]))].into();
    let parsed = parse(&text(|out| json::explain(&[made::explanation()], &images, &Default::default(), &[], out)));
    assert_eq!(parsed["explanations"][0]["candidates"][0]["tag"], "1.5.0");
    assert_eq!(parsed["explanations"][0]["candidates"].as_array().unwrap().len(), 2);
}

#[test]
fn check_has_every_field_of_the_contract() {
    let parsed = parse(&text(|out| json::check(&made::findings(), out)));
    assert_eq!(
        parsed["findings"],
        json!([
            {"severity": "error", "rule": "unknown-policy",
                "message": "the marker names the policy `semverr`, which does not exist",
                "hint": "did you mean `semver`?", "file": "envs/dev/web.yaml", "line": 12, "column": 34},
            {"severity": "warning", "rule": "unmatched-rule", "message": "the rule matches no image", "hint": null,
                "file": null, "line": null, "column": null},
        ])
    );
}

/// Counts what is written at once, as a writer that must not be handed everything in one piece.
#[derive(Default)]
struct Largest {
    piece: usize,
    text: Vec<u8>,
}

impl std::io::Write for Largest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.piece = self.piece.max(bytes.len());
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_decision_with_many_tags_is_handed_on_in_pieces() {
    let names: Vec<String> = (0..20_000).map(|number| format!("1.{number}.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let until = "2026-11-21T09:00:00Z".parse().unwrap();
    let kinds = [
        Reason::OutOfRange,
        Reason::TooYoung { until, untold: None },
        Reason::Unknown("no \"digest\"\n".into()),
        Reason::Held("for a while".into()),
    ];
    let reasons: Vec<Reason> = kinds.iter().cycle().take(names.len()).cloned().collect();
    let image = "ghcr.io/acme/web";
    let decisions = vec![made::decision(image, "dev", "1.0.0", Verdict::Keep, &reasons)];
    let images = [(made::name(image), made::tags(&names))].into();
    let mut largest = Largest::default();
    json::outcome(&Outcome { decisions, images, ..Outcome::default() }, &mut largest).unwrap();
    assert!(largest.piece < 100_000, "{} bytes at once", largest.piece);
    let parsed = parse(std::str::from_utf8(&largest.text).unwrap());
    let rows = parsed["decisions"][0]["rejected"].as_array().unwrap();
    assert_eq!(rows.len(), names.len());
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(*row, json!({"tag": names[index], "reason": reasons[index].to_string()}));
    }
}

#[test]
fn a_writer_that_fails_is_an_error() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = json::scan(&made::scan(), &mut Full).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}
