//! Quadlets: `Image=` in the units that Podman makes into services of systemd.
//!
//! What names another unit (`web.image`, `web.build`) is no reference.

use crate::manifest::finder::Found;
use crate::manifest::reference;
use crate::manifest::variable::{self, Token, Values};
use crate::model::site::{Format, SkipReason};

/// The sections with an `Image=`.
const SECTIONS: [&str; 4] = ["[Container]", "[Image]", "[Volume]", "[Artifact]"];

/// Finds the references of a unit.
pub(crate) fn find(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut is_inside = false;
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    for line in text[at..].split_inclusive('\n') {
        let start = at;
        at += line.len();
        let content = line.trim();
        if content.starts_with('[') {
            is_inside = SECTIONS.contains(&content);
        }
        let Some((key, value)) = line.split_once('=').filter(|(key, _)| is_inside && key.trim() == "Image") else {
            continue;
        };
        let value_at = start + key.len() + 1 + (value.len() - value.trim_start().len());
        let mut value = value.trim();
        let scheme = if value.starts_with("docker://") { "docker://".len() } else { 0 };
        value = &value[scheme..];
        let is_unit = !value.contains([':', '/']) && (value.ends_with(".image") || value.ends_with(".build"));
        if value.is_empty() || is_unit {
            continue;
        }
        let start = value_at + scheme;
        // `%i` and its like are filled in by systemd; `${…}` has no defaults there.
        found.push(if value.contains(['%', '$']) {
            let mut reading = reference::read(value);
            if value.contains('%') {
                reading.skipped = Some(SkipReason::Variable(crate::model::image::shorten(value)));
            }
            Found::from_line(Format::Quadlet, start, reading, None)
        } else {
            variable::reference(value, start, &Values::new(), Token::RAW, Format::Quadlet)
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn only_images_of_the_right_sections_are_found() {
        let text = "[Unit]\nImage=a:1.0\n[Container]\n#Image=b:1.0\nImage = c:1.0\r\nImage=web.build\nImage=docker://d:1.0\n[Service]\nImage=e:1.0\n";
        let tags: Vec<&str> =
            find(text).iter().flat_map(|find| &find.slots).map(|slot| &text[slot.span.clone()]).collect();
        assert_eq!(tags, ["1.0", "1.0"]);
        assert_eq!(find(text).iter().map(|find| find.written.clone()).collect::<Vec<_>>(), ["c", "d"]);
    }

    #[test]
    fn specifiers_are_reported() {
        let found = find("[Container]\nImage=ghcr.io/acme/web:%i\n");
        assert_eq!(found[0].skipped.as_ref().unwrap().to_string(), "holds the variable ghcr.io/acme/web:%i");
    }
}
