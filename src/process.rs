//! What the operating system says about this process, and to it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

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

/// A flag that is set when the process is asked to end, so that it can end in order. A second signal ends it at once: what it
/// waits for, such as a server or a terminal that takes nothing more (ctrl-s), could hold it up.
pub(crate) fn stop_on_signals() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        // In this order: the first signal finds the flag unset.
        signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
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
