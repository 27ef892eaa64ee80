//! What is asked while something else is being answered is answered together.
//!
//! The first to come answers at once. Those who come meanwhile wait, and one of them then answers for all of
//! them: nobody waits for company. Blocks; knows nothing of questions and answers.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One line of askers.
pub struct Together<Q, A> {
    line: Mutex<Line<Q, A>>,
}

struct Line<Q, A> {
    /// Whether somebody answers, or has been told to.
    led: bool,
    waiting: Vec<(Q, Sender<Told<A>>)>,
}

enum Told<A> {
    Answer(A),
    /// It is your turn to answer, for yourself and all who wait.
    Lead,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self { line: Mutex::new(Line { led: false, waiting: Vec::new() }) }
    }
}

impl<Q, A> Together<Q, A> {
    /// The answer to `question`. Where it is the caller's turn, `answer` is called with all that wait, and
    /// gives an answer for each, in order. `None`: whoever was to answer has panicked.
    pub fn ask(&self, question: Q, answer: impl FnOnce(Vec<Q>) -> Vec<A>) -> Option<A> {
        let (tell, told) = channel();
        let mut line = self.line();
        line.waiting.push((question, tell));
        let first = !std::mem::replace(&mut line.led, true);
        drop(line);
        if !first {
            match told.recv() {
                Ok(Told::Answer(answer)) => return Some(answer),
                Ok(Told::Lead) => {}
                Err(_) => return None,
            }
        }
        let lead = Lead(self);
        let waiting = std::mem::take(&mut self.line().waiting);
        let (questions, askers): (Vec<Q>, Vec<_>) = waiting.into_iter().unzip();
        for (asker, answer) in askers.iter().zip(answer(questions)) {
            // One who is gone needs no answer.
            let _ = asker.send(Told::Answer(answer));
        }
        drop(lead);
        match told.try_recv() {
            Ok(Told::Answer(answer)) => Some(answer),
            _ => None,
        }
    }

    fn line(&self) -> MutexGuard<'_, Line<Q, A>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn to answer; it goes on to the next in line, even if answering panics.
struct Lead<'a, Q, A>(&'a Together<Q, A>);

impl<Q, A> Drop for Lead<'_, Q, A> {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.led = line.waiting.first().is_some_and(|(_, next)| next.send(Told::Lead).is_ok());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    type Numbers = Together<usize, usize>;

    fn tenfold(questions: Vec<usize>) -> Vec<usize> {
        questions.into_iter().map(|question| question * 10).collect()
    }

    /// Asks 0, and while it is answered 1 to 8 as well; `answer` is called by whoever leads those.
    fn ask_nine(
        numbers: &Numbers,
        answer: impl Fn(Vec<usize>) -> Vec<usize> + Sync,
    ) -> Vec<Option<usize>> {
        let (answering, begun) = sync_channel(0);
        let (go_on, gone_on) = sync_channel(0);
        let answer = &answer;
        std::thread::scope(|threads| {
            let first = threads.spawn(move || {
                numbers.ask(0, |questions| {
                    assert_eq!(questions, [0], "alone, and not waiting for anybody");
                    answering.send(()).unwrap();
                    gone_on.recv().unwrap();
                    tenfold(questions)
                })
            });
            begun.recv().unwrap();
            let others: Vec<_> =
                (1..9).map(|number| threads.spawn(move || numbers.ask(number, answer))).collect();
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
            batches.lock().unwrap().push(questions.len());
            tenfold(questions)
        });
        assert_eq!(answers, (0..9).map(|number| Some(number * 10)).collect::<Vec<_>>());
        assert_eq!(*batches.lock().unwrap(), [8]);
        assert_eq!(numbers.ask(9, tenfold), Some(90));
    }

    #[test]
    fn a_panic_leaves_nobody_waiting() {
        let numbers = Numbers::default();
        let answers = ask_nine(&numbers, |questions| {
            assert_eq!(questions.len(), 1, "the panic that is meant");
            tenfold(questions)
        });
        assert_eq!(answers[0], Some(0));
        assert!(answers[1..].iter().all(Option::is_none), "{answers:?}");
        assert_eq!(numbers.ask(9, tenfold), Some(90));
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
                        assert_eq!(numbers.ask(question, tenfold), Some(question * 10));
                    }
                });
            }
        });
    }
}
