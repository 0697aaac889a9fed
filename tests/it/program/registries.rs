//! Registries that misbehave: each is a row in `errors`, in bounded time and memory, and the rest goes on.

use crate::program::{Ran, World, contents};
use crate::support::registry::{Auth, BodyFault, FakeRegistry, LinkStyle};

/// A world whose tree has an image of its good registry and one of a bad registry, of which `service` is said.
struct Scene {
    world: World,
    bad: FakeRegistry,
}

impl Scene {
    fn new() -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let bad = FakeRegistry::launch();
        ["1.0.0", "1.1.0", "1.2.0"].iter().for_each(|tag| drop(bad.push("acme/api", tag, "2026-11-01T08:00:00Z")));
        world.write("web.yaml", world.deployment("acme/web:1.4.0"));
        world.write("api.yaml", crate::program::deployment(&format!("{}/acme/api:1.0.0", bad.host())));
        Self { world, bad }
    }

    /// Plans, and returns the one error's reason; the good registry's image has to be decided all the same.
    #[track_caller]
    fn reason(&self, service: &str) -> String {
        let ran = self.plan(service).ended(3);
        let plan = ran.json();
        assert_eq!(plan["changes"].as_array().unwrap().len(), 1, "the rest goes on: {ran:?}");
        assert_eq!(plan["changes"][0]["with"], "1.5.0");
        let errors = plan["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{ran:?}");
        assert_eq!(errors[0]["what"], format!("{}/acme/api", self.bad.host()));
        errors[0]["reason"].as_str().unwrap().to_owned()
    }

    fn plan(&self, service: &str) -> Ran {
        let host = self.bad.host();
        let service =
            format!("version: 1\nregistries: [{{host: '{host}', timeouts: {{silence: 1s, image: 1s}}}}]\n{service}");
        let service = self.world.beside("service.yaml", &service);
        self.world.tagboat(&["plan", "--output", "json", "--service", &service])
    }
}

#[test]
fn a_web_page_in_place_of_a_list_is_told_as_such() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.list = BodyFault::Html);
    let reason = scene.reason("");
    assert!(reason.contains("JSON") || reason.contains("web page"), "{reason}");
    assert!(!reason.contains("<!DOCTYPE"), "{reason}");
}

#[test]
fn a_registry_that_never_answers_costs_the_time_limit_and_no_more() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.list = BodyFault::NeverAnswers);
    let reason = scene.reason("");
    assert!(reason.contains("said nothing for 1 s") || reason.contains("took too long"), "{reason}");
}

#[test]
fn a_registry_that_sends_a_byte_a_second_is_given_up() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.list = BodyFault::Trickles);
    let reason = scene.reason("");
    assert!(reason.contains("said nothing for 1 s") || reason.contains("took too long"), "{reason}");
}

#[test]
fn a_list_that_breaks_off_is_never_a_short_list() {
    let scene = Scene::new();
    for fault in [BodyFault::BreaksOff, BodyFault::Truncated] {
        scene.bad.faults(|faults| {
            faults.page_size = Some(1);
            faults.list = fault;
            faults.list_from_page = 1;
        });
        assert!(!scene.reason("").is_empty());
    }
}

#[test]
fn pages_that_lead_elsewhere_or_in_a_circle_are_refused() {
    let scene = Scene::new();
    for link in [LinkStyle::Foreign, LinkStyle::Circle] {
        scene.bad.faults(|faults| {
            faults.page_size = Some(1);
            faults.link = link;
        });
        assert!(!scene.reason("").is_empty());
    }
}

#[test]
fn a_list_of_a_million_tags_is_refused_at_its_cap() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.generated = Some(1_000_000));
    let reason = scene.reason("limits: {maxTags: 20000}\n");
    assert!(reason.contains("20000 tags"), "{reason}");
    let reason = scene.reason("limits: {maxTagListSize: 64KiB}\n");
    assert!(reason.contains("65536 bytes"), "{reason}");
}

#[test]
fn a_list_within_its_cap_is_decided_from_the_end() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.generated = Some(20_000));
    let host = scene.bad.host();
    let service = scene.world.beside("service.yaml", "version: 1\nlimits: {maxTags: 20000}\n");
    let image = format!("{host}/acme/api");
    let ran = scene.world.tagboat(&["explain", &image, "--output", "json", "--service", &service]).ended(0).json();
    assert_eq!(ran["explanations"][0]["chosen"], "1.19999.0");
}

#[test]
fn tags_with_control_characters_never_reach_the_terminal() {
    let scene = Scene::new();
    for tag in ["1.9.0\u{1b}[2J", "\u{7}bell", "1.3.0\n1.9.9", "", "ü", &"9".repeat(200)] {
        scene.bad.list_tag("acme/api", tag);
    }
    let image = format!("{}/acme/api", scene.bad.host());
    for output in ["text", "json"] {
        let ran = scene.world.tagboat(&["explain", &image, "--output", output, "-vv"]).ended(0);
        let clean = |text: &str| text.chars().all(|character| character == '\n' || !character.is_control());
        assert!(clean(&ran.out) && clean(&ran.err), "{ran:?}");
        assert!(ran.out.contains("1.2.0"));
    }
}

#[test]
fn what_a_registry_says_reaches_the_terminal_without_control_characters() {
    let scene = Scene::new();
    scene.world.write("absent.yaml", scene.world.deployment("acme/absent:1.0.0"));
    let ran = scene.world.tagboat(&["plan"]);
    assert!(ran.out.contains("NAME_UNKNOWN") && !ran.out.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn a_missing_login_says_what_to_do() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.auth = Auth::Basic);
    let reason = scene.reason("");
    assert!(reason.contains("docker login"), "{reason}");
    std::fs::create_dir(scene.world.scratch.path("docker")).unwrap();
    let config = format!(r#"{{"auths": {{"{}": {{"auth": "YWNtZTpzZWNyZXQ="}}}}}}"#, scene.bad.host());
    std::fs::write(scene.world.scratch.path("docker/config.json"), config).unwrap();
    let plan = scene.plan("").ended(0).json();
    assert_eq!(plan["changes"].as_array().unwrap().len(), 2);
}

#[test]
fn a_failing_registry_leaves_the_files_as_they_are() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.statuses = vec![(503, Some("0".to_owned())); 50]);
    scene.world.registry.faults(|faults| faults.statuses = vec![(503, Some("0".to_owned())); 50]);
    let before = contents(&scene.world.tree());
    let done = scene.world.tagboat(&["update", "--output", "json"]).ended(3).json();
    assert_eq!(done["errors"].as_array().unwrap().len(), 2, "{done}");
    assert_eq!(contents(&scene.world.tree()), before);
}

/// Returns the lines of a JSON log that say what registries were asked.
fn asked(ran: &Ran) -> Vec<serde_json::Value> {
    let rows = ran.err.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    rows.filter(|row| row["message"] == "asked").collect()
}

#[test]
fn verbose_tells_in_one_line_for_each_registry_what_it_was_asked() {
    let scene = Scene::new();
    scene.bad.faults(|faults| faults.auth = Auth::BearerForAll);
    let ran = scene.world.tagboat(&["plan", "-v", "--log-format", "json"]).ended(0);
    let rows = asked(&ran);
    assert_eq!(rows.len(), 2, "{ran:?}");
    let bad = rows.iter().find(|row| row["registry"] == scene.bad.host()).unwrap();
    let counts = scene.bad.requests();
    assert_eq!((&bad["lists"], &bad["tokens"]), (&counts.tags.into(), &counts.tokens.into()));
    assert_eq!((&bad["retries"], &bad["throttled"], &bad["waited_ms"]), (&0.into(), &0.into(), &0.into()));
    assert!(bad["bytes"].as_u64().unwrap() > scene.bad.list_bytes() as u64, "{bad}");
    // A run that plans several times in a pass says it once.
    let repository = scene.world.repository("acme/web:1.4.0");
    let ran = scene.world.run_on(&repository, &["-v", "--log-format", "json"]).ended(0);
    assert_eq!(asked(&ran).len(), 1, "{ran:?}");
}

#[test]
fn explain_tells_what_its_image_cost() {
    let scene = Scene::new();
    let image = format!("{}/acme/api", scene.bad.host());
    let explained = scene.world.tagboat(&["explain", &image, "--output", "json"]).ended(0).json();
    let asked = explained["asked"].as_array().unwrap();
    assert_eq!(asked.len(), 1, "{explained}");
    assert_eq!((&asked[0]["lists"], &asked[0]["bytes"]), (&1.into(), &scene.bad.list_bytes().into()));
    let told = scene.world.tagboat(&["explain", &image]).ended(0);
    assert!(told.out.contains("Asked") && told.out.contains("1 request (1 list)"), "{told:?}");
    assert_eq!(scene.bad.requests().tags, 2);
}

#[test]
fn the_rate_and_the_time_of_a_pass_that_the_operator_names_act() {
    let scene = Scene::new();
    let host = scene.bad.host();
    let service =
        format!("version: 1\nregistries: [{{host: '{host}', requestsPerSecond: 1}}]\nlimits: {{passTime: 1s}}\n");
    let service = scene.world.beside("service.yaml", &service);
    scene.world.write("other.yaml", crate::program::deployment(&format!("{host}/acme/other:1.0.0")));
    scene.bad.list_tag("acme/other", "1.0.0");
    let ran = scene.world.tagboat(&["plan", "--output", "json", "--service", &service]).ended(3);
    assert!(!ran.err.contains("not acted on"), "{ran:?}");
    let plan = ran.json();
    let errors = plan["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{plan}");
    let reason = errors[0]["reason"].as_str().unwrap();
    assert!(reason.contains("was not asked in time: the 0.8 s of `limits.passTime` in which"), "{reason}");
    assert_eq!(scene.bad.requests().tags, 1);
}

#[test]
fn a_second_pass_takes_what_images_hold_from_the_cache_and_says_so() {
    let world = World::with_web(&["1.4.0", "1.5.0"]);
    let config = crate::program::config(&world.registry.host()).replace("semver: minor", "newest: true");
    world.write(".tagboat.yaml", config);
    world.write("dev/web.yaml", world.deployment("acme/web:1.4.0"));
    let pass = || {
        let before = world.registry.requests();
        let ran = world.tagboat(&["plan", "-v", "--log-format", "json"]).ended(0);
        let (rows, after) = (asked(&ran), world.registry.requests());
        assert_eq!(rows.len(), 1, "{ran:?}");
        let told = ["lists", "heads", "manifests", "blobs"].map(|name| rows[0][name].as_u64().unwrap() as usize);
        let counted = [
            after.tags - before.tags,
            after.heads - before.heads,
            after.manifests - before.manifests,
            after.blobs - before.blobs,
        ];
        assert_eq!(told, counted);
        (told, rows[0]["cached"].as_u64().unwrap())
    };
    assert_eq!(pass(), ([1, 2, 2, 2], 0));
    assert_eq!(pass(), ([1, 2, 0, 0], 2));
}
