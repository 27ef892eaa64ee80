//! Round robin over studios and then over each studio's events, so that a studio with much work delays the
//! others by at most one turn.

use std::collections::HashMap;

use crate::infra::db::events::OwnedEvent;

/// Limits the remembered studios and events to 4,096 each. A forgotten one takes the next turn, as a new one
/// does.
const REMEMBERED_MAX: usize = 4096;

/// The turns that studios and events have had. One value serves one kind of work of one process.
#[derive(Debug, Default)]
pub struct Rotation {
    turn: u64,
    studios: HashMap<String, u64>,
    events: HashMap<String, u64>,
}

impl Rotation {
    /// Returns the next event of `due`: of the studio whose last turn is the longest ago, the event whose last
    /// turn is the longest ago. Returns `None` if `due` is empty.
    pub fn next(&mut self, due: &[OwnedEvent]) -> Option<OwnedEvent> {
        let last = |turns: &HashMap<String, u64>, id: &str| turns.get(id).copied().unwrap_or(0);
        let next = due.iter().min_by_key(|event| {
            (last(&self.studios, &event.studio), last(&self.events, &event.id), &event.id)
        })?;
        self.turn += 1;
        remember(&mut self.studios, &next.studio, self.turn);
        remember(&mut self.events, &next.id, self.turn);
        Some(next.clone())
    }
}

/// Records a turn. Forgets the older half of the turns if there are too many.
fn remember(turns: &mut HashMap<String, u64>, id: &str, turn: u64) {
    turns.insert(id.to_owned(), turn);
    if turns.len() > REMEMBERED_MAX {
        let mut all: Vec<u64> = turns.values().copied().collect();
        let half = all.len() / 2;
        let (_, median, _) = all.select_nth_unstable(half);
        let median = *median;
        turns.retain(|_, turn| *turn >= median);
    }
}

/// Returns `items` in the order of a round robin over studios and then over each studio's events. Items of one
/// event keep their order.
pub fn interleave<T>(items: Vec<T>, owner: impl Fn(&T) -> OwnedEvent) -> Vec<T> {
    let mut by_event: HashMap<String, Vec<T>> = HashMap::new();
    let mut due: Vec<OwnedEvent> = Vec::new();
    for item in items {
        let event = owner(&item);
        let queue = by_event.entry(event.id.clone()).or_default();
        if queue.is_empty() {
            due.push(event);
        }
        queue.push(item);
    }
    let mut queues: HashMap<String, std::vec::IntoIter<T>> =
        by_event.into_iter().map(|(event, items)| (event, items.into_iter())).collect();
    let (mut rotation, mut ordered) = (Rotation::default(), Vec::new());
    while let Some(event) = rotation.next(&due) {
        match queues.get_mut(&event.id).and_then(Iterator::next) {
            Some(item) => ordered.push(item),
            None => due.retain(|other| other.id != event.id),
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(studio: &str, id: &str) -> OwnedEvent {
        OwnedEvent { id: id.to_owned(), studio: studio.to_owned() }
    }

    #[test]
    fn each_studio_gets_its_turn_and_then_each_event() {
        let due = [event("a", "a1"), event("a", "a2"), event("b", "b1"), event("c", "c1")];
        let mut rotation = Rotation::default();
        let mut take = |due: &[OwnedEvent]| rotation.next(due).map(|event| event.id).unwrap();
        let turns: Vec<String> = (0..6).map(|_| take(&due)).collect();
        assert_eq!(turns, ["a1", "b1", "c1", "a2", "b1", "c1"]);
        // A studio that had no work keeps its place; one that is new goes first.
        assert_eq!(take(&due[..2]), "a1");
        assert_eq!(take(&[event("a", "a2"), event("d", "d1"), event("b", "b1")]), "d1");
        assert_eq!(take(&[event("a", "a2"), event("d", "d1"), event("b", "b1")]), "b1");
        assert_eq!(take(&[event("a", "a2"), event("d", "d1"), event("b", "b1")]), "a2");
        assert!(rotation.next(&[]).is_none());
    }

    /// In any order of arrivals, no studio with work waits for more turns than there are studios with work.
    #[test]
    fn no_studio_waits_longer_than_the_others_together() {
        let mut seed = 7_u64;
        let mut throw = |sides: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % sides
        };
        let (mut rotation, mut queued) = (Rotation::default(), HashMap::<String, u64>::new());
        let mut waited: HashMap<String, u64> = HashMap::new();
        for _ in 0..5000 {
            let (studio, number) = (throw(8), throw(3));
            *queued.entry(format!("{studio}{number}")).or_default() += throw(50) / 40 * 20 + 1;
            let due: Vec<OwnedEvent> = queued.keys().map(|id| event(&id[..1], id)).collect();
            let Some(next) = rotation.next(&due) else { continue };
            waited.remove(&next.studio);
            let others: std::collections::BTreeSet<&String> =
                due.iter().map(|event| &event.studio).filter(|id| **id != next.studio).collect();
            for other in others {
                let turns = waited.entry(other.clone()).or_default();
                *turns += 1;
                assert!(*turns <= 8, "studio {other} waited {turns} turns");
            }
            let left = queued.get_mut(&next.id).unwrap();
            *left -= 1;
            if *left == 0 {
                queued.remove(&next.id);
            }
            waited.retain(|studio, _| queued.keys().any(|id| id.starts_with(studio)));
        }
    }

    #[test]
    fn work_is_interleaved_by_studio_and_event() {
        let items = ["a1 1", "a1 2", "a1 3", "a2 1", "b1 1", "b1 2"];
        let ordered = interleave(items.to_vec(), |item| event(&item[..1], &item[..2]));
        assert_eq!(ordered, ["a1 1", "b1 1", "a2 1", "b1 2", "a1 2", "a1 3"]);
    }
}
