//! The firewall: one table of our own, whose skeleton is made once and whose sets then gain and lose elements.

pub(crate) mod nft;
pub(crate) mod rule;
