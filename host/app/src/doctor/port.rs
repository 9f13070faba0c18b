//! Is the router's port free, or held by our own router; else by whom. The port is not listened on to find out.

use std::io;
use std::net::SocketAddr;

use herdwick_fleet::Origin;

use super::ask::{self, Answer, Silence};
use super::holder::{self, Holder};
use super::line::{Line, Verdict};
use crate::banner;

/// What the check is called.
const CHECK: &str = "port";
/// What an Ollama says of itself at `/`.
const OLLAMA: &str = "Ollama is running";

/// What was found.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Where a router would listen here.
    pub(crate) address: SocketAddr,
    /// Why it could not.
    pub(crate) refused: Option<Refused>,
    /// What whoever listens answers at `/`.
    pub(crate) answer: Result<Answer, Silence>,
    pub(crate) holder: Option<Holder>,
}

/// Why an address cannot be listened on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refused {
    /// Somebody else does.
    Taken,
    /// It is none of this machine's.
    NotHere,
    /// Whatever else the system says.
    Other(String),
}

/// Looks at the port.
pub(crate) async fn look(address: SocketAddr) -> Seen {
    let here = banner::local(address);
    let answer = ask::get(&Origin { host: here.ip().to_string(), port: here.port() }, "/").await;
    let refused = bind(address).err().map(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Refused::Taken,
        io::ErrorKind::AddrNotAvailable => Refused::NotHere,
        _ => Refused::Other(crate::failed::plain(&error.to_string())),
    });
    let holder =
        refused.as_ref().filter(|why| **why == Refused::Taken).and_then(|_| holder::of(address.port()));
    Seen { address, refused, answer, holder }
}

impl Seen {
    /// Whether a router of ours answers here.
    pub(crate) fn is_ours(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.is_router)
    }
}

/// `wanted`: a router should run on this machine.
pub(crate) fn judge(seen: &Seen, wanted: bool) -> Line {
    let Seen { address, refused, answer, holder } = seen;
    let elsewhere = format!(
        "herdwick --listen {}",
        SocketAddr::new(address.ip(), address.port().wrapping_add(1).max(1_024))
    );
    let by = holder.as_ref().map_or_else(|| "another program".to_owned(), ToString::to_string);
    match refused {
        _ if seen.is_ours() => {
            let by = holder
                .as_ref()
                .map_or_else(|| "the router".to_owned(), |holder| format!("the router, {holder}"));
            Line::good(CHECK, format!("{address} is held by {by}"))
        }
        None => Line::good(CHECK, format!("{address} is free")),
        Some(Refused::NotHere) => Line::problem(CHECK, format!("{address} cannot be listened on"))
            .cause(format!("no interface of this machine has the address {}", address.ip()))
            .fix("listen on every address, or on one that this machine has (`listen` in herdwick.toml):")
            .command(format!("herdwick --listen 0.0.0.0:{}", address.port())),
        Some(Refused::Other(why)) => Line::problem(CHECK, format!("{address} cannot be listened on"))
            .cause(why.clone())
            .fix("choose another address (`listen` in herdwick.toml):")
            .command(elsewhere),
        Some(Refused::Taken) => {
            let found = format!("{address} is held by {by}");
            let cause = match answer {
                Ok(answer) if answer.text() == OLLAMA => {
                    "it is an Ollama, and one address has room for one program"
                }
                Ok(_) => "it speaks HTTP and is no herdwick; one address has room for one program",
                Err(_) => "it is no herdwick; one address has room for one program",
            };
            let verdict = if wanted { Verdict::Problem } else { Verdict::Note };
            let line = Line::of(verdict, CHECK, found).cause(cause);
            let line = match holder {
                Some(Holder::Program { .. }) => {
                    line.fix("end it, or have the router listen elsewhere (`listen` in herdwick.toml):")
                }
                _ => line
                    .fix("see who it is; end it, or have the router listen elsewhere:")
                    .command(holder::command(address.port())),
            };
            line.command(elsewhere)
        }
    }
}

/// Takes the address as the router would and lets go of it again, without ever listening: nobody can connect
/// meanwhile, and a router that starts at this instant gets it all the same.
fn bind(address: SocketAddr) -> io::Result<()> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // On Windows the option would let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program() -> Option<Holder> {
        Some(Holder::Program { name: "python3".to_owned(), pid: 812 })
    }

    #[test]
    fn whoever_holds_the_port_is_named() {
        let free = Seen {
            address: SocketAddr::from(([0, 0, 0, 0], 11_435)),
            refused: None,
            answer: Err(Silence::Refused),
            holder: None,
        };
        let ollama = Answer { body: OLLAMA.into(), status: 200, ..Answer::default() };
        let router = Answer { is_router: true, ..Answer::default() };
        let taken = Seen { refused: Some(Refused::Taken), ..free.clone() };
        for (seen, wanted, verdict, told) in [
            (free.clone(), true, Verdict::Good, "0.0.0.0:11435 is free"),
            (Seen { answer: Ok(router.clone()), ..taken.clone() }, true, Verdict::Good, "held by the router"),
            (
                Seen { holder: program(), ..taken.clone() },
                true,
                Verdict::Problem,
                "held by python3 (pid 812)",
            ),
            (taken.clone(), true, Verdict::Problem, ":11435"),
            (taken.clone(), false, Verdict::Note, "another program"),
            (Seen { answer: Ok(ollama), ..taken.clone() }, true, Verdict::Problem, "it is an Ollama"),
            (
                Seen {
                    answer: Err(Silence::Mute),
                    holder: Some(Holder::Of { user: "ada".to_owned() }),
                    ..taken
                },
                true,
                Verdict::Problem,
                "a program of the user ada",
            ),
            (
                Seen { refused: Some(Refused::NotHere), ..free },
                true,
                Verdict::Problem,
                "no interface of this machine",
            ),
        ] {
            let line = judge(&seen, wanted);
            assert_eq!(line.verdict, verdict, "{line:?}");
            assert!(format!("{line:?}").contains(told), "{told:?} is not in {line:?}");
            assert_eq!(verdict == Verdict::Good, line.commands.is_empty(), "{line:?}");
        }
    }

    #[tokio::test]
    async fn a_port_that_is_looked_at_stays_free() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert_eq!(look(address).await.refused, Some(Refused::Taken));
        drop(listener);
        let seen = look(address).await;
        assert_eq!((seen.refused, seen.answer), (None, Err(Silence::Refused)));
        std::net::TcpListener::bind(address).unwrap();
    }
}
