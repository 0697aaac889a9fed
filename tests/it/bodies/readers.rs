//! Readers of whole files that come from elsewhere: the configurations and snapshots.

use tagboat::config::fault::Faults;
use tagboat::config::{repository, service};
use tagboat::registry::snapshot::Snapshot;

/// Reads bytes as each of the two configurations.
pub(crate) fn configuration(bytes: &[u8]) {
    if let Err(faults) = repository::parse(".tagboat.yaml", bytes) {
        told(&faults);
    }
    if let Err(faults) = service::parse("service.yaml", bytes) {
        told(&faults);
    }
}

fn told(faults: &Faults) {
    assert!(!faults.0.is_empty(), "refused without a fault");
    let rendered = faults.render(false, 80);
    let is_hidden = |char: char| char.is_control() && char != '\n';
    assert!(!rendered.chars().any(is_hidden), "{rendered:?}");
}

/// Reads bytes as a snapshot: what is printed of it reads as the same, and prints as the same.
pub(crate) fn snapshot(bytes: &[u8]) {
    match Snapshot::parse(bytes) {
        Ok(snapshot) => {
            let printed = snapshot.to_json();
            let read = Snapshot::parse(printed.as_bytes()).expect("what was printed can be read");
            assert_eq!(read.to_json(), printed);
        }
        Err(error) => assert!(super::is_printable(&error.to_string()), "{error:?}"),
    }
}
