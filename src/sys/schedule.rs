//! How the kernel gives a process its time and memory: sched_setattr(2), set_mempolicy(2).

use std::io;

/// `struct sched_attr`, as of Linux 5.3.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    /// Set by [`set_scheduler`].
    pub(crate) size: u32,
    pub(crate) policy: u32,
    pub(crate) flags: u64,
    pub(crate) nice: i32,
    pub(crate) priority: u32,
    /// Nanoseconds, as the two that follow.
    pub(crate) runtime: u64,
    pub(crate) deadline: u64,
    pub(crate) period: u64,
    pub(crate) clamp_min: u32,
    pub(crate) clamp_max: u32,
}

/// Sets the scheduler of this thread.
pub(crate) fn set_scheduler(attributes: &Attributes) -> io::Result<()> {
    let sized = Attributes { size: u32::try_from(size_of::<Attributes>()).map_err(io::Error::other)?, ..*attributes };
    // SAFETY: the structure is live, of the size that it says, and only read.
    let code = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const sized, 0) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the NUMA policy of this thread: the mode with its flags, and one bit for each node.
pub(crate) fn set_memory_policy(mode: i32, nodes: &[u64]) -> io::Result<()> {
    let bits = nodes.len() * 64;
    // The kernel reads one bit less than it is told.
    let most = if nodes.is_empty() { 0 } else { bits + 1 };
    let pointer = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    // SAFETY: `most - 1` bits are live behind the pointer, and only read; null with 0 is allowed.
    let code = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, pointer, most) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_that_of_the_kernel() {
        assert_eq!(size_of::<Attributes>(), 56);
    }

    #[test]
    fn a_thread_of_its_own_is_scheduled_in_batches() {
        std::thread::spawn(|| {
            set_scheduler(&Attributes { policy: 3, nice: 5, ..Attributes::default() }).unwrap();
            // SAFETY: integers only. The C library's own function is not implemented everywhere.
            assert_eq!(unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) }, 3);
            assert!(set_scheduler(&Attributes { policy: 99, ..Attributes::default() }).is_err());
        })
        .join()
        .unwrap();
    }
}
