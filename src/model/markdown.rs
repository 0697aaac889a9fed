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

/// How the words begin behind which GitLab closes issues, and what may stand between the two.
const CLOSING: [&str; 5] = ["clos", "fix", "resolv", "implement", "issue"];

/// Writes a text from outside as code, which no forge looks into for mentions, links or HTML. GitLab looks there for what closes issues: a word
/// joiner keeps a reference from being one, and whatever closes nothing stays as it is, so that it can be copied.
pub fn code(text: &str) -> String {
    let mut written = String::new();
    let mut before = '\0';
    let mut rest = shown(text, LONGEST_CODE).peekable();
    while let Some(character) = rest.next() {
        let next = rest.peek().copied().unwrap_or_default();
        let is_address = character == '/' && before == ':';
        let is_bracket = before == '[' && character.is_ascii_alphabetic();
        let is_number = character == '-' && next.is_ascii_digit();
        let is_reference = is_address || is_bracket || (is_number && ends_as_key(&written));
        if is_reference && stands_behind_closing(&written) {
            written.push('\u{2060}');
        }
        before = character;
        written.push(match character {
            '`' => '\'',
            '|' => '¦',
            '\n' | '\r' | '\t' => ' ',
            other if other.is_control() => '\u{fffd}',
            other => other,
        });
        if matches!(character, '#' | '!') && next.is_ascii_digit() {
            written.push('\u{2060}');
        }
    }
    if written.is_empty() { String::new() } else { format!("`{written}`") }
}

/// Whether a text ends in what may be the name of a project of Jira's.
fn ends_as_key(written: &str) -> bool {
    let word = written.rsplit(' ').next().unwrap_or_default();
    let is_of_key = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    word.starts_with(|letter: char| letter.is_ascii_uppercase()) && word.chars().all(is_of_key)
}

/// Whether the last word of a text stands behind one that closes what is named.
fn stands_behind_closing(written: &str) -> bool {
    let before = written.rsplit(' ').filter(|word| !word.is_empty()).nth(1).map(str::to_ascii_lowercase);
    before.is_some_and(|before| CLOSING.iter().any(|word| before.contains(word)))
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

    /// As GitLab reads a description: raw, and with code in it.
    #[test]
    fn code_closes_nothing_and_is_copied_as_it_is_where_it_could_not() {
        let reference = r"(?:[\w./-]*#\d+|!\d+|https?://\S+|[A-Z][A-Z0-9_]+-\d+|\[\w+:\d+\])";
        let words = r"(?:[Cc]los(?:e[sd]?|ing)|[Ff]ix(?:e[sd]|ing)?|[Rr]esolv(?:e[sd]?|ing)|[Ii]mplement(?:s|ed|ing)?)";
        let closing = regex::Regex::new(&format!(r"\b{words}:? +(?:issues? +)?{reference}")).unwrap();
        for text in [
            "prod/closes #7, !3 @ada.yaml",
            "Fixes: acme/web#7",
            "resolves issues #7",
            "implement !3",
            "closing https://forge.example/acme/web/-/issues/7",
            "closed ACME-7",
            "closes AB2-7",
            "fixed\tACME-7",
            "resolve [issue:7]",
        ] {
            assert!(closing.is_match(&text.replace('\t', " ")), "{text} is a case");
            let written = code(text);
            assert!(!closing.is_match(&written), "{written}");
            assert_eq!(written.replace('\u{2060}', ""), format!("`{}`", text.replace('\t', " ")));
        }
        for text in [
            "apps/web/prefix/RC-1.yaml",
            "registry.acme.example:5000/acme/web:1.5.0-1@sha256:0123",
            "https://forge.example/acme/gitops/pulls/7",
            "tagboat rollback web --env prod --reason 'fixes the hole!' --to RC-1 --repo https://forge.example/a.git",
            "docs/C# and so on/web.yaml",
        ] {
            assert_eq!(code(text), format!("`{text}`"));
        }
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
