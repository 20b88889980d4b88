//! A desk with its threads: one orders, one applies. The log between them is a queue of frames.

use crate::answers::Answer;
use crate::applied::{Applied, Tip};
use crate::desk::Desk;
use crate::frame::{Frame, Judgement, RowRules};
use crate::order::Submission;
use crate::topic::{Lost, NotPlaced, Place};
use shuttle::sync::Mutex;
use shuttle::sync::mpsc::{Receiver, Sender, channel};
use shuttle::thread::{JoinHandle, spawn};
use std::sync::Arc;
use weir::{EngineConfig, ManualClock, Outcome, Reservation, Rows};

const NOW_MS: i64 = 1_760_000_000_000;
const NODE: u64 = 7;

/// What becomes of the frames, in turn: their places, or why they have none.
pub type Fates = Vec<Result<(), NotPlaced>>;

/// The answers, each with the number of its batch, and whether the rows of the batch were applied by then.
pub type Told = Arc<Mutex<Vec<(usize, Answer, bool)>>>;

#[derive(Clone)]
pub struct Client {
    desk: Arc<Desk>,
    told: Told,
    /// The ids that are applied.
    applied: Arc<Mutex<Vec<u8>>>,
}

/// A desk that takes batches, and its threads.
pub fn start(depth: usize, fates: Fates) -> (Client, [JoinHandle<()>; 2]) {
    let desk = Arc::new(Desk::new(NODE, depth, false, 1, Box::new(ManualClock::new(NOW_MS))));
    desk.ready();
    let client = Client { desk, told: Arc::default(), applied: Arc::default() };
    let (frames, log) = channel();
    let (order, apply) = (client.clone(), client.clone());
    (client, [spawn(move || order.order(fates, &frames)), spawn(move || apply.apply(&log))])
}

impl Client {
    /// Submits a batch of one row with this id, and returns its ticket.
    pub fn submit(&self, id: u8) -> u64 {
        let mut rows = Rows::default();
        rows.push([id; 16], [0; 16], NOW_MS / 1_000);
        let (told, applied) = (Arc::clone(&self.told), Arc::clone(&self.applied));
        let asker = Box::new(move |answer| {
            let is_applied = applied.lock().unwrap_or_else(|_| unreachable!()).contains(&id);
            told.lock().unwrap_or_else(|_| unreachable!()).push((usize::from(id), answer, is_applied));
        });
        self.desk.submit(Submission { rows, reservation: Reservation::default(), received_at_ms: NOW_MS, asker })
    }

    pub fn give_up(&self, ticket: u64) {
        self.desk.give_up(ticket);
    }

    pub fn close(&self) {
        self.desk.close();
    }

    pub fn fail(&self) {
        self.desk.fail(Lost::log("the disk is gone"));
    }

    /// The answers, by the number of the batch.
    pub fn told(&self) -> Vec<(usize, Answer, bool)> {
        let mut told = self.told.lock().unwrap_or_else(|_| unreachable!()).clone();
        told.sort_by_key(|(id, ..)| *id);
        told
    }

    /// Puts frames into the log. A frame without a known place is in the log all the same.
    fn order(&self, fates: Fates, log: &Sender<Arc<[u8]>>) {
        let mut fates = fates.into_iter();
        let mut places = 0;
        while let Some(work) = self.desk.wait_for_frame() {
            let result = fates.next().unwrap_or(Ok(()));
            if result != Err(NotPlaced::Full) {
                places += 1;
                log.send(work.frame.bytes).unwrap_or_else(|_| unreachable!());
            }
            self.desk.placed(work.frame.number, result.map(|()| Place(places)));
        }
    }

    /// Accepts every row.
    fn apply(&self, log: &Receiver<Arc<[u8]>>) {
        let mut place = Place(0);
        while let Ok(bytes) = log.recv() {
            place.0 += 1;
            let frame = Frame::decode(&bytes, RowRules::new(&EngineConfig::default())).expect("a frame");
            let mut rows = Rows::default();
            for part in &frame.parts {
                drop(self.desk.take_reservation(NODE, part.ticket, part.len()));
                part.read_rows(&mut rows);
                self.applied.lock().unwrap_or_else(|_| unreachable!()).push(rows.row(0).0[0]);
            }
            let applied = Applied {
                place,
                head: frame.head,
                logged_at_ms: None,
                is_first: true,
                has_rows: !frame.parts.is_empty(),
                judgement: Judgement::Refused(vec![]),
                parts: frame.parts.iter().map(|part| (part.ticket, Outcome::accepted(part.len()))).collect(),
                recorded: frame.judgements().map(|(place, judgement)| (place, judgement.clone())).collect(),
                suspect: None,
            };
            self.desk
                .applied(applied, true, Tip { applied: place, chain: 0, log_ms: NOW_MS })
                .expect("the same judgement");
        }
    }
}
