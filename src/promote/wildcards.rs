//! What the wildcards within one part of a path stand for.
//!
//! Entry point: [`stand_for`]. The grammar is that of the globs in the configuration; `**` is none of a part's.

/// The most of either text that is looked at, in characters: longer names of files are rare, and matching is quadratic.
const MOST: usize = 256;

/// What a part of a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A folder.
    Folder,
    /// The file itself.
    File,
}

/// A piece of a pattern.
enum Piece {
    /// This letter.
    Letter(char),
    /// `?`, or one of a class.
    One,
    /// Any number of letters.
    Any,
    /// One of several texts.
    Either(Vec<String>),
}

/// Returns what each wildcard of a pattern stands for in a name; `None` where it does not fit.
///
/// The ending of a file stays, whichever side of the wildcard it is on: in `*.yaml` and `*` the one stands for `web.yaml`,
/// and so it does where `*-dev.yaml` fits `web-dev.yaml`.
pub(super) fn stand_for(pattern: &str, name: &str, of: Part) -> Option<Vec<String>> {
    let pieces = pieces(pattern)?;
    let name: Vec<char> = name.chars().collect();
    if pieces.len() > MOST || name.len() > MOST {
        return None;
    }
    let mut found = Vec::new();
    if !fits(&pieces, &name, &mut found, &mut (MOST * MOST)) {
        return None;
    }
    let last = pieces.iter().rposition(|piece| !matches!(piece, Piece::Letter(_)));
    let tail: String = pieces[last.map_or(0, |last| last + 1)..]
        .iter()
        .filter_map(|piece| match piece {
            Piece::Letter(letter) => Some(*letter),
            _ => None,
        })
        .collect();
    let mut found: Vec<String> = found.into_iter().rev().collect();
    if let (Part::File, Some(last), Some(dot)) = (of, found.last_mut(), tail.rfind('.')) {
        last.push_str(&tail[dot..]);
    }
    Some(found)
}

/// Reads a pattern; `None` where it is none.
fn pieces(pattern: &str) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '*' => pieces.push(Piece::Any),
            '?' => pieces.push(Piece::One),
            '\\' => pieces.push(Piece::Letter(letters.next()?)),
            '[' => {
                // The first letter of a class belongs to it, also where it is the bracket that would end it.
                let first = letters.next()?;
                if matches!(first, '!' | '^') {
                    letters.next()?;
                }
                letters.find(|letter| *letter == ']')?;
                pieces.push(Piece::One);
            }
            '{' => {
                let inner: String = letters.by_ref().take_while(|letter| *letter != '}').collect();
                // Wildcards in there are not told apart.
                if inner.contains(['*', '?', '[', '{', '\\']) {
                    return None;
                }
                pieces.push(Piece::Either(inner.split(',').map(str::to_owned).collect()));
            }
            other => pieces.push(Piece::Letter(other)),
        }
    }
    Some(pieces)
}

/// Whether pieces fit a name; what wildcards stand for is noted from the last to the first. `steps` bounds the search.
fn fits(pieces: &[Piece], name: &[char], found: &mut Vec<String>, steps: &mut usize) -> bool {
    let Some(left) = steps.checked_sub(1) else { return false };
    *steps = left;
    let Some((piece, rest)) = pieces.split_first() else { return name.is_empty() };
    let stands = |taken: usize, found: &mut Vec<String>, steps: &mut usize| {
        let is_fit = fits(rest, &name[taken..], found, steps);
        if is_fit && !matches!(piece, Piece::Letter(_)) {
            found.push(name[..taken].iter().collect());
        }
        is_fit
    };
    match piece {
        Piece::Letter(letter) => name.first() == Some(letter) && stands(1, found, steps),
        Piece::One => !name.is_empty() && stands(1, found, steps),
        Piece::Any => (0..=name.len()).any(|taken| stands(taken, found, steps)),
        Piece::Either(texts) => texts.iter().any(|text| {
            let length = text.chars().count();
            length <= name.len() && text.chars().eq(name[..length].iter().copied()) && stands(length, found, steps)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_differs_and_the_ending_stays() {
        for (pattern, name, expected) in [
            ("*", "web.yaml", Some("web.yaml")),
            ("*.yaml", "web.yaml", Some("web.yaml")),
            ("*-dev.yaml", "web-dev.yaml", Some("web.yaml")),
            ("*-dev.yaml", "web-dev-dev.yaml", Some("web-dev.yaml")),
            ("*.dev.yaml", "web.dev.yaml", Some("web.yaml")),
            ("*-dev", "shop-dev", Some("shop")),
            ("dev-{eu,us}", "dev-us", Some("us")),
            ("{eu,us}-*.yaml", "eu-web.yaml", Some("eu|web.yaml")),
            ("web-?.yaml", "web-7.yaml", Some("7.yaml")),
            ("web-[0-9].yaml", "web-7.yaml", Some("7.yaml")),
            ("web-[]7].yaml", "web-7.yaml", Some("7.yaml")),
            ("\\*-*.yaml", "*-web.yaml", Some("web.yaml")),
            ("*-dev.yaml", "web-prod.yaml", None),
            ("{a*,b}", "b", None),
            ("[", "[", None),
        ] {
            let found = stand_for(pattern, name, Part::File).map(|found| found.join("|"));
            assert_eq!(found.as_deref(), expected, "{pattern} {name}");
        }
        assert_eq!(stand_for("*.dev", "shop.dev", Part::Folder), Some(vec!["shop".to_owned()]));
        let many = "*a".repeat(100);
        assert_eq!(stand_for(&many, &"a".repeat(99), Part::File), None, "what fits in too many ways ends");
    }
}
