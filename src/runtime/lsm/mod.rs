//! Labels and profiles of Linux security modules, set for the next execve.

pub(crate) mod apparmor;
pub(crate) mod selinux;
