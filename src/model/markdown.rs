//! Text from outside in Markdown: shown as it is, and meaning nothing.
//!
//! Entry points: [`code`], [`plain`] and, for commits, [`quiet`]. No mention, closing keyword, HTML, link or hidden marker comes through either,
//! in the Markdown of GitHub, GitLab, Gitea and Forgejo.

/// The longest prose from outside that is shown whole, in characters: what a person gives as a reason, and a line of a release note.
const LONGEST: usize = 2_000;

/// The longest text that is shown whole as code.
const LONGEST_CODE: usize = 300;

/// What stands where a text was cut.
const CUT: char = '…';

/// Returns as much of a text as is shown, with a sign where there was more.
fn shown(text: &str, longest: usize) -> impl Iterator<Item = char> {
    let end = text.char_indices().nth(longest).map(|(end, _)| end);
    text[..end.unwrap_or(text.len())].chars().chain(end.map(|_| CUT))
}

/// Writes a text from outside as code, which no forge looks into for mentions, links or HTML.
pub fn code(text: &str) -> String {
    let shown: String = shown(text, LONGEST_CODE)
        .map(|character| match character {
            '`' => '\'',
            '|' => '¦',
            '\n' | '\r' | '\t' => ' ',
            other if other.is_control() => '\u{fffd}',
            other => other,
        })
        .collect();
    if shown.is_empty() { String::new() } else { format!("`{shown}`") }
}

/// Writes a text from outside as prose in which nothing means anything.
pub fn plain(text: &str) -> String {
    written(text, Place::Markdown)
}

/// Writes a text from outside for a commit's message, which is no Markdown: forges look for mentions and closing keywords there, too.
pub fn quiet(text: &str) -> String {
    written(text, Place::Message)
}

/// Where a text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Markdown,
    Message,
}

fn written(text: &str, place: Place) -> String {
    let mut shown = String::new();
    let mut before = ['\0'; 2];
    let mut rest = self::shown(text, LONGEST).peekable();
    while let Some(character) = rest.next() {
        // Nor may `ACME-1`, which closes an issue of Jira's where GitLab is joined with that.
        let is_key =
            character == '-' && before[1].is_ascii_uppercase() && rest.peek().is_some_and(char::is_ascii_digit);
        // Neither `https://…` nor `GH-1` may become a link that a closing keyword could stand before.
        // GitLab carries out a line that begins with `/merge`: no slash that begins a word stays one.
        let is_action = character == '/' && (before[1] == '\0' || before[1].is_whitespace());
        // GitHub's Markdown makes a link of what begins so.
        let is_page = character == '.' && before.map(|letter| letter.to_ascii_lowercase()) == ['w', 'w'];
        let is_link = is_action
            || is_page
            || is_key
            || (character == '/' && before[1] == ':')
            || (character == '-' && before.map(|letter| letter.to_ascii_lowercase()) == ['g', 'h']);
        if is_link {
            shown.push('\u{2060}');
        }
        before = [before[1], character];
        match character {
            '<' | '>' | '&' | '`' | '*' | '_' | '[' | ']' | '|' | '\\' | '~' if place == Place::Message => {
                shown.push(character);
            }
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            // GitLab looks for references in what is shown, where an escaped sign is the sign: epics (`&1`), labels (`~bug`), milestones
            // (`%1`), snippets (`$1`), alerts (`^`) and whatever stands in brackets (`[work_item:1]`).
            '&' => shown.push_str("&amp;\u{2060}"),
            '~' | '[' => {
                shown.push('\\');
                shown.push(character);
                shown.push('\u{2060}');
            }
            '%' | '$' | '^' if place == Place::Markdown && rest.peek().is_some_and(|next| !next.is_whitespace()) => {
                shown.push(character);
                shown.push('\u{2060}');
            }
            // A word joiner keeps a mention or a reference to an issue from being one.
            // One that has it already gets no further one: an order that is made anew has the words that it had.
            '@' | '#' | '!' if rest.peek() == Some(&'\u{2060}') => shown.push(character),
            '@' | '#' | '!' => {
                shown.push(character);
                shown.push('\u{2060}');
            }
            '`' | '*' | '_' | ']' | '|' | '\\' => {
                shown.push('\\');
                shown.push(character);
            }
            '\n' | '\r' | '\t' => shown.push(' '),
            other if other.is_control() => shown.push('\u{fffd}'),
            other => shown.push(other),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_means_nothing() {
        assert_eq!(code("a`b|c\n@x"), "`a'b¦c @x`");
        assert_eq!(plain("closes #1 @acme <b>"), "closes #\u{2060}1 @\u{2060}acme &lt;b&gt;");
        assert_eq!(plain("fixes https://x/1 gh-2"), "fixes https:\u{2060}//x/1 gh\u{2060}-2");
        assert_eq!(plain("closes ACME-1: a-1 ```x"), "closes ACME\u{2060}-1: a-1 \\`\\`\\`x");
        assert_eq!(
            quiet("closes #1 GH-2, <b>_@acme_</b>\n"),
            "closes #\u{2060}1 GH\u{2060}-2, <b>_@\u{2060}acme_</b> "
        );
        for reference in ["&1", "~bug", "%1", "$1", "^1", "[work_item:1]", "www.evil.example", "ada@acme.example"] {
            let shown = plain(&format!("closes {reference}"));
            let text = shown.replace("&amp;", "&").replace('\\', "");
            assert!(!text.contains(reference), "{shown}");
            assert_eq!(text.replace('\u{2060}', ""), format!("closes {reference}"), "it is shown as it is");
        }
        assert_eq!(plain("95% of $ 5"), "95% of $ 5");
        assert!(!plain("<!-- tagboat: {} -->").contains("<!--"));
        assert_eq!(plain("/merge and /close\n/close a/b"), "\u{2060}/merge and \u{2060}/close \u{2060}/close a/b");
        assert_eq!(code("/merge\n/close"), "`/merge /close`");
    }

    #[test]
    fn what_is_written_again_in_a_message_stays_as_it_is() {
        for text in [
            "1.6.0@sha256:0123 is passed over (it is newer)",
            "closes #1 !2 GH-2 ACME-1 @ada",
            "www.x https://x/1 /merge",
        ] {
            let once = quiet(text);
            assert_eq!(quiet(&once), once, "{text}");
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(plain(&"a".repeat(2_000)), "a".repeat(2_000));
        assert_eq!(plain(&"ä".repeat(2_001)), format!("{}…", "ä".repeat(2_000)));
        assert_eq!(code(&"a".repeat(301)), format!("`{}…`", "a".repeat(300)));
    }
}
