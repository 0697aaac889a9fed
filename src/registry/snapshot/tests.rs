use super::*;

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn name(text: &str) -> ImageName {
    text.parse().unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn example() -> String {
    format!(
        r#"{{"images": {{
  "docker.io/library/nginx": {{"tags": {{}}}},
  "ghcr.io/acme/web": {{"tags": {{
    "1.4.0": {{"digest": "{DIGEST}", "created": "2026-11-01T00:00:00Z", "platforms": ["linux/amd64", "linux/arm64/v8"], "pushed": "2026-11-02T00:00:00Z", "signatures": [{{"digest": "{DIGEST}", "by": "key 00", "verdict": "signed"}}, {{"digest": "{DIGEST}", "by": "key 01", "verdict": "wrong", "reason": "by \"them\""}}, {{"digest": "{DIGEST}", "by": "key 02", "verdict": "missing"}}]}},
    "1.5.0": {{}}
  }}}}
}}}}
"#
    )
}

#[test]
fn what_is_written_reads_back_and_writes_the_same() {
    let snapshot = Snapshot::parse(example().as_bytes()).unwrap();
    assert_eq!(snapshot.to_json(), example());
    assert_eq!(Snapshot::default().to_json(), "{\"images\": {}}\n");
    assert_eq!(Snapshot::parse(b"{\"images\": {}}").unwrap(), Snapshot::default());
}

#[test]
fn writes_tags_sorted_and_once_whatever_order_they_came_in() {
    let mut snapshot = Snapshot::default();
    let list = ["b", "a", "b", "not a tag\u{1b}"].into_iter().collect();
    let facts = TagFacts { digest: Some(DIGEST.parse().unwrap()), ..TagFacts::default() };
    // A fact about a tag that is not listed: nothing that a plan could use.
    let facts = [(tag("B"), facts.clone()), (tag("b"), facts)].into();
    snapshot.insert(name("ghcr.io/acme/web"), Arc::new(ImageTags { list, facts, ..ImageTags::default() }));
    let row = format!("    \"a\": {{}},\n    \"b\": {{\"digest\": \"{DIGEST}\"}}\n");
    assert_eq!(
        snapshot.to_json(),
        format!(
            "{{\"images\": {{\n  \"ghcr.io/acme/web\": {{\"tags\": {{\n{row}  }}, \"invalid\": {{\"count\": 1, \"examples\": \
             [\"not a tag\\\\u{{1b}}\"]}}}}\n}}}}\n"
        )
    );
}

#[test]
fn normalises_the_names_of_images() {
    let snapshot = Snapshot::parse(br#"{"images": {"nginx": {"tags": {"1": {}}}}}"#).unwrap();
    assert!(snapshot.to_json().contains("docker.io/library/nginx"));
    let twice = Snapshot::parse(br#"{"images": {"nginx": {"tags": {}}, "docker.io/nginx": {"tags": {}}}}"#);
    assert!(twice.unwrap_err().to_string().contains("docker.io/library/nginx stands twice"));
}

#[test]
fn odd_platforms_stay_apart_and_read_back_as_they_were_written() {
    let long = "\u{7f}\u{202e}\"'".repeat(200);
    let rows = [serde_json::json!(["a\nb", long]), serde_json::json!(["a", "b", long])];
    let tags = serde_json::json!({"1.4.0": {"platforms": rows[0]}, "1.5.0": {"platforms": rows[1]}});
    let json = serde_json::json!({"images": {"ghcr.io/acme/web": {"tags": tags}}}).to_string();
    let written = Snapshot::parse(json.as_bytes()).unwrap().to_json();
    assert!(written.contains(r#"["a\\nb", "#) && written.contains(r#"["a", "b", "#), "{written}");
    assert!(!written.contains(['\u{7f}', '\u{202e}']) && written.len() < 2_000, "{written}");
    assert_eq!(Snapshot::parse(written.as_bytes()).unwrap().to_json(), written);
}

#[test]
fn names_the_place_and_the_row_of_a_fault() {
    for (text, words) in [
        (
            "{\"images\": {\n\"nginx\": {\"tags\": {\"1\": {\"digest\": \"x\"}}}}}",
            "line 2, column 40 of the snapshot: docker.io/library/nginx:1: `x` is not a digest",
        ),
        (r#"{"images": {"nginx": {"tags": {"1": {"created": "yesterday"}}}}}"#, "nginx:1: `yesterday` is no time"),
        (r#"{"images": {"nginx": {"tags": {"1": {"color": 1}}}}}"#, "nginx:1: unknown field `color`"),
        (
            r#"{"images": {"nginx": {"tags": {"1": {"signatures": [{"digest": "x", "by": "key", "verdict": "missing"}]}}}}}"#,
            "nginx:1: `x` is not a digest",
        ),
        (
            r#"{"images": {"nginx": {"tags": {"1": {"signatures": [{"digest": "x", "by": "key", "verdict": "good"}]}}}}}"#,
            "nginx:1: unknown variant `good`",
        ),
        (
            r#"{"images": {"nginx": {"tags": {"1": {"signatures": [{"digest": "x", "by": "key", "verdict": "wrong"}]}}}}}"#,
            "nginx:1: a signature that is `wrong` needs its `reason`",
        ),
        (
            r#"{"images": {"nginx": {"tags": {"1": {"signatures": [{"digest": "x", "by": "k", "verdict": "signed", "reason": "x"}]}}}}}"#,
            "nginx:1: only a signature that is `wrong` or `failed` has a `reason`",
        ),
        (r#"{"images": {"nginx": {"tags": {"1": 7}}}}"#, "nginx:1: invalid type"),
        (
            r#"{"images": {"nginx": {"tags": ["1"]}}}"#,
            "expected an object with tags as keys for docker.io/library/nginx",
        ),
        (r#"{"images": {"nginx": {}}}"#, "docker.io/library/nginx: `tags` is missing"),
        (r#"{"images": {"nginx": {"tag": {}}}}"#, "docker.io/library/nginx: the key `tag` has no place here"),
        (r#"{"images": {"No Name": {"tags": {}}}}"#, "`No Name` is not an image name"),
        (r#"{"image": {}}"#, "unknown field `image`"),
        (r#"{"images": {"#, "line 1, column 12"),
        ("", "line 1, column 0"),
        ("{\"images\": {}} x", "trailing characters"),
    ] {
        let error = Snapshot::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(words), "{text}\n{error}");
    }
    let hostile = "{\"\\u001b[31m\": 1}";
    let error = Snapshot::parse(hostile.as_bytes()).unwrap_err().to_string();
    assert!(!error.chars().any(char::is_control), "{error:?}");
    let deep = format!("{{\"images\": {{\"nginx\": {{\"tags\": {{\"1\": {}", "[".repeat(100_000));
    assert!(Snapshot::parse(deep.as_bytes()).is_err());
}

#[tokio::test]
async fn answers_what_it_holds_and_says_what_it_does_not() {
    let snapshot = Snapshot::parse(example().as_bytes()).unwrap();
    let web = name("ghcr.io/acme/web");
    let tags = snapshot.tags(&web).await.unwrap();
    assert_eq!(tags.list.iter().map(|(_, tag)| tag).collect::<Vec<_>>(), ["1.4.0", "1.5.0"]);
    let facts = snapshot.facts(&web, &tag("1.4.0"), FactKind::Digest).await.unwrap();
    assert_eq!(facts.digest.unwrap().as_str(), DIGEST);
    for kind in [FactKind::Digest, FactKind::Image, FactKind::Pushed] {
        let error = snapshot.facts(&web, &tag("1.5.0"), kind).await.unwrap_err().to_string();
        assert!(error.starts_with("ghcr.io/acme/web:1.5.0: the snapshot does not hold its "), "{error}");
    }
    let other = name("ghcr.io/acme/other");
    assert_eq!(snapshot.tags(&other).await, Err(SourceError::Unknown(other.clone())));
    assert_eq!(snapshot.facts(&other, &tag("1"), FactKind::Digest).await, Err(SourceError::Unknown(other.clone())));
}

#[tokio::test]
async fn a_recording_holds_what_was_asked_and_nothing_else() {
    let source = Snapshot::parse(example().as_bytes()).unwrap();
    let mut bare = source.clone();
    // The source behind the recorder answers lists without facts, as a registry does.
    let list = source.tags(&name("ghcr.io/acme/web")).await.unwrap().list.clone();
    struct Registry(Snapshot, ImageTags);
    impl TagSource for Registry {
        fn tags<'a>(&'a self, _: &'a ImageName) -> BoxFuture<'a, Result<Arc<ImageTags>, SourceError>> {
            std::future::ready(Ok(Arc::new(self.1.clone()))).boxed()
        }
        fn facts<'a>(
            &'a self,
            image: &'a ImageName,
            tag: &'a Tag,
            kind: FactKind,
        ) -> BoxFuture<'a, Result<TagFacts, SourceError>> {
            self.0.facts(image, tag, kind)
        }
        fn signed<'a>(
            &'a self,
            image: &'a ImageName,
            tag: &'a Tag,
            digest: &'a Digest,
            by: &'a Requirement,
        ) -> BoxFuture<'a, Result<SignatureVerdict, SourceError>> {
            self.0.signed(image, tag, digest, by)
        }
    }
    bare.images.remove(&name("docker.io/library/nginx"));
    let recorder = Recorder::new(Registry(source, ImageTags { list, ..ImageTags::default() }));
    let web = name("ghcr.io/acme/web");
    recorder.tags(&web).await.unwrap();
    recorder.facts(&web, &tag("1.4.0"), FactKind::Digest).await.unwrap();
    recorder.facts(&web, &tag("1.5.0"), FactKind::Digest).await.unwrap_err();
    recorder.facts(&name("ghcr.io/acme/unlisted"), &tag("1"), FactKind::Digest).await.unwrap_err();
    assert_eq!(recorder.snapshot(), bare);
}
