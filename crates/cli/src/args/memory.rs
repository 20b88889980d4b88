//! The split of `--max-memory`.

use weir_server::limits;

/// The parts of `--max-memory`. The rest is slack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MemoryBudget {
    /// For the data of the engine, and for all other memory of the process. The server reports that memory to the
    /// engine.
    pub(super) engine_bytes: usize,
    /// For request bodies in flight, for parsing them, and for the responses.
    pub(super) bodies_bytes: usize,
}

impl MemoryBudget {
    /// Splits the limit.
    ///
    /// The server samples the memory of the process from time to time, so memory can grow unnoticed between two
    /// samples:
    ///
    /// - Bodies get a quarter, but no more than without a limit, and no less than two of the largest bodies.
    /// - The slack for all other growth is an eighth, and at least
    ///   [`MEMORY_SLACK_BYTES_MIN`](limits::MEMORY_SLACK_BYTES_MIN).
    /// - The engine gets the rest.
    pub(super) fn new(max_memory_bytes: usize, max_body_bytes: usize) -> Self {
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
    fn the_engine_gets_the_rest() {
        let split = |max_memory_mib: usize, max_body_mib: usize| {
            let MemoryBudget { engine_bytes, bodies_bytes } =
                MemoryBudget::new(max_memory_mib << 20, max_body_mib << 20);
            (engine_bytes >> 20, bodies_bytes >> 20)
        };
        assert_eq!(split(512, 16), (256, 128));
        assert_eq!(split(8_192, 16), (6_656, 512));
        assert_eq!(split(512, 100), (184, 200), "two of the largest body");
        assert_eq!(split(32, 16), (0, 32), "the limit is too small for the engine");
    }
}
