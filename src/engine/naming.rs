//! Names for containers that were given none: an adjective and somebody or something of the sea.

use anyhow::{Context, Result};

const FIRST: [&str; 64] = [
    "able", "amber", "azure", "bold", "brave", "brisk", "bright", "calm", "candid", "clear", "clever", "coral", "crisp", "daring",
    "deft", "eager", "early", "elder", "fair", "fleet", "fond", "frank", "fresh", "gentle", "glad", "golden", "grand", "happy",
    "hardy", "honest", "humble", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lunar", "mellow", "merry", "mild", "modest",
    "nimble", "noble", "patient", "plain", "proud", "quick", "quiet", "rapid", "ready", "rosy", "serene", "sharp", "silver",
    "smart", "solid", "steady", "sunny", "swift", "tidy", "vivid", "warm", "wise",
];

const SECOND: [&str; 64] = [
    "anchor", "battuta", "beacon", "boatswain", "bosun", "breeze", "brine", "buoy", "cabot", "captain", "compass", "coxswain",
    "current", "delta", "dolphin", "drake", "eddy", "estuary", "falcon", "fathom", "ferry", "galley", "gull", "harbor", "haven",
    "heron", "island", "jetty", "keel", "lagoon", "lantern", "lateen", "mainsail", "majid", "mariner", "mast", "meridian", "monsoon",
    "nadir", "navigator", "oar", "osprey", "otter", "pearl", "pelican", "petrel", "pilot", "plover", "polaris", "quay", "reef",
    "rigger", "rudder", "sailor", "sextant", "shoal", "sindbad", "spray", "tern", "tide", "trade", "voyager", "wharf", "zenith",
];

/// A random name, `swift_lateen7`: one of about two million.
pub(crate) fn random() -> Result<String> {
    let bytes = crate::sys::random::bytes().context("get random bytes")?;
    let number = u16::from_le_bytes([bytes[2], bytes[3]]) % 512;
    Ok(format!("{}_{}{number}", FIRST[usize::from(bytes[0]) % 64], SECOND[usize::from(bytes[1]) % 64]))
}
