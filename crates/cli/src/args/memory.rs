//! How the memory of the whole process is shared out.

use weir_server::limits;

/// The parts of `--max-memory`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares {
    /// For what the engine holds, and for all that the process takes beside: the engine is told.
    pub(super) engine_bytes: usize,
    /// For bodies in flight, for reading them, and for the answers to them.
    pub(super) bodies_bytes: usize,
}

impl Shares {
    /// A quarter is for bodies that come between two looks at the process, but no more than without a limit, and two of the
    /// largest in any case; an eighth, and [`MEMORY_SLACK_BYTES_MIN`](limits::MEMORY_SLACK_BYTES_MIN) at the least, is for all
    /// else that can grow between them; the rest is the engine's.
    pub(super) fn of(max_memory_bytes: usize, max_body_bytes: usize) -> Self {
        let least_bodies_bytes = max_body_bytes.saturating_mul(2);
        let bodies_bytes = (max_memory_bytes / 4).min(limits::BODIES_BYTES_DEFAULT).max(least_bodies_bytes);
        let slack_bytes = (max_memory_bytes / 8).max(limits::MEMORY_SLACK_BYTES_MIN);
        let engine_bytes = max_memory_bytes.saturating_sub(bodies_bytes).saturating_sub(slack_bytes);
        Self { engine_bytes, bodies_bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_has_what_bodies_and_slack_leave() {
        let shares = |max_memory_mib: usize, max_body_mib: usize| {
            let Shares { engine_bytes, bodies_bytes } = Shares::of(max_memory_mib << 20, max_body_mib << 20);
            (engine_bytes >> 20, bodies_bytes >> 20)
        };
        assert_eq!(shares(512, 16), (256, 128));
        assert_eq!(shares(8_192, 16), (6_656, 512));
        assert_eq!(shares(512, 100), (184, 200), "two of the largest body");
        assert_eq!(shares(32, 16), (0, 32), "too little for anything");
    }
}
