//! Asks Linux for its TCP sockets in one state, over netlink. It answers while it is read, so nothing here waits.

use rustix::net::netlink::SOCK_DIAG;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

use super::{HEAD, SOCKET, Socket, TCP_INFO, take};

/// The states that are asked for, one bit each.
pub(super) const ESTABLISHED: u32 = 1 << 1;
pub(super) const LISTENING: u32 = 1 << 10;

/// `NLM_F_REQUEST` and `NLM_F_DUMP`.
const DUMP: u16 = 0x301;
const TCP: u8 = 6;
/// The kernel writes at most this in one piece.
const PIECE: usize = 32 << 10;
/// Pieces of one look. Some 6,000 connections of each family; those of the rest are not seen.
const PIECES: usize = 64;

/// Every socket of both families; none where the system does not tell.
pub(super) fn sockets(states: u32) -> Vec<Socket> {
    let mut sockets = Vec::new();
    for family in [AddressFamily::INET, AddressFamily::INET6] {
        // A system without IPv6, or one that forbids to ask, tells nothing.
        if ask(family, states, &mut sockets).is_err() {
            break;
        }
    }
    sockets
}

fn ask(family: AddressFamily, states: u32, sockets: &mut Vec<Socket>) -> rustix::io::Result<()> {
    let diag = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    send(&diag, &request(family, states), SendFlags::empty())?;
    let mut piece = vec![0; PIECE];
    for _ in 0..PIECES {
        let (read, _) = recv(&diag, piece.as_mut_slice(), RecvFlags::DONTWAIT)?;
        if !take(piece.get(..read).unwrap_or_default(), sockets) {
            break;
        }
    }
    Ok(())
}

/// A head, and a `struct inet_diag_req_v2` that names no socket.
fn request(family: AddressFamily, states: u32) -> Vec<u8> {
    /// Bytes of a `struct inet_diag_sockid`.
    const ID: usize = 48;
    const LENGTH: usize = HEAD + 8 + ID;
    let mut request = Vec::with_capacity(LENGTH);
    request.extend(u32::try_from(LENGTH).unwrap_or_default().to_ne_bytes());
    request.extend(SOCKET.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    // Number and sender.
    request.extend([0; 8]);
    request.extend([u8::try_from(family.as_raw()).unwrap_or_default(), TCP, 1 << (TCP_INFO - 1), 0]);
    request.extend(states.to_ne_bytes());
    request.resize(LENGTH, 0);
    request
}
