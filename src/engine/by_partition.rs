//! Events on their way into the windows, partition by partition.

use crate::key::UserKey;

/// The second and the record of an event.
pub(super) type Event = (i64, u128);

/// The events of a batch, ordered by partition and second. Its memory is reused from batch to batch.
#[derive(Default)]
pub(super) struct ByPartition {
    events: Vec<Event>,
    /// Where the events of each partition end.
    ends: Vec<usize>,
}

impl ByPartition {
    /// Replaces the events. Those of one partition and one second keep their order. O(events) if the seconds do not
    /// decrease.
    pub(super) fn set(&mut self, partitions: usize, events: impl Iterator<Item = Event> + Clone) {
        let Self { events: ordered, ends } = self;
        let partition_of = |record| UserKey::partition_of_record(record, partitions);
        ends.clear();
        ends.resize(partitions, 0);
        events.clone().for_each(|(_, record)| ends[partition_of(record)] += 1);
        // Until its events are in their places, the end of a partition is the place of its next event.
        let mut count = 0;
        for end in ends.iter_mut() {
            count += std::mem::replace(end, count);
        }
        // What is there is overwritten.
        ordered.resize(count, (0, 0));
        for event in events {
            let place = &mut ends[partition_of(event.1)];
            ordered[*place] = event;
            *place += 1;
        }
        for of_partition in self.of_partitions().filter(|events| !events.is_sorted_by_key(|(second, _)| *second)) {
            of_partition.sort_by_key(|(second, _)| *second);
        }
    }

    /// The number of events.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The events of each partition, in the order of their seconds.
    pub(super) fn of_partitions(&mut self) -> impl Iterator<Item = &mut [Event]> {
        let (mut rest, mut start) = (&mut self.events[..], 0);
        self.ends.iter().map(move |end| {
            let (of_partition, after) =
                std::mem::take(&mut rest).split_at_mut(end - std::mem::replace(&mut start, *end));
            rest = after;
            of_partition
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event of a partition. `number` tells it from others.
    fn event(partition: u128, second: i64, number: u128) -> Event {
        (second, number << 64 | partition << 8)
    }

    fn set(events: &mut ByPartition, partitions: usize, new: &[Event]) -> Vec<Vec<Event>> {
        events.set(partitions, new.iter().copied());
        assert_eq!(events.len(), new.len());
        events.of_partitions().map(|events| events.to_vec()).collect()
    }

    #[test]
    fn events_are_ordered_by_partition_and_second_and_keep_their_order_otherwise() {
        let mut events = ByPartition::default();
        let mixed = [event(3, 7, 1), event(0, 5, 2), event(3, 6, 3), event(0, 5, 4), event(3, 7, 5), event(2, 9, 6)];
        let of_partitions = set(&mut events, 4, &mixed);
        assert_eq!(of_partitions[0], [event(0, 5, 2), event(0, 5, 4)]);
        assert_eq!(of_partitions[1], []);
        assert_eq!(of_partitions[2], [event(2, 9, 6)]);
        assert_eq!(of_partitions[3], [event(3, 6, 3), event(3, 7, 1), event(3, 7, 5)]);
    }

    #[test]
    fn nothing_is_left_of_the_events_before() {
        let mut events = ByPartition::default();
        let of_partition = |number| event(1, -1, number);
        let _ = set(&mut events, 4, &[0, 1, 2].map(of_partition));
        assert_eq!(set(&mut events, 2, &[of_partition(9)]), [vec![], vec![of_partition(9)]]);
        assert_eq!(set(&mut events, 2, &[]), [vec![], vec![]]);
    }
}
