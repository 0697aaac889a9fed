use crate::model::tags::newest_first;

use super::ink::{Cut, clean, cut, width};
use super::lists::familiar;

#[test]
fn cleaning_escapes_what_acts_on_a_terminal_and_keeps_the_rest() {
    assert_eq!(clean("a\u{1b}[2Jb\r\n\tc\u{7f}\u{9b}"), "a\\u{1b}[2Jb\\r\\n\\tc\\u{7f}\\u{9b}");
    assert_eq!(clean("web\u{202e}lmay.\u{200b}"), "web\\u{202e}lmay.\\u{200b}");
    assert_eq!(clean("größe 字 é ✓"), "größe 字 é ✓");
}

#[test]
fn cutting_keeps_both_ends_within_the_columns() {
    assert_eq!(cut("envs/production/web.yaml:12", 16, Cut::Middle), "envs/p…b.yaml:12");
    assert_eq!(cut("envs/production/web.yaml:12", 16, Cut::End), "envs/production…");
    assert_eq!(cut("short", 5, Cut::Middle), "short");
    assert_eq!(cut("long", 0, Cut::Middle), "");
    for columns in 1..24 {
        let shortened = cut("環境/開発環境/ウェブサーバー.yaml", columns, Cut::Middle).into_owned();
        assert!(width(&shortened) <= columns, "{shortened} in {columns}");
    }
}

#[test]
fn newest_first_reads_numbers_as_numbers() {
    let mut tags = vec!["1.9.0", "latest", "1.10.0", "v2.0.0", "1.10.0-rc.1", "1.010.0", "2", "10.0.0"];
    tags.sort_by(|one, other| newest_first(one, other));
    assert_eq!(tags, ["v2.0.0", "latest", "10.0.0", "2", "1.10.0-rc.1", "1.10.0", "1.010.0", "1.9.0"]);
}

#[test]
fn familiar_names_leave_out_what_is_meant_anyway() {
    assert_eq!(familiar("docker.io/library/nginx"), "nginx");
    assert_eq!(familiar("docker.io/grafana/grafana"), "grafana/grafana");
    assert_eq!(familiar("ghcr.io/library/web"), "ghcr.io/library/web");
    assert_eq!(familiar("library/web"), "library/web");
}
