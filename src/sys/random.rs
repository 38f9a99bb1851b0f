//! Random bytes. getrandom(2).

use std::io;

/// 32 bytes from the kernel.
pub(crate) fn bytes() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let got = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    // Up to 256 bytes come whole (getrandom(2)).
    if got == bytes.len() { Ok(bytes) } else { Err(io::Error::other("getrandom gave too little")) }
}
