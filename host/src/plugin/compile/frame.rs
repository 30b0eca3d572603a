//! How the host and its compiler talk over a pipe: in frames, each with its length and a digest. An answer that
//! was cut off, because the compiler died over it, is an error and never half an artefact.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// What every frame begins with: the layout of frames is the first. Whoever answers with anything else is no
/// compiler.
const MAGIC: [u8; 8] = *b"hostcmp\x01";

/// How long a message may be that is no component and no artefact, in bytes.
pub(super) const MESSAGE: usize = 64 << 10;

/// What a compiler is to do. The component follows, in a frame of its own.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// Stack of the guest: it decides what the compiler makes.
    pub stack: usize,
    /// Processor time of all its threads, in seconds.
    pub seconds: u64,
    /// Memory of its process, in bytes.
    pub memory: u64,
    /// How many bytes the component has.
    pub size: usize,
}

/// What a compiler answers.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The artefact follows, in a frame of its own.
    Compiled,
    /// The bytes are no component.
    Invalid(String),
    /// The system gave no more memory.
    NoMemory,
}

/// Writes bytes as a frame.
pub(super) fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&MAGIC)?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(&xxh3_128(bytes).to_le_bytes())?;
    to.write_all(bytes)?;
    to.flush()
}

/// Reads the bytes of a frame, of which there may be this many.
///
/// # Errors
/// `UnexpectedEof` where the other side ended before the frame did; `InvalidData` where it is no frame.
pub(super) fn read(from: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let (mut magic, mut length, mut digest) = ([0; 8], [0; 8], [0; 16]);
    from.read_exact(&mut magic)?;
    if magic != MAGIC {
        return wrong("that is no frame");
    }
    from.read_exact(&mut length)?;
    from.read_exact(&mut digest)?;
    let length = u64::from_le_bytes(length);
    let Some(size) = usize::try_from(length).ok().filter(|size| *size <= most) else {
        return wrong("the frame is too long");
    };
    let mut bytes = Vec::with_capacity(size);
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() < size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if xxh3_128(&bytes).to_le_bytes() != digest {
        return wrong("the frame is damaged");
    }
    Ok(bytes)
}

/// Writes a message as a frame.
pub(super) fn write_message(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    write(to, &bytes)
}

/// Reads a message.
pub(super) fn read_message<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    postcard::from_bytes(&read(from, MESSAGE)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use io::ErrorKind::{InvalidData, UnexpectedEof};

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        write(&mut frame, bytes).unwrap();
        frame
    }

    fn error(bytes: &[u8]) -> io::ErrorKind {
        read(&mut &bytes[..], 100).unwrap_err().kind()
    }

    #[test]
    fn what_is_written_is_read() {
        let two = [frame(b"first"), frame(b"")].concat();
        let from = &mut &two[..];
        assert_eq!(read(from, 100).unwrap(), b"first");
        assert_eq!(read(from, 0).unwrap(), b"");
        let mut messages = Vec::new();
        let answer = Answer::Invalid("it is none".into());
        write_message(&mut messages, &answer).unwrap();
        assert_eq!(read_message::<Answer>(&mut &messages[..]).unwrap(), answer);
    }

    #[test]
    fn half_a_frame_is_none() {
        let whole = frame(b"whole");
        for end in 0..whole.len() {
            assert_eq!(error(&whole[..end]), UnexpectedEof, "{end}");
        }
    }

    #[test]
    fn what_was_altered_is_no_frame() {
        let whole = frame(b"whole");
        for at in 0..whole.len() {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            let kind = error(&altered);
            assert!(kind == InvalidData || kind == UnexpectedEof, "{at}: {kind}");
        }
        assert_eq!(error(b"usage: something else altogether"), InvalidData);
        assert_eq!(error(&frame(&[0; 101])), InvalidData);
    }
}
