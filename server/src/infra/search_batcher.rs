//! Batches concurrent requests, such as searches of one collection.
//!
//! The first caller runs at once. Callers that arrive while a batch runs are queued. When the batch ends, the
//! first queued caller becomes the leader and runs the queue as one batch. No caller waits for a batch to fill.
//! Callers block their thread.

use std::sync::mpsc::{Sender, channel};

use parking_lot::{Mutex, MutexGuard};

/// A batcher of questions `Q` with answers `A`.
pub struct SearchBatcher<Q, A> {
    line: Mutex<BatchQueue<Q, A>>,
}

struct BatchQueue<Q, A> {
    /// Whether there is a leader, which runs a batch or was chosen to run the next one.
    led: bool,
    /// The queued questions, each with the channel to its caller.
    waiting: Vec<(Q, Sender<Reply<A>>)>,
}

enum Reply<A> {
    Answer(A),
    /// Makes the receiver the leader, which runs the queue, including its own question.
    Lead,
}

impl<Q, A> Default for SearchBatcher<Q, A> {
    fn default() -> Self {
        Self { line: Mutex::new(BatchQueue { led: false, waiting: Vec::new() }) }
    }
}

impl<Q, A> SearchBatcher<Q, A> {
    /// Returns the answer to `question`; `None` if the leader panicked. If the caller becomes the leader, calls
    /// `answer` with all queued questions; `answer` must return one answer per question, in order.
    pub fn submit(&self, question: Q, answer: impl FnOnce(Vec<Q>) -> Vec<A>) -> Option<A> {
        let (sender, receiver) = channel();
        let mut line = self.line();
        line.waiting.push((question, sender));
        let first = !std::mem::replace(&mut line.led, true);
        drop(line);
        if !first {
            match receiver.recv() {
                Ok(Reply::Answer(answer)) => return Some(answer),
                Ok(Reply::Lead) => {}
                Err(_) => return None,
            }
        }
        let lead = Leader(self);
        let waiting = std::mem::take(&mut self.line().waiting);
        let (questions, askers): (Vec<Q>, Vec<_>) = waiting.into_iter().unzip();
        for (asker, answer) in askers.iter().zip(answer(questions)) {
            // An error means that the caller is gone and needs no answer.
            let _ = asker.send(Reply::Answer(answer));
        }
        drop(lead);
        match receiver.try_recv() {
            Ok(Reply::Answer(answer)) => Some(answer),
            _ => None,
        }
    }

    fn line(&self) -> MutexGuard<'_, BatchQueue<Q, A>> {
        self.line.lock()
    }
}

/// The leader's role, which passes to the first queued caller on drop, also after a panic.
struct Leader<'a, Q, A>(&'a SearchBatcher<Q, A>);

impl<Q, A> Drop for Leader<'_, Q, A> {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.led = line.waiting.first().is_some_and(|(_, next)| next.send(Reply::Lead).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    type Numbers = SearchBatcher<usize, usize>;

    fn tenfold(questions: Vec<usize>) -> Vec<usize> {
        questions.into_iter().map(|question| question * 10).collect()
    }

    /// Submits question 0, and questions 1 to 8 while question 0 is being answered. The leader of questions 1
    /// to 8 calls `answer`.
    fn ask_nine(
        numbers: &Numbers,
        answer: impl Fn(Vec<usize>) -> Vec<usize> + Sync,
    ) -> Vec<Option<usize>> {
        let (answering, begun) = sync_channel(0);
        let (go_on, gone_on) = sync_channel(0);
        let answer = &answer;
        std::thread::scope(|threads| {
            let first = threads.spawn(move || {
                numbers.submit(0, |questions| {
                    assert_eq!(questions, [0], "the first question is a batch of its own");
                    answering.send(()).unwrap();
                    gone_on.recv().unwrap();
                    tenfold(questions)
                })
            });
            begun.recv().unwrap();
            let others: Vec<_> = (1..9)
                .map(|number| threads.spawn(move || numbers.submit(number, answer)))
                .collect();
            while numbers.line().waiting.len() < 8 {
                std::thread::yield_now();
            }
            go_on.send(()).unwrap();
            let others = others.into_iter().map(|other| other.join().unwrap_or(None));
            [first.join().unwrap()].into_iter().chain(others.collect::<Vec<_>>()).collect()
        })
    }

    #[test]
    fn who_comes_meanwhile_is_answered_together() {
        let (numbers, batches) = (Numbers::default(), Mutex::new(Vec::new()));
        let answers = ask_nine(&numbers, |questions| {
            batches.lock().push(questions.len());
            tenfold(questions)
        });
        assert_eq!(answers, (0..9).map(|number| Some(number * 10)).collect::<Vec<_>>());
        assert_eq!(*batches.lock(), [8]);
        assert_eq!(numbers.submit(9, tenfold), Some(90));
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let numbers = Numbers::default();
        let answers = ask_nine(&numbers, |questions| {
            assert_eq!(questions.len(), 1, "intended panic");
            tenfold(questions)
        });
        assert_eq!(answers[0], Some(0));
        assert!(answers[1..].iter().all(Option::is_none), "{answers:?}");
        assert_eq!(numbers.submit(9, tenfold), Some(90));
    }

    #[test]
    fn a_crowd_gets_each_its_own() {
        let numbers = Numbers::default();
        std::thread::scope(|threads| {
            for number in 0..8 {
                let numbers = &numbers;
                threads.spawn(move || {
                    for round in 0..500 {
                        let question = number * 1000 + round;
                        assert_eq!(numbers.submit(question, tenfold), Some(question * 10));
                    }
                });
            }
        });
    }
}
