//! Metrics in the older text format, for whoever does not ask for OpenMetrics: agents, and tools that check names.
//!
//! Entry point: [`plain`]. Pure. Differs in the comments alone: there counters are named as their series are, and units are no line.

/// Turns the text of OpenMetrics into version 0.0.4 of the text format.
pub(super) fn plain(open: &str) -> String {
    let mut text = String::with_capacity(open.len());
    let mut help: Option<(&str, &str)> = None;
    for line in open.lines() {
        match line.strip_prefix("# ").map(|comment| comment.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            None => {
                text.push_str(line);
                text.push('\n');
            }
            Some(["HELP", name, words]) => help = Some((name, words)),
            Some(["TYPE", name, kind]) => {
                let (suffix, kind) = match *kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    other => ("", other),
                };
                if let Some((_, words)) = help.take().filter(|(of, _)| of == name) {
                    text.push_str(&format!("# HELP {name}{suffix} {words}\n"));
                }
                text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
            }
            Some(_) => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_named_as_their_series_are() {
        let open = "# HELP a_passes Passes.\n# TYPE a_passes counter\na_passes_total{r=\"# TYPE x\"} 1\n\
                    # HELP a_wait_seconds Wait.\n# TYPE a_wait_seconds histogram\n# UNIT a_wait_seconds seconds\n\
                    a_wait_seconds_sum 0.5\n# HELP a_build What.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n# EOF\n";
        let expected = "# HELP a_passes_total Passes.\n# TYPE a_passes_total counter\na_passes_total{r=\"# TYPE x\"} 1\n\
                        # HELP a_wait_seconds Wait.\n# TYPE a_wait_seconds histogram\na_wait_seconds_sum 0.5\n\
                        # HELP a_build_info What.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n";
        assert_eq!(plain(open), expected);
    }
}
