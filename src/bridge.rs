//! The one place where the synchronous script waits for asynchronous work. It owns the runtime and hears Ctrl-C,
//! SIGTERM and the hang-up of the terminal; what an interrupt means for a step is the task floor's business.

use crate::effect::Interrupted;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub struct Bridge {
    runtime: Runtime,
    pressed: watch::Receiver<u32>,
    /// How many presses have been dealt with.
    heard: AtomicU32,
    /// What ends every wait, whatever the user pressed.
    pub halt: Arc<Halt>,
    /// While a change that cannot be cancelled is under way, a press is noted but nothing is dropped.
    shielded: AtomicBool,
}

/// Ends every wait of a bridge for one reason, from anywhere.
pub struct Halt {
    reason: Mutex<Option<Interrupted>>,
    press: watch::Sender<u32>,
}

impl Halt {
    /// As after Ctrl-C, but acknowledging does not help.
    pub fn set(&self, reason: Interrupted) {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(reason);
        self.press.send_modify(|_| {});
    }
}

impl Bridge {
    pub fn new() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let (press, pressed) = watch::channel(0);
        let halt = Arc::new(Halt { reason: Mutex::default(), press });
        let heard = Arc::clone(&halt);
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].into_iter().filter(|kind| is_wanted(*kind)) {
            let (heard, _inside) = (Arc::clone(&heard), runtime.enter());
            let mut signals = signal(kind)?;
            runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    heard.press.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Self { runtime, pressed, heard: AtomicU32::new(0), halt, shielded: AtomicBool::new(false) })
    }

    /// Where background work (probes, port-forwards) is spawned.
    pub fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Waits for `work`, unless Ctrl-C comes first and no shield is up.
    #[expect(clippy::disallowed_methods, reason = "here whatever waits for asynchronous work does so")]
    pub fn wait<T, E, F>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, F>
    where
        F: From<E> + From<Interrupted>,
    {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                result = work => result.map_err(F::from),
                reason = self.press() => Err(reason.into()),
            }
        })
    }

    /// Waits for `work` whatever was pressed: for giving back what is held.
    #[expect(clippy::disallowed_methods, reason = "the same, where no interrupt ends it")]
    pub fn finish<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Like [`Bridge::wait`], also from inside other waiting: a secret may be read while a verb is at work.
    pub fn wait_apart<T, E, F>(&self, work: impl Future<Output = Result<T, E>> + Send) -> Result<T, F>
    where
        T: Send,
        F: From<E> + From<Interrupted> + Send,
    {
        if Handle::try_current().is_err() {
            return self.wait(work);
        }
        std::thread::scope(|scope| match scope.spawn(|| self.wait(work)).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Whether a press waits to be dealt with.
    pub fn interrupted(&self) -> bool {
        *self.pressed.borrow() > self.heard.load(Ordering::SeqCst)
    }

    /// From here on only a further press interrupts: undo calls this before it begins.
    pub fn acknowledge(&self) {
        self.heard.store(*self.pressed.borrow(), Ordering::SeqCst);
    }

    pub fn shield(&self, up: bool) {
        self.shielded.store(up, Ordering::SeqCst);
    }

    /// Why nothing may go on.
    pub fn halted(&self) -> Option<Interrupted> {
        let halted = self.halt.reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        halted.or_else(|| self.interrupted().then_some(Interrupted::ByUser))
    }

    async fn press(&self) -> Interrupted {
        let mut pressed = self.pressed.clone();
        loop {
            if let Some(reason) = self.halted().filter(|_| !self.shielded.load(Ordering::SeqCst)) {
                return reason;
            }
            if pressed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Whether a signal is to be heard: not a hang-up that whoever started this (`nohup`) has it ignore.
fn is_wanted(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    kind != SignalKind::hangup() || !is_ignored(&status, kind.as_raw_value())
}

/// Whether a process of which the kernel tells this ignores the signal of this number.
fn is_ignored(status: &str, number: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_gives_what_the_work_gave() {
        let bridge = Bridge::new().unwrap();
        let answer: Result<i32, Interrupted> = bridge.wait(async { Ok::<_, Interrupted>(7) });
        assert_eq!(answer.unwrap(), 7);
        assert!(!bridge.interrupted());
    }

    #[test]
    fn waiting_inside_waiting_is_possible_apart() {
        let bridge = Bridge::new().unwrap();
        let inner = || bridge.wait_apart::<_, Interrupted, Interrupted>(async { Ok(7) });
        let answer: Result<i32, Interrupted> = bridge.wait(async { inner() });
        assert_eq!((answer.unwrap(), inner().unwrap()), (7, 7));
    }

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        assert!(is_ignored("Name:\tx\nSigIgn:\t0000000000000001\n", 1));
        assert!(!is_ignored("Name:\tx\nSigIgn:\t0000000000001000\n", 1) && !is_ignored("", 1));
    }
}
