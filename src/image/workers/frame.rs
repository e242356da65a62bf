//! What the node and a worker tell each other: short messages over a socket that keeps their
//! boundaries. Images and everything else of any length lie in the slot.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::settings::Priority;

/// No message is longer.
const LONGEST: usize = 512;

/// Most images that one job may bring.
pub(super) const MOST_INPUTS: usize = 16;

/// Most bytes of a job's order.
pub(super) const LONGEST_ORDER: usize = 64 << 10;

/// Most bytes of an answer's head.
pub(super) const LONGEST_HEAD: usize = 1 << 20;

/// The first message to a worker, which carries the slot's file.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Welcome {
    /// Bytes of the slot.
    pub slot: usize,
    /// Bytes of address space.
    pub memory: u64,
    /// Most bytes of a body.
    pub largest_output: usize,
    /// How the worker stands to everything else.
    pub priority: Priority,
}

/// One job, whose order and images lie in the slot one after the other.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(super) struct Job {
    /// Comes back with the answer.
    pub number: u32,
    /// Bytes of the order.
    pub order: usize,
    /// Bytes of each image.
    pub inputs: Vec<usize>,
}

/// What a worker says.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(super) enum Word {
    /// It is prepared and confined.
    Ready,
    /// It cannot work, and why.
    Unfit(String),
    /// A job is over.
    Over {
        /// The job's number.
        number: u32,
        /// Processor time of the worker since its start, in microseconds.
        cpu_micros: u64,
        /// How the job went.
        end: End,
    },
}

/// How a job went; what is measured here lies in the slot.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(super) enum End {
    /// Bytes of the head, and of the body behind it.
    Done { head: usize, body: usize },
    /// The result would have so many bytes, which are too many.
    TooLarge(usize),
    /// The handler panicked; bytes of what it said.
    Panicked(usize),
}

/// The two ends of a conversation, the node's first. Waiting at the node's end does not block.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (near, far) = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::io::ioctl_fionbio(&near, true)?;
    Ok((near, far))
}

/// Sends a message.
///
/// # Errors
/// The other side is gone, or has let too many messages lie.
pub(super) fn send(socket: impl AsFd, message: &impl Serialize) -> io::Result<()> {
    let mut buffer = [0; LONGEST];
    let bytes = postcard::to_slice(message, &mut buffer).map_err(io::Error::other)?;
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives a message; waits for it if the socket blocks.
///
/// # Errors
/// The other side is gone (`UnexpectedEof`), what it said means nothing, or there is nothing yet
/// (`WouldBlock`).
pub(super) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<T> {
    let mut buffer = [0; LONGEST];
    let (len, _) = rustix::io::retry_on_intr(|| {
        rustix::net::recv(socket.as_fd(), &mut buffer, RecvFlags::empty())
    })?;
    decode(buffer.get(..len).unwrap_or_default())
}

/// Sends the first message with the slot's file.
pub(super) fn welcome(socket: impl AsFd, message: &Welcome, file: BorrowedFd) -> io::Result<()> {
    let mut buffer = [0; LONGEST];
    let bytes = postcard::to_slice(message, &mut buffer).map_err(io::Error::other)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file];
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::Error::other("no room for a file"));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives the first message and the slot's file.
pub(super) fn welcomed(socket: impl AsFd) -> io::Result<(Welcome, OwnedFd)> {
    let mut buffer = [0; LONGEST];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let len = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut buffer)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?
    .bytes;
    let files = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => Some(files),
        _ => None,
    });
    let file = files.flatten().next().ok_or_else(|| io::Error::other("no file came along"))?;
    Ok((decode(buffer.get(..len).unwrap_or_default())?, file))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    match bytes {
        [] => Err(io::ErrorKind::UnexpectedEof.into()),
        bytes => postcard::from_bytes(bytes).map_err(io::Error::other),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;

    use super::*;

    #[test]
    fn messages_arrive_whole_and_one_at_a_time() {
        let (near, far) = pair().unwrap();
        let job = Job { number: 7, order: 900, inputs: vec![usize::MAX; MOST_INPUTS] };
        send(&near, &job).unwrap();
        send(&near, &Job { number: 8, order: 0, inputs: Vec::new() }).unwrap();
        assert_eq!(receive::<Job>(&far).unwrap(), job);
        assert_eq!(receive::<Job>(&far).unwrap().number, 8);
    }

    #[test]
    fn silence_an_end_and_nonsense_are_told_apart() {
        let (near, far) = pair().unwrap();
        assert_eq!(receive::<Word>(&near).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        rustix::net::send(&far, &[0xff; 20], SendFlags::NOSIGNAL).unwrap();
        assert_eq!(receive::<Word>(&near).unwrap_err().kind(), io::ErrorKind::Other);
        drop(far);
        assert_eq!(receive::<Word>(&near).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(send(&near, &Word::Ready).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    #[test]
    fn the_slot_comes_with_the_first_message() {
        let (near, far) = pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"shared").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let message = Welcome { slot: 6, memory: 1, largest_output: 2, priority: Priority::Normal };
        welcome(&near, &message, file.as_fd()).unwrap();
        let (received, copy) = welcomed(&far).unwrap();
        assert_eq!(received, message);
        let mut text = String::new();
        File::from(copy).read_to_string(&mut text).unwrap();
        assert_eq!(text, "shared");
        send(&near, &message).unwrap();
        assert!(welcomed(&far).is_err(), "without a file");
    }
}
