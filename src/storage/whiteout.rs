//! The words in which overlayfs keeps what a layer takes away.

/// Attributes by which overlayfs itself speaks.
pub(crate) fn internal(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}
