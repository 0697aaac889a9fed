//! A progress bar on a terminal, for anything that takes longer than a second; nothing elsewhere.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::pass::Progress;

/// How long work goes on before a bar appears.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows what a pass is busy with.
pub(super) struct Bar {
    started: Instant,
    shown: Mutex<Option<ProgressBar>>,
    wanted: bool,
}

impl Bar {
    /// Prepares a bar that appears on a terminal only, and never when `quiet`.
    pub(super) fn new(quiet: bool) -> Self {
        let wanted = !quiet && std::io::stderr().is_terminal();
        Self { started: Instant::now(), shown: Mutex::new(None), wanted }
    }

    /// Tells the bar what goes on.
    pub(super) fn tell(&self, progress: Progress) {
        if !self.wanted || self.started.elapsed() < PATIENCE {
            return;
        }
        let Ok(mut shown) = self.shown.lock() else { return };
        let bar = shown.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}");
            let bar = ProgressBar::new(0);
            style.map_or_else(|_template_is_faulty| bar.clone(), |style| bar.clone().with_style(style))
        });
        match progress {
            Progress::Scanning => bar.set_message("looking into files"),
            Progress::Git => bar.set_message("talking to the remote"),
            Progress::Asking(done, all) => {
                bar.set_message("asking registries");
                bar.set_length(all as u64);
                bar.set_position(done as u64);
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Ok(shown) = self.shown.get_mut()
            && let Some(bar) = shown.take()
        {
            bar.finish_and_clear();
        }
    }
}
