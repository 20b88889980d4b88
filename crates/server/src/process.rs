//! What the operating system reports about this process.

/// The resident memory (RSS) in bytes; none where the system does not report it. It costs one read of a small file.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident_pages: usize = pages.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(resident_pages * rustix::param::page_size())
}

/// The resident memory is known on Linux only.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_bytes() -> Option<usize> {
    None
}

/// The name of the machine.
#[cfg(all(feature = "cluster", target_os = "linux"))]
pub(crate) fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Nothing in the standard library has the name of the machine.
#[cfg(all(feature = "cluster", not(target_os = "linux")))]
pub(crate) fn host_name() -> String {
    "weir".to_owned()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn used_memory_is_resident() {
        let used = std::hint::black_box(vec![7_u8; 64 << 20]);
        let bytes = resident_bytes().unwrap();
        assert!((used.len()..1 << 40).contains(&bytes), "{bytes}");
    }
}
