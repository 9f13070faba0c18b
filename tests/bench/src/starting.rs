//! How long a router takes from its start to the first answer over it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::client::question;
use crate::process::Process;
use crate::system::{Ground, PATIENCE, Router, System};

/// Between two questions to somebody who is not ready.
const PAUSE: Duration = Duration::from_millis(1);
/// Somebody who accepted a connection and does not answer for so long hangs.
const SILENCE: Duration = Duration::from_secs(5);

/// Starts it once more and returns how long it took until a question was routed and answered.
///
/// # Errors
/// It does not start, or does not route in time.
pub fn time(router: &Router, ground: Ground<'_>) -> Result<Duration> {
    let began = Instant::now();
    let (process, address) = router.start(ground)?;
    wait(process, address).map(|(_, ready)| ready - began)
}

/// Returns once it answers.
pub(crate) fn first_answer(system: &mut System) -> Result<()> {
    let (Some(process), Some(address)) = (system.process.take(), system.targets.first()) else {
        return Ok(());
    };
    system.process = Some(wait(process, *address)?.0);
    Ok(())
}

fn wait(mut process: Process, address: SocketAddr) -> Result<(Process, Instant)> {
    let (question, began) = (question(false), Instant::now());
    loop {
        match ask(address, &question) {
            Ok(true) => return Ok((process, Instant::now())),
            _ if process.has_ended() => bail!("the router ended before it answered"),
            Ok(false) | Err(_) if began.elapsed() < PATIENCE => std::thread::park_timeout(PAUSE),
            Ok(false) => bail!("the router refuses to route"),
            Err(error) => return Err(error).context("the router does not answer"),
        }
    }
}

/// Whether it answered a question over a connection of its own with success.
fn ask(address: SocketAddr, question: &[u8]) -> Result<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(question)?;
    let mut begun = [0; 12];
    stream.read_exact(&mut begun)?;
    Ok(begun.ends_with(b" 200"))
}
