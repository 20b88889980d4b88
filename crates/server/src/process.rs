//! What the operating system says about this process.

/// The resident memory, in bytes; none where the system does not tell. A read of a small file.
#[cfg(target_os = "linux")]
pub(crate) fn resident_bytes() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let resident_pages: usize = pages.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(resident_pages * rustix::param::page_size())
}

/// Unknown elsewhere.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident_bytes() -> Option<usize> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_is_resident() {
        let used = std::hint::black_box(vec![7_u8; 64 << 20]);
        let bytes = resident_bytes().unwrap();
        assert!((used.len()..1 << 40).contains(&bytes), "{bytes}");
    }
}
