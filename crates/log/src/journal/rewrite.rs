//! The frames of a journal, written anew for other settings: only rows that were accepted, and nothing is judged again.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir::{EngineConfig, Rows, second_of};

use super::error::Difference;
use super::judged::Judged;
use super::survey::Table;
use crate::frame::{FrameBuilder, Head, Judgement, Part};
use crate::topic::Place;

/// What a migration changes, keeps and loses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Migration {
    /// The settings that change.
    pub differences: Vec<Difference>,
    /// The accepted events that are kept.
    pub kept_events: u64,
    /// The accepted events that are lost because their type is not configured any more, by type.
    pub lost_types: BTreeMap<String, u64>,
    /// The accepted events that are lost because their timestamp is further from their arrival than the new max-skew.
    pub lost_to_skew: u64,
    /// Log time after the first frame and after the last one, in milliseconds since the epoch; none without a frame.
    pub log_ms: Option<(i64, i64)>,
    /// The reference table before the migration.
    pub table: Option<Table>,
    /// Whether the users of the table are dropped, because the attributes change. Its number and timestamp are kept.
    pub drops_users: bool,
}

impl Migration {
    /// The accepted events that are lost.
    #[must_use]
    pub fn lost_events(&self) -> u64 {
        self.lost_types.values().sum::<u64>() + self.lost_to_skew
    }
}

/// Writes frames for other settings.
pub(super) struct Rewriter<'a> {
    from: &'a EngineConfig,
    /// The new kind of each old kind.
    kinds: Vec<Option<u8>>,
    max_skew_secs: u64,
    node: u64,
    /// The place of the last frame, which is its number, too.
    last: u64,
    log_ms: i64,
    /// The kept ids by the second of log time in which they were accepted.
    ids: BTreeMap<i64, u64>,
    pub(super) kept_events: u64,
    pub(super) lost_types: BTreeMap<String, u64>,
    pub(super) lost_to_skew: u64,
    rows: Rows,
    kept: Rows,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(from: &'a EngineConfig, to: &EngineConfig, node: u64) -> Self {
        let kind = |name: &String| to.event_types.iter().position(|new| new == name).map(|kind| kind as u8);
        Self {
            from,
            kinds: from.event_types.iter().map(kind).collect(),
            max_skew_secs: u64::from(to.max_skew_secs),
            node,
            last: 0,
            log_ms: i64::MIN,
            ids: BTreeMap::new(),
            kept_events: 0,
            lost_types: BTreeMap::new(),
            lost_to_skew: 0,
            rows: Rows::default(),
            kept: Rows::default(),
        }
    }

    /// The new frames for an old one: none if no row of it is kept, and rarely two.
    pub(super) fn rewrite(&mut self, judged: &Judged<'_>) -> Vec<Arc<[u8]>> {
        self.log_ms = judged.log_ms;
        let Some(Judgement::Refused(refused)) = &judged.judgement else { return vec![] };
        let (mut frames, mut frame) = (vec![], None);
        let (mut refused, mut row) = (refused.iter().map(|(row, _)| *row).peekable(), 0);
        for part in &judged.frame.parts {
            self.keep_rows(part, || {
                row += 1;
                refused.next_if_eq(&(row - 1)).is_none()
            });
            let mut start = 0;
            while start < self.kept.len() {
                let builder = frame.get_or_insert_with(|| self.begin(&judged.frame.head));
                let end = self.kept.len().min(start + builder.rows_left());
                if end > start {
                    builder.push(part.ticket, part.received_at_ms, &self.kept, start..end);
                }
                if end < self.kept.len() {
                    frames.extend(frame.take().map(FrameBuilder::finish));
                }
                start = end;
            }
        }
        frames.extend(frame.map(FrameBuilder::finish));
        frames
    }

    /// A last frame, which records the one before it.
    pub(super) fn last_frame(&mut self) -> Option<Arc<[u8]>> {
        let head = Head { reading_ms: self.log_ms, ..Head::default() };
        (self.last > 0).then(|| self.begin(&head).finish())
    }

    /// The most ids that were accepted within `horizon_secs` seconds of log time.
    pub(super) fn ids_within(&self, horizon_secs: u64) -> u64 {
        let horizon_secs = i64::try_from(horizon_secs).unwrap_or(i64::MAX);
        let (mut most, mut sum) = (0, 0);
        let mut oldest = self.ids.iter().peekable();
        for (second, ids) in &self.ids {
            sum += ids;
            while let Some((_, ids)) = oldest.next_if(|(old, _)| **old < second.saturating_sub(horizon_secs)) {
                sum -= ids;
            }
            most = most.max(sum);
        }
        most
    }

    /// Begins the next frame, with the log time of the old one.
    fn begin(&mut self, old: &Head) -> FrameBuilder {
        let recorded_from = Place(self.last);
        self.last += 1;
        let head = Head {
            node: self.node,
            number: self.last,
            reading_ms: old.reading_ms,
            log_ms: self.log_ms,
            table: old.table,
            ..Head::default()
        };
        let mut frame = FrameBuilder::new(&head, recorded_from);
        if recorded_from > Place(0) {
            frame.record(&Judgement::Refused(vec![]));
        }
        frame
    }

    /// Puts the rows of a part that are accepted and have a place in the new settings into `kept`.
    fn keep_rows(&mut self, part: &Part<'_>, mut is_accepted: impl FnMut() -> bool) {
        part.read_rows(&mut self.rows);
        self.kept.clear();
        let received_at = second_of(part.received_at_ms);
        for row in 0..self.rows.len() {
            if !is_accepted() {
                continue;
            }
            let (key, mut record, second) = self.rows.row(row);
            let old_kind = usize::from(record[0]);
            if let Some(kind) = self.kinds[old_kind] {
                if second.abs_diff(received_at) <= self.max_skew_secs {
                    record[0] = kind;
                    self.kept.push(key, record, second);
                } else {
                    self.lost_to_skew += 1;
                }
            } else {
                *self.lost_types.entry(self.from.event_types[old_kind].clone()).or_default() += 1;
            }
        }
        self.kept_events += self.kept.len() as u64;
        *self.ids.entry(second_of(self.log_ms)).or_default() += self.kept.len() as u64;
    }
}
