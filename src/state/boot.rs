//! What tells this boot from every other.

use std::fs;
use std::sync::OnceLock;

/// The id of this boot (`/proc/sys/kernel/random/boot_id`); empty where it cannot be read, which equals no record's.
pub(crate) fn id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_or_else(|_| String::new(), |text| text.trim().to_owned())
    })
}
