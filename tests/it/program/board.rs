//! The board of `serve`: what pages and the JSON API say after real passes, who may act, and what gets nowhere.

use serde_json::{Value, json};

use crate::program::serve::{Service, row};
use crate::program::{World, commits};
use crate::support::repository::Repository;

/// A world in which `staging` waits behind `dev`, and one image is there that nobody has pushed.
struct Scene {
    world: World,
    remote: Repository,
}

impl Scene {
    fn new() -> Self {
        let world = World::with_web(&["1.4.0", "1.5.0"]);
        let host = world.registry.host();
        let config = format!(
            "version: 1\nimages:\n  - match: {host}/**\n    semver: minor\nenvironments:\n  - name: dev\n    \
             files: [dev/**]\n    publish: commit\n  - name: staging\n    files: [staging/**]\n    after: dev\n    \
             gates: {{soak: 30d}}\n    publish: commit\n"
        );
        let (web, gone) = (world.deployment("acme/web:1.4.0"), world.deployment("acme/gone:1.0.0"));
        let holds = format!(
            "version: 1\nholds:\n  - {{image: {host}/acme/web, tag: 1.3.9, by: robin, reason: \"<b>leaks</b>\"}}\n"
        );
        let remote = world.scratch.bare(
            "manifests.git",
            &[
                (".tagboat.yaml", &config),
                ("dev/web.yaml", &web),
                ("dev/gone.yaml", &gone),
                ("staging/web.yaml", &web),
                (".tagboat/holds.yaml", &holds),
            ],
        );
        Self { world, remote }
    }

    /// Starts the service, and waits until its first pass has ended.
    fn serve(&self, further: &str) -> Service {
        let service =
            Service::start(&self.world, &format!("schedule: every 24h\n{further}repositories:\n{}", row(&self.remote)));
        service.wait("pass");
        service
    }

    fn image(&self) -> String {
        format!("{}/acme/web", self.world.registry.host())
    }
}

/// A user `robin` with the password `correct horse`.
const USERS: &str = "robin:$2b$08$abcdefghijklmnopqrstuubAvJmxpQuyV3jn7x.SUSPxe.DearCPe\n";

#[track_caller]
fn get(service: &Service, path: &str) -> Value {
    let (status, body) = service.get(&format!("/api/v1{path}"));
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn id(service: &Service) -> String {
    get(service, "/repositories")[0]["id"].as_str().unwrap().to_owned()
}

/// Fails unless an answer is as a schema of the description says, with no field more.
#[track_caller]
fn fits(description: &Value, schema: &Value, answer: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").unwrap();
        return fits(description, &description["components"]["schemas"][name], answer, place);
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    if let Some(choices) = schema["anyOf"].as_array() {
        if answer.is_null() {
            assert!(choices.iter().any(|choice| choice["type"] == "null"), "{place} is null");
            return;
        }
        let choice = choices.iter().find(|choice| choice["type"] != "null").unwrap();
        return fits(description, choice, answer, place);
    }
    let kind = match answer {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind), "{place} is {kind} and not {kinds:?}: {answer}");
    if let (Value::String(text), Some(allowed)) = (answer, schema["enum"].as_array()) {
        assert!(allowed.iter().any(|one| one == text.as_str()), "{place}: {text}");
    }
    if let Value::Array(rows) = answer {
        for (index, one) in rows.iter().enumerate() {
            fits(description, &schema["items"], one, &format!("{place}[{index}]"));
        }
    }
    let is_open = schema.get("properties").is_none() && schema.get("additionalProperties").is_none();
    if let (Value::Object(fields), false) = (answer, is_open) {
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(fields.contains_key(name.as_str().unwrap()), "{place} lacks {name}");
        }
        for (name, field) in fields {
            let own = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
            assert!(own.is_object(), "{place} has `{name}`, which nobody described");
            fits(description, own, field, &format!("{place}.{name}"));
        }
    }
}

#[test]
fn answers_are_as_the_description_says() {
    let scene = Scene::new();
    let service = scene.serve("");
    let (id, image) = (id(&service), scene.image());
    let description = get(&service, "/openapi.json");
    assert_eq!(description["openapi"], "3.1.0");
    let mut seen = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        let Some(own) = methods.get("get") else { continue };
        let address = match path.as_str() {
            "/image" => format!("/image?repository={id}&image={}", image.replace(':', "%3A").replace('/', "%2F")),
            "/pass" => format!("/pass?repository={id}&number=1"),
            "/promotions" => format!("/promotions?repository={id}&environment=staging"),
            other => other.to_owned(),
        };
        let answer = get(&service, &address);
        let schema = &own["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{path} describes no answer");
        fits(&description, schema, &answer, path);
        assert!(answer.as_array().is_none_or(|rows| !rows.is_empty()), "{path} shows nothing that could be checked");
        if own["responses"].get("404").is_some() {
            assert_eq!(service.get(&format!("/api/v1{path}?repository=unknown")).0, 404, "{path}");
        }
        seen += 1;
    }
    let of_orders = &description["paths"]["/orders/{what}"]["post"]["responses"];
    for status in ["200", "202", "400", "401", "403", "404", "408", "409", "413", "500", "502", "503"] {
        assert!(of_orders[status]["content"].is_object(), "{status} is not described");
    }
    assert!(seen >= 9, "{seen} addresses are described");
}

#[test]
fn the_board_says_what_status_says() {
    let scene = Scene::new();
    let service = scene.serve("");
    let told = &get(&service, "/status")[0];
    let url = scene.remote.folder.display().to_string();
    let status = scene.world.tagboat(&["status", "--repo", &url, "--branch", "main", "--output", "json"]).json();
    assert_eq!(told["environments"], json!(["dev", "staging"]));
    let web = &told["images"].as_array().unwrap().iter().find(|row| row["image"] == scene.image()).unwrap()["cells"];
    let staging = &web[1]["runs"][0];
    assert_eq!((&web[0]["runs"][0]["version"], &staging["version"]), (&json!("1.5.0"), &json!("1.4.0")));
    assert_eq!((&staging["next"]["version"], &staging["next"]["waitsFor"]), (&json!("1.5.0"), &json!(["soak"])));
    assert!(staging["next"]["until"].is_string() && web[0]["runs"][0]["since"].is_string(), "{web}");
    let text = status.to_string();
    for word in [&staging["since"], &web[0]["runs"][0]["since"], &staging["next"]["until"]] {
        let word = word.as_str().unwrap();
        assert!(text.contains(&word[..19]), "status does not say {word}: {text}");
    }
}

#[test]
fn pages_show_what_passes_found_and_escape_it() {
    let scene = Scene::new();
    let service = scene.serve("");
    let id = id(&service);
    let page = |path: &str| {
        let (status, body) = service.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        assert!(!body.contains("<form") && !body.contains("<b>leaks"), "{path}: {body}");
        body
    };
    let overview = page("/");
    assert!(overview.contains("1.5.0") && overview.contains("waits for soak"), "{overview}");
    let promotion = page(&format!("/promotion?repository={id}&environment=staging&group={}", group(&service)));
    assert!(promotion.contains("soak") && promotion.contains("data-until"), "{promotion}");
    let image = scene.image().replace(':', "%3A").replace('/', "%2F");
    let image = page(&format!("/image?repository={id}&image={image}"));
    assert!(image.contains("not in the environment before") || image.contains("in use"), "{image}");
    assert!(page("/passes").contains("partial"));
    assert!(page(&format!("/pass?repository={id}&number=1")).contains("gone"));
    assert!(page("/repositories").contains("data-until"));
    assert!(page(&format!("/repository?repository={id}")).contains("gone"));
    assert!(page("/holds").contains("&lt;b&gt;leaks&lt;"), "holds");
    assert!(page("/promotions").contains("staging"));
    for missing in ["/nothing", "/image?repository=x&image=y", "/pass", "/?repository=x", "/login", "/api/v1/nothing"] {
        assert_eq!(service.get(missing).0, 404, "{missing}");
    }
}

#[test]
fn a_cell_says_where_each_version_is_where_places_differ() {
    let scene = Scene::new();
    let (third, fourth) = (scene.world.deployment("acme/web:1.4.0"), scene.world.deployment("acme/web:1.4.5"));
    let people = Repository { folder: scene.world.scratch.path("people") };
    scene.remote.git(&[
        "clone",
        "--quiet",
        &scene.remote.folder.display().to_string(),
        &people.folder.display().to_string(),
    ]);
    let files = [("staging/b/web.yaml", &*third), ("staging/c/web.yaml", &*fourth)];
    people.commit_files(&files, "More places", 3);
    people.git(&["push", "--quiet", "origin", "main"]);
    let service = scene.serve("");
    let told = &get(&service, "/status")[0];
    let web = told["images"].as_array().unwrap().iter().find(|row| row["image"] == scene.image()).unwrap();
    let runs = web["cells"][1]["runs"].as_array().unwrap();
    let told: Vec<_> = runs.iter().map(|run| (run["version"].as_str().unwrap(), run["files"].clone())).collect();
    let first = json!(["staging/b/web.yaml", "staging/web.yaml"]);
    assert_eq!(told, [("1.4.0", first), ("1.4.5", json!(["staging/c/web.yaml"]))], "{web}");
    let (_, page) = service.get("/");
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    for (version, place) in
        [("1.4.0", "in staging&#x2f;b&#x2f;web.yaml and 1 more<"), ("1.4.5", "in staging&#x2f;c&#x2f;web.yaml<")]
    {
        let cell = words.split("class=\"cell\"").find(|cell| cell.contains(&format!(">{version}<"))).unwrap();
        assert!(cell.contains(place), "{cell}");
    }
    assert!(!page.contains("in dev&#x2f;web.yaml"), "where one version runs, the place adds nothing: {page}");
}

fn group(service: &Service) -> String {
    get(service, "/promotions")[0]["group"].as_str().unwrap().to_owned()
}

#[test]
fn a_pass_is_told_to_whoever_listens() {
    let scene = Scene::new();
    scene.world.beside("hook", "hush\n");
    let service = scene.serve("webhooks: [{source: generic, secretFile: hook}]\n");
    let mut lines = service.listen("/events");
    assert!(lines.any(|line| line == "event: hello"));
    scene.world.push("acme/web", "1.6.0");
    assert_eq!(service.post("/hooks/generic/hush", ""), 202);
    assert!(lines.any(|line| line == "event: pass"), "nobody told of the pass");
    let data = lines.next().unwrap();
    assert!(data.contains("\"commits\":1"), "{data}");
    assert_eq!(get(&service, "/status")[0]["images"][1]["cells"][0]["runs"][0]["version"], "1.6.0");
}

#[test]
fn without_access_nobody_can_act() {
    let scene = Scene::new();
    let service = scene.serve("");
    let before = commits(&scene.remote);
    let origin = format!("Origin: http://{}", service.address);
    for what in ["run", "hold", "release", "promote", "rollback"] {
        let body = format!("repository={}&image={}&tag=1.5.0&environment=dev", id(&service), scene.image());
        let (status, _) = service.ask(&format!("POST /orders/{what}"), &[&origin], body.as_bytes());
        assert_eq!(status, 404, "{what}");
        assert_eq!(service.ask(&format!("POST /api/v1/orders/{what}"), &[&origin], b"{}").0, 404, "{what}");
    }
    assert_eq!(service.ask("POST /login", &[&origin], b"user=robin&password=x").0, 404);
    assert_eq!(get(&service, "/session"), json!({ "canAct": false, "user": null, "token": null }));
    assert_eq!(commits(&scene.remote), before);
}

#[test]
fn requests_for_other_names_get_nothing() {
    let scene = Scene::new();
    let service = scene.serve("hosts: board.acme.example\n");
    for (host, status) in [("board.acme.example", 200), ("evil.example", 421), ("board.acme.example.evil.example", 421)]
    {
        for path in ["/", "/api/v1/status", "/events-not-there"] {
            let answer = service.raw(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
            let expected = if path == "/events-not-there" && status == 200 { 404 } else { status };
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{host} {path}: {answer}");
            assert!(answer.contains("content-security-policy: default-src 'none'"), "{answer}");
        }
    }
    // What is not the board's is not meant for browsers.
    let answer = service.raw("GET /healthz HTTP/1.1\r\nHost: anything\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn who_logs_in_may_order_and_is_named_in_git() {
    let scene = Scene::new();
    scene.world.beside("users", USERS);
    let service = scene.serve("access: {usersFile: users}\n");
    let origin = format!("Origin: http://{}", service.address);
    let wrong = service.ask("POST /login", &[&origin], b"user=robin&password=wrong");
    assert!(wrong.0 == 401 && wrong.1.contains("name or password is wrong"), "{wrong:?}");
    assert_eq!(service.ask("POST /login", &[], b"user=robin&password=correct+horse").0, 403, "no origin");
    let answer = service.raw(&format!(
        "POST /login HTTP/1.1\r\nHost: {0}\r\n{origin}\r\nConnection: close\r\nContent-Length: 33\r\n\r\nuser=robin&password=correct+horse",
        service.address
    ));
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    let session: Value = serde_json::from_str(&service.ask("GET /api/v1/session", &[&cookie], b"").1).unwrap();
    assert_eq!((&session["user"], &session["canAct"]), (&json!("robin"), &json!(true)));
    let token = session["token"].as_str().unwrap();
    let (page, id) = (service.ask("GET /holds", &[&cookie], b"").1, id(&service));
    assert!(page.contains(token) && page.contains("Release"), "{page}");
    let order = format!("repository={id}&image={}&tag=1.9.9&environment=dev&reason=not+yet", scene.image());
    let told = |token: &str| format!("{order}&token={token}");
    let hold = |headers: &[&str], body: &str| service.ask("POST /orders/hold", headers, body.as_bytes());
    assert_eq!(hold(&[&origin, &cookie], &order).0, 403, "no token");
    assert_eq!(hold(&[&origin, &cookie], &told("guess")).0, 403, "another token");
    assert_eq!(hold(&[&cookie], &told(token)).0, 403, "no origin");
    assert_eq!(hold(&["Origin: http://evil.example", &cookie], &told(token)).0, 403, "another site");
    assert_eq!(hold(&[&origin], &told(token)).0, 401, "no session");
    let (status, body) = hold(&[&origin, &cookie], &told(token));
    assert!(status == 200 && body.contains("Done"), "{body}");
    let holds = String::from_utf8(scene.remote.show("main", ".tagboat/holds.yaml")).unwrap();
    assert!(holds.contains("1.9.9") && holds.contains("robin") && holds.contains("not yet"), "{holds}");
    assert_eq!(service.wait("pass")["cause"], "order");
    let json = |what: &str, body: Value| {
        let header = format!("X-Tagboat-Token: {token}");
        service.ask(&format!("POST /api/v1/orders/{what}"), &[&origin, &cookie, &header], body.to_string().as_bytes())
    };
    let released = json("release", json!({ "repository": id, "image": scene.image(), "tag": "1.9.9" }));
    assert_eq!(released.0, 200, "{released:?}");
    let message = scene.remote.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains("Tagboat-Release:") && message.contains("Tagboat-By: robin"), "{message}");
    // What the commands want a reason for, buttons do, too.
    let (image, before) = (scene.image(), commits(&scene.remote));
    for (what, further) in
        [("promote", json!({"skip": "soak"})), ("promote", json!({"now": "yes"})), ("hold", json!({}))]
    {
        let mut body =
            json!({ "repository": id, "environment": "staging", "image": image, "tag": "1.5.0", "reason": " " });
        body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let refused = json(what, body);
        assert!(refused.0 == 409 && refused.1.contains("reason"), "{what}: {refused:?}");
    }
    assert_eq!(commits(&scene.remote), before);
    let promoted = json(
        "promote",
        json!({ "repository": id, "environment": "staging", "image": scene.image(), "tag": "1.5.0", "skip": "soak", "reason": "asked for" }),
    );
    assert_eq!(promoted.0, 200, "{promoted:?}");
    assert_eq!(scene.remote.show("main", "staging/web.yaml"), scene.world.deployment("acme/web:1.5.0").into_bytes());
    let message = scene.remote.git(&["log", "-1", "--format=%B", "main"]);
    assert!(message.contains("Tagboat-By: robin") && message.contains("asked for"), "{message}");
    let back = json("rollback", json!({ "repository": id, "environment": "staging", "image": scene.image() }));
    assert_eq!(back.0, 200, "{back:?}");
    assert_eq!(scene.remote.show("main", "staging/web.yaml"), scene.world.deployment("acme/web:1.4.0").into_bytes());
    let refused =
        json("promote", json!({ "repository": id, "environment": "nowhere", "image": scene.image(), "tag": "1.5.0" }));
    assert!(refused.0 == 409 && refused.1.contains("nowhere"), "{refused:?}");
    assert_eq!(json("run", json!({ "repository": id })).0, 202);
    let body = format!("token={token}");
    assert_eq!(service.ask("POST /logout", &[&origin, &cookie], body.as_bytes()).0, 303);
    assert_eq!(hold(&[&origin, &cookie], &told(token)).0, 401, "the session is over");
    for _ in 0..5 {
        service.ask("POST /login", &[&origin], b"user=robin&password=wrong");
    }
    assert_eq!(service.ask("POST /login", &[&origin], b"user=robin&password=correct+horse").0, 429);
}

#[test]
fn whom_a_trusted_proxy_names_may_order() {
    let scene = Scene::new();
    let service = scene.serve("access: {trustedHeader: X-Forwarded-User}\n");
    let named = "X-Forwarded-User: robin";
    let session: Value = serde_json::from_str(&service.ask("GET /api/v1/session", &[named], b"").1).unwrap();
    assert_eq!(session["user"], "robin");
    let origin = format!("Origin: http://{}", service.address);
    let token = format!("X-Tagboat-Token: {}", session["token"].as_str().unwrap());
    let body = json!({ "repository": id(&service) }).to_string();
    let run = |headers: &[&str]| service.ask("POST /api/v1/orders/run", headers, body.as_bytes()).0;
    assert_eq!(run(&[&origin, named, &token]), 202);
    assert_eq!(run(&[&origin, &token]), 401);
    assert_eq!(run(&[&origin, "X-Forwarded-User: other", &token]), 403, "another's token");
    assert_eq!(run(&[named, &token]), 403, "another site");
}

#[test]
fn a_hold_on_a_protected_base_says_where_it_stands() {
    let scene = Scene::new();
    let service = scene.serve("access: {trustedHeader: X-Forwarded-User}\n");
    scene.remote.hook("update", "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo protected; exit 1; }\n");
    let named = "X-Forwarded-User: robin";
    let session: Value = serde_json::from_str(&service.ask("GET /api/v1/session", &[named], b"").1).unwrap();
    let origin = format!("Origin: http://{}", service.address);
    let token = format!("X-Tagboat-Token: {}", session["token"].as_str().unwrap());
    let order = |what: &str, reason: &str| {
        let body =
            json!({ "repository": id(&service), "image": "acme/web", "tag": "1.9.9", "reason": reason }).to_string();
        let path = format!("POST /api/v1/orders/{what}");
        service.ask(&path, &[&origin, named, &token], body.as_bytes())
    };
    let (status, answer) = order("hold", "not yet");
    let said: Value = serde_json::from_str(&answer).unwrap();
    let line = said["lines"][0].as_str().unwrap();
    assert!(status == 200 && line.starts_with("*: the branch tagboat/@holds: a person merges it"), "{answer}");
    assert!(line.contains("as long as it stands, what it holds counts as held"), "{line}");
    let holds = String::from_utf8(scene.remote.show("tagboat/@holds", ".tagboat/holds.yaml")).unwrap();
    assert!(holds.contains("1.9.9") && holds.contains("by: \"robin\""), "{holds}");
    // Taken out again, nothing is left of it.
    assert_eq!(order("release", "mended").0, 200);
    assert!(scene.remote.at("tagboat/@holds").is_none());
}
