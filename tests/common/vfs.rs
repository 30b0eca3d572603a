//! SQLite's way to the file system, watched: at the operation that a test names, the process is killed, or
//! the disk is full from there on.
//!
//! Every file goes the way that it always goes; only the methods that change one are counted before they
//! are passed on. Nothing is synced: a process that is killed leaves to the system what it has written.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use nix::sys::signal::{Signal, raise};
use rusqlite::ffi::{
    self, SQLITE_FULL, SQLITE_OK, sqlite3_file, sqlite3_filename, sqlite3_io_methods, sqlite3_vfs,
};

/// What happens at an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before it.
    Killed,
    /// The process is killed when half of it is written; before it, if nothing is.
    Torn,
    /// It fails, and every later one that writes, because the disk is full.
    Full,
}

/// The operations that this process has begun since it was armed.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// The operation that the fault happens at; never, where it is 0.
static AT: AtomicU64 = AtomicU64::new(0);

static FAULT: Mutex<Fault> = Mutex::new(Fault::Killed);

/// SQLite's own way.
static ORIGINAL: AtomicPtr<sqlite3_vfs> = AtomicPtr::new(ptr::null_mut());

/// The tables of methods that have been made so far.
static WATCHED: Mutex<Vec<&'static Watched>> = Mutex::new(Vec::new());

/// Runs a test's body in a process in which no other test runs: all its databases are watched, and it may fork.
pub fn alone(test: &str, body: impl FnOnce()) {
    super::process::alone(test, || {
        watch();
        body();
    });
}

/// From here on, this happens at the `at`-th operation of this process.
pub fn arm(fault: Fault, at: u64) {
    *FAULT.lock().unwrap() = fault;
    BEGUN.store(0, Ordering::SeqCst);
    AT.store(at, Ordering::SeqCst);
}

/// Has every database of this process, opened from now on, go the watched way.
fn watch() {
    // SAFETY: SQLite's own VFS is there for as long as the process is.
    let original = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
    assert!(!original.is_null());
    ORIGINAL.store(original, Ordering::SeqCst);
    let name: &CStr = c"watched";
    // SAFETY: checked above.
    let mut vfs = unsafe { *original };
    vfs.pNext = ptr::null_mut();
    vfs.zName = name.as_ptr();
    vfs.xOpen = Some(open);
    vfs.xDelete = Some(delete);
    // SAFETY: what is registered is never freed.
    let status = unsafe { ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1) };
    assert_eq!(status, SQLITE_OK);
}

/// What an operation is to do.
enum Verdict {
    Pass,
    /// Half of it, and then no more.
    Half,
    Full,
}

/// Counts an operation.
fn begin(writes: bool) -> Verdict {
    let number = BEGUN.fetch_add(1, Ordering::SeqCst) + 1;
    let at = AT.load(Ordering::SeqCst);
    if at == 0 || number < at {
        return Verdict::Pass;
    }
    let fault = *FAULT.lock().unwrap();
    match fault {
        Fault::Full if writes => Verdict::Full,
        Fault::Full => Verdict::Pass,
        Fault::Torn if writes && number == at => Verdict::Half,
        // Another thread's operation may come while this one dies.
        Fault::Killed | Fault::Torn => die(),
    }
}

fn die() -> ! {
    raise(Signal::SIGKILL).unwrap();
    unreachable!("a process survives no SIGKILL")
}

/// Methods of files that are counted, and those that they are passed on to.
#[repr(C)]
struct Watched {
    /// First, so that a pointer to it is one to the whole.
    methods: sqlite3_io_methods,
    original: &'static sqlite3_io_methods,
}

/// The watched methods for files that had these.
fn watched(original: &'static sqlite3_io_methods) -> &'static Watched {
    let mut known = WATCHED.lock().unwrap();
    if let Some(found) = known
        .iter()
        .find(|watched| ptr::eq(watched.original, original))
    {
        return found;
    }
    let made = Box::leak(Box::new(Watched {
        methods: sqlite3_io_methods {
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            ..*original
        },
        original,
    }));
    known.push(made);
    made
}

/// The methods that a file had.
///
/// # Safety
/// The file must have been opened by [`open`], and be open.
unsafe fn original(file: *mut sqlite3_file) -> &'static sqlite3_io_methods {
    // SAFETY: `open` put a pointer to the first field of a `Watched` there, which lives forever.
    unsafe { (*(*file).pMethods.cast::<Watched>()).original }
}

unsafe extern "C" fn open(
    _vfs: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let vfs = ORIGINAL.load(Ordering::SeqCst);
    // SAFETY: SQLite's arguments are passed on to its own function, which sets the file's methods to a table
    // that lives forever, or to null.
    unsafe {
        let status = (*vfs).xOpen.unwrap()(vfs, name, file, flags, out);
        if let Some(methods) = (*file).pMethods.as_ref() {
            (*file).pMethods = ptr::from_ref(watched(methods)).cast();
        }
        status
    }
}

unsafe extern "C" fn delete(_vfs: *mut sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    begin(false);
    let vfs = ORIGINAL.load(Ordering::SeqCst);
    // SAFETY: SQLite's arguments are passed on to its own function.
    unsafe { (*vfs).xDelete.unwrap()(vfs, name, sync) }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite calls this for a file that `open` opened, and half of its buffer is a part of it.
    unsafe {
        let write = original(file).xWrite.unwrap();
        match begin(true) {
            Verdict::Pass => write(file, bytes, count, at),
            Verdict::Full => SQLITE_FULL,
            Verdict::Half => {
                write(file, bytes, count / 2, at);
                die()
            }
        }
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: i64) -> c_int {
    begin(false);
    // SAFETY: SQLite calls this for a file that `open` opened.
    unsafe { original(file).xTruncate.unwrap()(file, size) }
}

unsafe extern "C" fn sync(_file: *mut sqlite3_file, _flags: c_int) -> c_int {
    begin(false);
    SQLITE_OK
}
