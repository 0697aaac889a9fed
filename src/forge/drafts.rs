//! Titles by which a forge tells drafts: `WIP: …` is one on Gitea, `Draft: …` on GitLab, whatever else the title says.
//!
//! Entry points: [`plain`] and [`undrafted`], which are inverse for what is no draft.

/// Whether a title begins with a prefix, in letters of any size.
pub(super) fn begins(title: &str, prefix: &str) -> bool {
    title.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// Returns the title without what the forge tells a draft by.
pub(super) fn plain(title: &str, prefixes: &[&str], is_draft: bool) -> String {
    if is_draft {
        let prefix = prefixes.iter().find(|prefix| begins(title, prefix));
        return prefix.map_or(title, |prefix| title[prefix.len()..].trim_start()).to_owned();
    }
    match spaced(title, prefixes) {
        Some((at, spaces)) if spaces > 0 => format!("{}{}", &title[..at], &title[at + 1..]),
        _ => title.to_owned(),
    }
}

/// Writes a title that is no draft's, though it may begin as one: the environment may be called so, or a template say it.
pub(super) fn undrafted(title: &str, prefixes: &[&str]) -> String {
    match spaced(title, prefixes) {
        Some((at, _)) => format!("{} {}", &title[..at], &title[at..]),
        None => title.to_owned(),
    }
}

/// Returns where a title that begins with a prefix, but for spaces before its last sign, has them, and how many.
fn spaced(title: &str, prefixes: &[&str]) -> Option<(usize, usize)> {
    prefixes.iter().find_map(|prefix| {
        let (word, sign) = prefix.split_at(prefix.len() - 1);
        let rest = title.get(word.len()..).filter(|_| begins(title, word))?;
        let after = rest.trim_start_matches(' ');
        after.starts_with(sign).then_some((word.len(), rest.len() - after.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_title_that_is_written_is_a_drafts_and_each_is_read_back() {
        let prefixes = ["Draft:", "[Draft]", "(Draft)"];
        for (title, written) in [
            ("draft: update web", "draft : update web"),
            ("DRAFT : update web", "DRAFT  : update web"),
            ("[draft] update web", "[draft ] update web"),
            ("(Draft)", "(Draft )"),
            ("drafts: update web", "drafts: update web"),
            ("[drafter]", "[drafter]"),
            ("prod: draft: x", "prod: draft: x"),
            ("dräft: x", "dräft: x"),
            ("", ""),
        ] {
            assert_eq!(undrafted(title, &prefixes), written);
            assert!(!prefixes.iter().any(|prefix| begins(written, prefix)), "{written}");
            assert_eq!(plain(written, &prefixes, false), title);
            let draft = format!("Draft: {title}");
            assert_eq!(plain(&draft, &prefixes, true), title, "{draft}");
        }
    }
}
