//! Pages of registries where people can look at an image's tag.
//!
//! Entry point: [`page`]. Pure. Only registries whose pages are addressed by the image's name alone; of others there is no link.

use std::fmt::Write as _;

use crate::model::image::{DOCKER_HUB, ImageName, Tag};

/// Returns the address of a page about a tag, or about its image where tags have no page of their own.
pub(super) fn page(image: &ImageName, tag: &Tag) -> Option<String> {
    let (path, tag) = (encoded(image.path()), encoded(tag.as_str()));
    match image.host() {
        DOCKER_HUB => Some(match path.strip_prefix("library/") {
            Some(name) => format!("https://hub.docker.com/_/{name}/tags?name={tag}"),
            None => format!("https://hub.docker.com/r/{path}/tags?name={tag}"),
        }),
        // It leads to the package's page, whose address depends on whether its owner is an organization.
        "ghcr.io" => Some(format!("https://ghcr.io/{path}")),
        "quay.io" => Some(format!("https://quay.io/repository/{path}?tab=tags&tag={tag}")),
        _ => None,
    }
}

/// Writes a text so that nothing of it ends an address, in a query, or in Markdown.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'/' | b'_' => encoded.push(char::from(byte)),
            other => {
                let _infallible = write!(encoded, "%{other:02X}");
            }
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_linked_where_its_registry_has_a_page() {
        for (image, expected) in [
            ("nginx", Some("https://hub.docker.com/_/nginx/tags?name=1.5.0")),
            ("acme/web", Some("https://hub.docker.com/r/acme/web/tags?name=1.5.0")),
            ("ghcr.io/acme/shop/web", Some("https://ghcr.io/acme/shop/web")),
            ("quay.io/acme/web", Some("https://quay.io/repository/acme/web?tab=tags&tag=1.5.0")),
            ("registry.example:5000/acme/web", None),
            ("ghcr.io.example/acme/web", None),
        ] {
            assert_eq!(page(&image.parse().unwrap(), &"1.5.0".parse().unwrap()).as_deref(), expected, "{image}");
        }
    }

    #[test]
    fn nothing_in_a_name_ends_the_address() {
        assert_eq!(encoded("a)b <c>\n|[x](y)&#é"), "a%29b%20%3Cc%3E%0A%7C%5Bx%5D%28y%29%26%23%C3%A9");
    }
}
