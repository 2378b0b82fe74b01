//! In which order several tasks run: `needs` first, then `after`, then as the user named them.

use miette::Diagnostic;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("tasks wait for each other: {0}")]
#[diagnostic(code(task::cycle), help("remove one of the `needs` or `after` between them"))]
pub struct OrderError(pub String);

/// A task's id with the ids it comes after.
pub type Node<'n> = (&'n str, Vec<&'n str>);

/// The indices of `tasks`, each after those it names (where these are among `tasks`), otherwise as given.
pub fn in_order(tasks: &[Node]) -> Result<Vec<usize>, OrderError> {
    let mut order: Vec<usize> = Vec::new();
    while order.len() < tasks.len() {
        let ready = |index: &usize| {
            let waits = tasks[*index].1.iter().filter_map(|id| tasks.iter().position(|(other, _)| other == id));
            !order.contains(index) && waits.into_iter().all(|other| order.contains(&other))
        };
        if let Some(index) = (0..tasks.len()).find(ready) {
            order.push(index);
        } else {
            let stuck: Vec<&str> = (0..tasks.len()).filter(|index| !order.contains(index)).map(|index| tasks[index].0).collect();
            return Err(OrderError(stuck.join(" ↔ ")));
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_come_first_whatever_order_was_asked_for() {
        let tasks = [("T03", vec!["T02", "T06"]), ("T02", vec!["T01"]), ("T06", vec!["T01"]), ("T01", vec![])];
        assert_eq!(in_order(&tasks).unwrap(), [3, 1, 2, 0]);
    }

    #[test]
    fn what_is_not_asked_for_is_not_waited_for() {
        assert_eq!(in_order(&[("T02", vec!["T01"])]).unwrap(), [0]);
    }

    #[test]
    fn a_cycle_is_named() {
        let error = in_order(&[("A", vec!["B"]), ("B", vec!["A"])]).unwrap_err();
        assert_eq!(error, OrderError("A ↔ B".into()));
    }
}
