use super::quote::reads_as_other_than_text;

#[test]
fn knows_what_some_reader_takes_for_no_text() {
    let others = [
        "1",
        "1.20",
        "1.",
        ".5",
        "1e3",
        "1E3",
        "1.2e+3",
        "+1",
        "-1",
        "1_000",
        "0x1F",
        "0o7",
        "0b11",
        "017",
        "12:30",
        "12:30:45",
        "2026-11-20",
        "2026-1-2",
        "2026-11-20T10:00:00Z",
        "true",
        "True",
        "on",
        "OFF",
        "yes",
        "N",
        "~",
        "null",
        "",
        ".inf",
        "-.INF",
        ".NaN",
        "1234567",
        "0",
        "12e5",
        "1234e5678901",
    ];
    for text in others {
        assert!(reads_as_other_than_text(text), "{text}");
    }
    let texts = [
        "1.2.3",
        "v1",
        "1.20-alpine",
        "latest",
        "abc1234",
        "1e3a",
        "20261120-abc",
        "2026.11.20",
        "2026-11",
        "nginx:1.25",
        "1.4.0@sha256:00",
        "0x",
        "0xg",
        "e3",
        "1.2.3e4",
        "main",
        "none",
        "_1",
        "2026-11-20-1",
        "RELEASE.2026",
        "..",
        "_",
    ];
    for text in texts {
        assert!(!reads_as_other_than_text(text), "{text}");
    }
}
