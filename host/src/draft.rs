//! Files that are there only when all of them is.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// A file that is still being written. Until [`Draft::finish`] it has another name, beside the one that it is to have,
/// and goes when this does.
///
/// It takes the place of what is there in one step, keeps its permissions, and goes where a link leads to. What must
/// not be written is not replaced either, though its folder would let it be.
pub struct Draft {
    file: NamedTempFile,
    path: PathBuf,
}

impl Draft {
    /// A file that is to have this path, in place of one that has it now.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        // What a link leads to is what is written, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        // Making the file would tell of a name that nobody asked for.
        folder.metadata()?;
        let old = allowed(&path)?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(".").suffix(".partial");
        // As any new file, and not for this user alone, as temporary files are.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder)?;
        if let Some(old) = old {
            file.as_file().set_permissions(old)?;
        }
        Ok(Self { file, path })
    }

    /// Where it is meanwhile, for those who write files by their paths.
    #[must_use]
    pub fn meanwhile(&self) -> &Path {
        self.file.path()
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// If it cannot be written to the disk, or not be given the name.
    pub fn finish(self) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(self.path)?;
        Ok(())
    }
}

/// The permissions of a file that may be written; None if there is none.
fn allowed(path: &Path) -> io::Result<Option<Permissions>> {
    let old = match path.metadata() {
        Ok(old) => old.permissions(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // To those who may do anything the system would say nothing.
    if old.readonly() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    OpenOptions::new().append(true).open(path)?;
    Ok(Some(old))
}

impl Write for Draft {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Draft {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Writes a file all at once: whoever reads it sees the old one or the new one.
///
/// # Errors
/// If it cannot be written. Then it is as it was.
pub fn replace(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut draft = Draft::create(path)?;
    draft.write_all(bytes.as_ref())?;
    draft.finish()
}
