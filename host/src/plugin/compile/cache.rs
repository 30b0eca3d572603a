//! Compiled components on disk, so that a plugin that was seen before starts at once.
//!
//! What is kept here is run as code. So the folder must belong to the user, and nobody else may be able to
//! write to it: another user who could would act as this one. It is looked at through the very handle that
//! is used afterwards, so that it cannot be exchanged in between; an entry, likewise. Where that cannot be
//! told, as on systems other than Unix, nothing is kept.
//!
//! An entry's name is its key. It carries a digest, by which a damaged one (a disk that was full, a crash, a
//! bit that flipped) is known, thrown away and made anew. It is no defence against people, so it is a fast
//! one: SHA-256 of the code of a plugin with a Python interpreter would take longer than all the rest of its
//! start.
//!
//! The cache is a convenience. Whatever goes wrong with it is logged, and the plugin is compiled.

use std::fmt;
use std::hash::Hash as _;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, Metadata};
use cap_tempfile::TempFile;
use etcetera::BaseStrategy as _;
use thiserror::Error;
use tracing::{debug, warn};
use wasmtime::Engine;
use xxhash_rust::xxh3::Xxh3Default;

use super::{Artefact, Identity};
use crate::plugin::hexadecimal;

/// How much is kept where nothing else is said, in bytes: hundreds of plugins, or a few with an interpreter
/// in them.
pub const SIZE: u64 = 512 << 20;

/// The folder, within the user's folder for caches.
const FOLDER: &str = "host/compiled";

/// What every entry begins with: the layout of entries is the first.
const MAGIC: [u8; 8] = *b"hostwsm\x01";

/// What stands before the code: [`MAGIC`] and the digest.
const HEADER: usize = MAGIC.len() + size_of::<u128>();

/// Why a folder is not used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// Nobody knows where the user keeps caches.
    #[error("there is no home folder")]
    NoHome,
    /// It cannot be made or opened.
    #[error("the folder {} cannot be used: {source}", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another user could plant code in it.
    #[error("the folder {} is not this user's alone to write to", path.display())]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
}

/// A folder with compiled components. The least recently used go when it becomes too large.
pub struct Cache {
    folder: Dir,
    size: u64,
}

/// Which component, compiled by what.
pub(super) struct Key {
    component: Identity,
    /// A hash of everything that decides what the compiler makes of it.
    compiler: u128,
}

impl Key {
    pub fn new(engine: &Engine, component: &Identity) -> Self {
        let mut compiler = Xxh3Default::new();
        env!("CARGO_PKG_VERSION").hash(&mut compiler);
        engine.precompile_compatibility_hash().hash(&mut compiler);
        Self {
            component: *component,
            compiler: compiler.digest128(),
        }
    }

    /// The key of what a component says of itself, which the compiler has no part in.
    fn of_description(component: &Identity) -> Self {
        let mut host = Xxh3Default::new();
        (env!("CARGO_PKG_VERSION"), "description").hash(&mut host);
        Self {
            component: *component,
            compiler: host.digest128(),
        }
    }

    /// What tells whether an entry is whole, and the one that was asked for.
    fn digest(&self, code: &[u8]) -> [u8; size_of::<u128>()] {
        let mut digest = Xxh3Default::new();
        digest.update(&self.component);
        digest.update(&self.compiler.to_le_bytes());
        digest.update(code);
        digest.digest128().to_le_bytes()
    }
}

/// The name of its entry.
impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let component = hexadecimal(&self.component);
        write!(formatter, "{component}-{:032x}", self.compiler)
    }
}

impl Cache {
    /// The user's own cache, `host/compiled` in `XDG_CACHE_HOME` or `~/.cache`, which is made if it is not
    /// there. It keeps up to `size` bytes.
    ///
    /// # Errors
    /// If there can be none that is safe to use.
    pub fn of_user(size: u64) -> Result<Self, CacheError> {
        let caches = etcetera::choose_base_strategy().map_err(|_| CacheError::NoHome)?;
        Self::open(&caches.cache_dir().join(FOLDER), size)
    }

    /// The cache in a folder, which is made if it is not there. It keeps up to `size` bytes. What else is in
    /// the folder is taken for its own.
    ///
    /// # Errors
    /// If it cannot be made or opened, or somebody else could write to it.
    pub fn open(path: &Path, size: u64) -> Result<Self, CacheError> {
        let unusable = |source| CacheError::Unusable {
            path: path.into(),
            source,
        };
        make(path).map_err(unusable)?;
        let folder = Dir::open_ambient_dir(path, ambient_authority()).map_err(unusable)?;
        if !is_ours(&folder.dir_metadata().map_err(unusable)?) {
            return Err(CacheError::NotOurs { path: path.into() });
        }
        Ok(Self { folder, size })
    }

    /// What was kept under a key, if it is whole.
    pub(super) fn find(&self, key: &Key) -> Option<Artefact> {
        match self.read(key) {
            Ok(bytes) => {
                let whole = bytes
                    .split_at_checked(HEADER)
                    .is_some_and(|(header, code)| {
                        header == [&MAGIC[..], &key.digest(code)].concat()
                    });
                if whole {
                    return Some(Artefact {
                        bytes,
                        start: HEADER,
                    });
                }
                self.discard(key, &"it is damaged");
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.discard(key, &error),
        }
        None
    }

    /// What was kept of what a component says of itself.
    pub(in crate::plugin) fn description(&self, component: &Identity) -> Option<Vec<u8>> {
        let found = self.find(&Key::of_description(component))?;
        Some(found.code().to_vec())
    }

    /// Keeps what a component says of itself.
    pub(in crate::plugin) fn keep_description(&self, component: &Identity, text: &[u8]) {
        let key = Key::of_description(component);
        if let Err(error) = self.write(&key, text).and_then(|()| self.prune()) {
            debug!(entry = %key, %error, "what the plugin says of itself cannot be kept in the cache");
        }
    }

    fn read(&self, key: &Key) -> io::Result<Vec<u8>> {
        let mut file = self.folder.open(key.to_string())?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || !is_ours(&metadata) {
            return Err(io::Error::other("it is not this user's alone to write to"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
        file.read_to_end(&mut bytes)?;
        // The last to be used is the last to go. If that fails, it goes a little early.
        let _ = file.into_std().set_modified(SystemTime::now());
        Ok(bytes)
    }

    /// Throws an entry away.
    pub(super) fn discard(&self, key: &Key, why: &dyn fmt::Display) {
        warn!(entry = %key, %why, "a compiled plugin in the cache cannot be used; it is compiled anew");
        if let Err(error) = self.folder.remove_file(key.to_string()) {
            debug!(entry = %key, %error, "it cannot be removed from the cache, either");
        }
    }

    /// Keeps an artefact, and makes room for it.
    pub(super) fn keep(&self, key: &Key, artefact: &Artefact) {
        let kept = self.write(key, artefact.code()).and_then(|()| self.prune());
        if let Err(error) = kept {
            debug!(entry = %key, %error, "the compiled plugin cannot be kept in the cache");
        }
    }

    /// Writes an entry beside its place and moves it there: nobody ever sees half of one.
    fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        let mut file = TempFile::new(&self.folder)?;
        shut(&file)?;
        file.write_all(&MAGIC)?;
        file.write_all(&key.digest(code))?;
        file.write_all(code)?;
        // No sync: after a crash of the machine the digest tells.
        file.replace(key.to_string())
    }

    /// Takes the least recently used away until the rest is small enough.
    fn prune(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in self.folder.entries()? {
            let entry = entry?;
            // Another process may be taking it away.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_file() {
                let used = metadata.modified()?.into_std();
                files.push((used, metadata.len(), entry.file_name()));
            }
        }
        files.sort();
        let mut size: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, freed, name) in files {
            if size <= self.size {
                break;
            }
            self.folder.remove_file(name)?;
            size -= freed;
        }
        Ok(())
    }
}

/// Whether nobody but the user of this process, and the system's administrator, can have written it. An
/// access list that lets others write shows in the permissions of the group.
#[cfg(unix)]
fn is_ours(metadata: &Metadata) -> bool {
    use cap_std::fs::MetadataExt as _;
    let me = rustix::process::geteuid().as_raw();
    is_only(me, metadata.uid(), metadata.mode())
}

#[cfg(unix)]
fn is_only(user: u32, owner: u32, mode: u32) -> bool {
    const OTHERS_WRITE: u32 = 0o022;
    owner == user && mode & OTHERS_WRITE == 0
}

#[cfg(not(unix))]
fn is_ours(_: &Metadata) -> bool {
    false
}

/// Makes a folder that only the user can look into.
fn make(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Lets only the user read and write a file, whatever the process's mask says.
fn shut(file: &TempFile<'_>) -> io::Result<()> {
    #[cfg(unix)]
    {
        use cap_std::fs::{Permissions, PermissionsExt as _};
        file.as_file()
            .set_permissions(Permissions::from_mode(0o600))?;
    }
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::compile::{component, here, identity};
    use std::fs;
    use std::time::Duration;

    /// A small component: `number` makes it another one.
    fn wat(number: usize) -> Vec<u8> {
        let text = format!(
            "(component (core module (func (export \"f\") (result i32) i32.const {number})))"
        );
        wat::parse_str(text).unwrap()
    }

    fn engine() -> Engine {
        Engine::default()
    }

    fn load(engine: &Engine, cache: &Cache, number: usize) {
        let bytes = wat(number);
        let compile = || here(engine, &bytes);
        component(engine, &identity(&bytes), Some(cache), compile).unwrap();
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        files
    }

    fn only(folder: &Path) -> PathBuf {
        let files = files(folder);
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    #[test]
    fn what_was_compiled_is_found_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("a/b");
        let engine = engine();
        let cache = Cache::open(&folder, SIZE).unwrap();
        let key = Key::new(&engine, &identity(&wat(1)));
        assert!(cache.find(&key).is_none());
        load(&engine, &cache, 1);
        assert!(cache.find(&key).is_some());
        load(&engine, &cache, 1);
        let written = fs::read(only(&folder)).unwrap();
        assert_eq!(written[..MAGIC.len()], MAGIC);
        assert!(cache.find(&Key::new(&engine, &identity(&wat(2)))).is_none());
    }

    #[test]
    fn other_settings_have_other_entries() {
        let home = tempfile::tempdir().unwrap();
        let cache = Cache::open(home.path(), SIZE).unwrap();
        load(&engine(), &cache, 1);
        let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        load(&other, &cache, 1);
        assert_eq!(files(home.path()).len(), 2);
    }

    #[test]
    fn a_damaged_entry_is_never_run_and_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let engine = engine();
        let cache = Cache::open(home.path(), SIZE).unwrap();
        let key = Key::new(&engine, &identity(&wat(1)));
        load(&engine, &cache, 1);
        let path = only(home.path());
        let whole = fs::read(&path).unwrap();
        let mut damaged = [
            whole[..whole.len() - 1].to_vec(),
            whole[..HEADER - 1].to_vec(),
            Vec::new(),
        ]
        .to_vec();
        for at in [0, MAGIC.len(), HEADER, whole.len() / 2, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            damaged.push(bytes);
        }
        for bytes in damaged {
            fs::write(&path, bytes).unwrap();
            assert!(cache.find(&key).is_none());
            assert!(!path.exists());
            load(&engine, &cache, 1);
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn one_components_code_is_not_anothers() {
        let home = tempfile::tempdir().unwrap();
        let engine = engine();
        let cache = Cache::open(home.path(), SIZE).unwrap();
        load(&engine, &cache, 1);
        let other = Key::new(&engine, &identity(&wat(2)));
        fs::copy(only(home.path()), home.path().join(other.to_string())).unwrap();
        assert!(cache.find(&other).is_none());
    }

    #[test]
    fn code_that_wasmtime_refuses_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let engine = engine();
        let cache = Cache::open(home.path(), SIZE).unwrap();
        let key = Key::new(&engine, &identity(&wat(1)));
        // Whole, but of another wasmtime.
        cache.write(&key, b"no code").unwrap();
        load(&engine, &cache, 1);
        let found = cache.find(&key).unwrap();
        assert_ne!(found.code(), b"no code");
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let home = tempfile::tempdir().unwrap();
        let engine = engine();
        let cache = Cache::open(home.path(), SIZE).unwrap();
        let key = |number| Key::new(&engine, &identity(&wat(number)));
        let age = |number, minutes| {
            let file = fs::File::options()
                .append(true)
                .open(home.path().join(key(number).to_string()))
                .unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes))
                .unwrap();
        };
        for number in 0..3 {
            load(&engine, &cache, number);
            age(number, 10 - number as u64);
        }
        let size = fs::metadata(&files(home.path())[0]).unwrap().len();
        // The oldest is used again, so the second is the one to go.
        assert!(cache.find(&key(0)).is_some());
        let small = Cache::open(home.path(), 3 * size + size / 2).unwrap();
        load(&engine, &small, 3);
        assert!(cache.find(&key(1)).is_none());
        assert!(
            [0, 2, 3]
                .iter()
                .all(|number| cache.find(&key(*number)).is_some())
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_can_write_there() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let set = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("compiled");
        let engine = engine();
        let cache = Cache::open(&folder, SIZE).unwrap();
        load(&engine, &cache, 1);
        let entry = only(&folder);
        assert_eq!((mode(&folder), mode(&entry)), (0o700, 0o600));

        for shared in [0o720, 0o702, 0o777] {
            set(&folder, shared);
            assert!(matches!(
                Cache::open(&folder, SIZE),
                Err(CacheError::NotOurs { .. })
            ));
        }
        set(&folder, 0o755);
        let cache = Cache::open(&folder, SIZE).unwrap();
        let key = Key::new(&engine, &identity(&wat(1)));
        assert!(cache.find(&key).is_some());
        // Others can get at the entry itself.
        set(&entry, 0o666);
        assert!(cache.find(&key).is_none());
        assert!(!entry.exists());
    }

    #[cfg(unix)]
    #[test]
    fn what_another_user_owns_is_not_ours() {
        assert!(is_only(1000, 1000, 0o700));
        assert!(is_only(0, 0, 0o755));
        assert!(!is_only(1000, 0, 0o700));
        assert!(!is_only(0, 1000, 0o700));
        assert!(!is_only(1000, 1000, 0o770));
    }
}
