//! `host pause`, `host resume`, `host cancel`: what another process asks of the one that works on a run.

use super::{CommandError, Ending, HELP, Missing, StoreArguments};
use crate::config::File;
use crate::engine::{RunError, now};
use crate::ledger::{Request, RunId, RunState};
use crate::store::{Writer, in_transaction};

/// Which run, in which store.
#[derive(Debug, clap::Args)]
#[command(
    before_help = "Examples:
  host pause 7 --store sqlite:app.db     wait after the batch in hand
  host resume 7 --store sqlite:app.db    go on
  host cancel 7 --store sqlite:app.db    end for good; host undo 7 takes back what it did",
    help_template = HELP
)]
pub(super) struct Arguments {
    /// The run's number
    run: i64,

    #[command(flatten)]
    store: StoreArguments,
}

impl Arguments {
    /// Asks, or with None takes back what was asked.
    pub fn run(self, file: &File, request: Option<Request>) -> Result<Ending, CommandError> {
        let store = self.store.open(file, Missing::Refuse)?;
        let id = RunId(self.run);
        in_transaction(store.writer()?.as_mut(), |writer| ask(writer, id, request))?;
        Ok(Ending::Done)
    }
}

/// Asks the process that works on a run, within the transaction in hand.
fn ask(writer: &mut dyn Writer, id: RunId, request: Option<Request>) -> Result<(), CommandError> {
    let mut run = writer.run(id)?.ok_or(RunError::NoRun(id))?;
    let alive = run
        .lease
        .as_ref()
        .is_some_and(|lease| lease.holds_against_this(now()));
    match (alive, request) {
        (true, request) => writer.set_request(id, request)?,
        // Nobody is there to be asked: what can be done without is done here.
        (false, Some(Request::Cancel)) if run.state.goes_on() => {
            run.state = RunState::Cancelled;
            run.lease = None;
            run.ended = Some(now());
            writer.save_run(&mut run)?;
            writer.set_request(id, None)?;
        }
        (false, _) => {
            return Err(CommandError::new(format!(
                "no process works on run {id}: it is {}",
                run.state.name()
            )));
        }
    }
    Ok(())
}
