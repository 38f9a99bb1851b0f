//! What the guest does in tests that take its power away or start it more than once; ignored elsewhere.

mod reboot;
mod work;
