//! Blobs, layers, writable layers and volumes: everything that keeps bytes for containers.

pub(crate) mod changes;
pub(crate) mod compression;
pub(crate) mod content;
pub(crate) mod derived;
pub(crate) mod erofs;
pub(crate) mod extract;
pub(crate) mod layer;
pub(crate) mod member;
pub(crate) mod overlay;
pub(crate) mod pack;
pub(crate) mod place;
mod replica;
pub(crate) mod shift;
pub(crate) mod staging;
pub(crate) mod tree;
pub(crate) mod unpack;
pub(crate) mod volume;
pub(crate) mod whiteout;
pub(crate) mod whole;
