//! The memory of the camera frames that guests have shown in an event, against replayed and stored frames.
//!
//! A camera never delivers a frame twice: its sensor has noise. A frame that some guest of the event has shown
//! before, in this or another session, therefore comes from a store of frames. The memory survives restarts,
//! forgets a frame after 90 days, and is purged with the collection. It names no guest.

use std::collections::HashMap;

use super::Collection;
use crate::clock::unix_now_s;
use crate::error::Result;
use crate::liveness::{
    Challenge, FrameAnalysis, FrameHistory, FramePrint, Progress, SIMILAR_FRAMES_MAX,
};
use crate::store::FrameRow;

/// Time for which a frame is remembered, seconds (90 days).
const KEPT_S: u64 = 90 * 86_400;
/// Maximum number of remembered frames: 40,000, about 4,000 challenges, 4 MB in memory. Beyond it, the oldest
/// tenth is forgotten.
const FRAMES_MAX: usize = 40_000;
/// The remembered frames, by name.
pub(super) struct FrameMemory(HashMap<[u8; 16], FrameRow>);

impl FrameMemory {
    fn history(&self, name: &[u8; 16], print: &FramePrint) -> FrameHistory {
        if self.0.contains_key(name) {
            FrameHistory::Shown
        } else if self.0.values().any(|row| print.is_similar(&row.bits)) {
            FrameHistory::Similar
        } else {
            FrameHistory::New
        }
    }

    /// Returns the names of the rows to forget: those that have expired, and the oldest ones of a full memory.
    fn due(&self, now_s: u64) -> Vec<[u8; 16]> {
        let mut rows: Vec<_> = self.0.values().map(|row| (row.at_unix_s, row.name)).collect();
        let surplus = match rows.len() > FRAMES_MAX {
            true => rows.len() - FRAMES_MAX + FRAMES_MAX / 10,
            false => 0,
        };
        rows.sort_unstable();
        let is_due = |(nth, (at, _)): &(usize, (u64, _))| *nth < surplus || at + KEPT_S < now_s;
        rows.into_iter().enumerate().filter(is_due).map(|(_, (_, name))| name).collect()
    }
}

impl Collection {
    /// Advances a challenge by a frame, with the memory of the event: a frame that was shown in another
    /// challenge fails it as a replay. If the challenge ends, its frames are remembered, and of two concurrent
    /// challenges with the same frames one fails.
    ///
    /// `at_ms` is the arrival time, as in [`Challenge::advance`].
    ///
    /// # Errors
    /// - `Store`, `Io`: the frames cannot be read or written.
    pub fn advance_challenge(
        &self,
        challenge: &mut Challenge,
        frame: &FrameAnalysis,
        at_ms: u64,
    ) -> Result<Progress> {
        if let Some(print) = frame.print() {
            challenge.note_history(self.frame_history(&print)?);
        }
        let progress = challenge.advance(frame, at_ms);
        if matches!(progress, Progress::Wait(_)) {
            return Ok(progress);
        }
        if self.remember_frames(challenge.prints())? {
            challenge.fail_as_replay();
        }
        Ok(challenge.verdict().unwrap_or(progress))
    }

    /// Returns whether a frame was shown in a challenge of this collection that has ended.
    ///
    /// # Errors
    /// - `Store`, `Io`: the remembered frames cannot be read.
    pub fn frame_history(&self, print: &FramePrint) -> Result<FrameHistory> {
        let name = self.store.frame_name(&print.digest)?;
        self.with_frames(|memory| Ok(memory.history(&name, print)))
    }

    /// Remembers the frames of a challenge that has ended. Returns whether the challenge is a replay: a frame
    /// was shown before, or `SIMILAR_FRAMES_MAX` of them are similar to earlier ones. Of two concurrent
    /// challenges with the same frames, one is therefore a replay.
    ///
    /// # Errors
    /// - `Store`, `Io`: the frames cannot be read or written.
    pub fn remember_frames(&self, prints: &[FramePrint]) -> Result<bool> {
        let names = prints.iter().map(|print| self.store.frame_name(&print.digest));
        let names = names.collect::<Result<Vec<_>>>()?;
        let now_s = unix_now_s();
        self.with_frames(|memory| {
            let histories: Vec<_> =
                names.iter().zip(prints).map(|(name, print)| memory.history(name, print)).collect();
            let count = |what| histories.iter().filter(|history| **history == what).count();
            let replayed = count(FrameHistory::Shown) > 0
                || count(FrameHistory::Similar) >= SIMILAR_FRAMES_MAX;
            let row = |(name, print): (&[u8; 16], &FramePrint)| FrameRow {
                name: *name,
                at_unix_s: now_s,
                bits: print.bits,
            };
            let new: Vec<FrameRow> = names.iter().zip(prints).map(row).collect();
            let gone = memory.due(now_s);
            self.store.change_frames(&new, &gone)?;
            for name in &gone {
                memory.0.remove(name);
            }
            memory.0.extend(new.into_iter().map(|row| (row.name, row)));
            Ok(replayed)
        })
    }

    /// Calls `work` with the remembered frames; the first call reads them from the store.
    fn with_frames<T>(&self, work: impl FnOnce(&mut FrameMemory) -> Result<T>) -> Result<T> {
        let mut slot = self.frames.lock();
        if slot.is_none() {
            let rows = self.store.frame_rows()?;
            *slot = Some(FrameMemory(rows.into_iter().map(|row| (row.name, row)).collect()));
        }
        match slot.as_mut() {
            Some(memory) => work(memory),
            None => work(&mut FrameMemory(HashMap::new())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::PRINT_WORDS;

    fn memory(rows: impl Iterator<Item = (u64, u64)>) -> FrameMemory {
        let row = |(number, at_unix_s): (u64, u64)| {
            let mut name = [0; 16];
            name[..8].copy_from_slice(&number.to_be_bytes());
            (name, FrameRow { name, at_unix_s, bits: [number; PRINT_WORDS] })
        };
        FrameMemory(rows.map(row).collect())
    }

    #[test]
    fn old_frames_and_the_oldest_of_too_many_are_forgotten() {
        let now = 10 * KEPT_S;
        let old = memory([(1, now - KEPT_S - 1), (2, now - KEPT_S), (3, now)].into_iter());
        assert_eq!(old.due(now).len(), 1);
        let full = memory((0..FRAMES_MAX as u64 + 1).map(|number| (number, now + number)));
        let due = full.due(now + FRAMES_MAX as u64);
        assert_eq!(due.len(), FRAMES_MAX / 10 + 1);
        assert!(due.iter().all(|name| name[..8] < (FRAMES_MAX as u64 / 2).to_be_bytes()[..]));
    }
}
