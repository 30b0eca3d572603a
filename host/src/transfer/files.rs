//! Files to read from and to write to, compressed or not.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::format::Compression;
use crate::draft::Draft;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// How much is read or written at a time.
const BUFFER: usize = 1 << 20;

/// What the bytes of a compressed file begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Something to read documents from. Whether it is compressed is told by its first bytes.
pub struct Input {
    bytes: Box<dyn BufRead>,
    /// How many bytes were read, before they were unpacked.
    read: Arc<AtomicU64>,
    size: Option<u64>,
}

impl Input {
    /// A file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let about = file.metadata()?;
        let size = about.is_file().then_some(about.len());
        Ok(Self {
            size,
            ..Self::new(file)?
        })
    }

    /// A stream, such as standard input.
    ///
    /// # Errors
    /// If its first bytes cannot be read.
    pub fn new(stream: impl Read + 'static) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let mut counted = Counted {
            stream,
            read: Arc::clone(&read),
        };
        let mut first = Vec::with_capacity(ZSTANDARD.len());
        Read::by_ref(&mut counted)
            .take(ZSTANDARD.len() as u64)
            .read_to_end(&mut first)?;
        let gzip = first.starts_with(&GZIP);
        let zstandard = first.starts_with(&ZSTANDARD);
        let whole = BufReader::with_capacity(BUFFER, Cursor::new(first).chain(counted));
        let bytes: Box<dyn BufRead> = if gzip {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(whole)))
        } else if zstandard {
            let unpacked = zstd::Decoder::with_buffer(whole)?;
            Box::new(BufReader::with_capacity(BUFFER, unpacked))
        } else {
            Box::new(whole)
        };
        Ok(Self {
            bytes,
            read,
            size: None,
        })
    }

    /// How many bytes there are, where that is known beforehand.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Tells, from wherever, how many of the bytes were read.
    pub fn meter(&self) -> impl Fn() -> u64 + 'static {
        let read = Arc::clone(&self.read);
        move || read.load(Ordering::Relaxed)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(buffer)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.bytes.consume(amount);
    }
}

struct Counted<R> {
    stream: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Something to write documents to. A file is there only when all of it is.
pub struct Output(Encoder<BufWriter<Sink>>);

enum Encoder<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstandard(zstd::Encoder<'static, W>),
}

enum Sink {
    File(Draft),
    Stream(Box<dyn Write>),
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(buffer),
            Self::Stream(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stream(stream) => stream.flush(),
        }
    }
}

impl Output {
    /// A file, compressed as its name's ending says. Until [`Output::finish`] it has another name.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let special = path.metadata().is_ok_and(|about| !about.is_file());
        let sink = if special {
            // A pipe or a device cannot be put in the place of.
            Sink::Stream(Box::new(File::create(path)?))
        } else {
            Sink::File(Draft::create(path)?)
        };
        let sink = BufWriter::with_capacity(BUFFER, sink);
        let bytes = match Compression::of_path(path) {
            None => Encoder::Plain(sink),
            Some(Compression::Gzip) => {
                Encoder::Gzip(GzEncoder::new(sink, flate2::Compression::default()))
            }
            Some(Compression::Zstandard) => {
                Encoder::Zstandard(zstd::Encoder::new(sink, zstd::DEFAULT_COMPRESSION_LEVEL)?)
            }
        };
        Ok(Self(bytes))
    }

    /// A stream, such as standard output.
    #[must_use]
    pub fn new(stream: impl Write + 'static) -> Self {
        let sink = BufWriter::with_capacity(BUFFER, Sink::Stream(Box::new(stream)));
        Self(Encoder::Plain(sink))
    }

    /// Ends what was written, and gives a file its name.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn finish(self) -> io::Result<()> {
        let sink = match self.0 {
            Encoder::Plain(sink) => sink,
            Encoder::Gzip(encoder) => encoder.finish()?,
            Encoder::Zstandard(encoder) => encoder.finish()?,
        };
        match sink.into_inner()? {
            Sink::File(file) => file.finish(),
            Sink::Stream(mut stream) => stream.flush(),
        }
    }

    /// Throws away what was not written yet. A file that was begun is gone.
    pub fn give_up(self) {
        let sink = match self.0 {
            Encoder::Plain(sink) => sink,
            // These write what they hold when they are dropped, and ignore that it fails.
            Encoder::Gzip(_) | Encoder::Zstandard(_) => return,
        };
        let _ = sink.into_parts();
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Encoder::Plain(sink) => sink.write(buffer),
            Encoder::Gzip(encoder) => encoder.write(buffer),
            Encoder::Zstandard(encoder) => encoder.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Encoder::Plain(sink) => sink.flush(),
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Zstandard(encoder) => encoder.flush(),
        }
    }
}
