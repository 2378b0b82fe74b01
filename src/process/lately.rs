//! What programs answered lately, for whoever knows that nothing has happened since which the answer depends on. Kept in
//! memory and for one run: an answer may hold secrets.

use super::{Command, Output};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many answers are kept.
const KEPT: usize = 4;

#[derive(Default)]
pub struct Lately(Mutex<VecDeque<Answer>>);

struct Answer {
    question: [u8; 32],
    given: Instant,
    output: Output,
}

impl Lately {
    pub fn keep(&self, command: &Command, about: &str, output: &Output) {
        let question = question(command, about);
        let mut answers = self.answers();
        answers.retain(|answer| answer.question != question);
        answers.truncate(KEPT - 1);
        answers.push_front(Answer { question, given: Instant::now(), output: output.clone() });
    }

    /// The same question's answer, if it is no older than that.
    pub fn find(&self, command: &Command, about: &str, within: Duration) -> Option<Output> {
        let question = question(command, about);
        let answers = self.answers();
        let answer = answers.iter().find(|answer| answer.question == question && answer.given.elapsed() <= within)?;
        Some(answer.output.clone())
    }

    fn answers(&self) -> MutexGuard<'_, VecDeque<Answer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn question(command: &Command, about: &str) -> [u8; 32] {
    Sha256::digest(format!("{about}\n{command:?}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_question_is_answered_and_only_for_so_long() {
        let (lately, hour) = (Lately::default(), Duration::from_secs(3600));
        let command = |input: &str| Command::new("helm", ["upgrade"]).stdin(input);
        let output = Output { stdout: b"rendered".to_vec(), ..Output::default() };
        lately.keep(&command("a: 1"), "revision 1", &output);
        assert_eq!(lately.find(&command("a: 1"), "revision 1", hour), Some(output));
        assert_eq!(lately.find(&command("a: 2"), "revision 1", hour), None, "other values");
        assert_eq!(lately.find(&command("a: 1"), "revision 2", hour), None, "another revision");
        assert_eq!(lately.find(&command("a: 1"), "revision 1", Duration::ZERO), None, "too old");
    }

    #[test]
    fn the_newest_answers_are_kept() {
        let (lately, hour) = (Lately::default(), Duration::from_secs(3600));
        let command = |n: usize| Command::new("helm", [n.to_string()]);
        (0..=KEPT).for_each(|n| lately.keep(&command(n), "", &Output::default()));
        assert!(lately.find(&command(0), "", hour).is_none());
        assert!((1..=KEPT).all(|n| lately.find(&command(n), "", hour).is_some()));
    }
}
