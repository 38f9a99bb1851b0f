//! What users ask for: containers, images, volumes and their life cycles.
pub(crate) mod container;
pub(crate) mod spec;
