//! The disk as a SQLite VFS: the default VFS with the disk's state asked before each operation.
//!
//! The only place with `unsafe`: SQLite calls through C function pointers. What holds: a file object is our [`File`] followed by the
//! default VFS's own object; its `disk` pointer stays valid because a registered VFS is never freed; SQLite uses one file object from
//! one thread at a time, and the state behind `disk` has its lock.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::ffi;

use super::{Failure, Fault, State, lock};

/// A VFS known to SQLite as long as this lives.
pub(super) struct Registered {
    name: String,
    vfs: *mut ffi::sqlite3_vfs,
}

// SAFETY: the pointer is only given back to SQLite, whose list of VFSes has a lock of its own.
unsafe impl Send for Registered {}
// SAFETY: as above; nothing is reachable through a shared reference but the name.
unsafe impl Sync for Registered {}

/// What a VFS's `pAppData` points to.
struct Disk {
    state: Arc<Mutex<State>>,
    real: *mut ffi::sqlite3_vfs,
}

/// What SQLite takes for its file; the default VFS's own file stands behind it in memory.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    disk: *const Disk,
    /// `None` for temporary files: they need not survive anything.
    path: *mut PathBuf,
}

impl Registered {
    pub(super) fn new(state: Arc<Mutex<State>>) -> Registered {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("faulty-disk-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let c_name = CString::new(name.as_str()).unwrap_or_default();
        // SAFETY: asks for the default VFS, which lives as long as the process. Our copy of it and everything it points to is leaked,
        // because a connection may outlive its registration.
        let vfs = unsafe {
            let real = ffi::sqlite3_vfs_find(ptr::null());
            let disk = Box::into_raw(Box::new(Disk { state, real }));
            let mut vfs = Box::new(*real);
            vfs.szOsFile = size_of::<File>() as c_int + (*real).szOsFile;
            vfs.zName = c_name.into_raw();
            vfs.pNext = ptr::null_mut();
            vfs.pAppData = disk.cast();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            vfs.xAccess = Some(access);
            let vfs = Box::into_raw(vfs);
            assert_eq!(ffi::sqlite3_vfs_register(vfs, 0), ffi::SQLITE_OK);
            vfs
        };
        Registered { name, vfs }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // SAFETY: it was registered by `new` and not yet taken back.
        unsafe { ffi::sqlite3_vfs_unregister(self.vfs) };
    }
}

impl Failure {
    /// As SQLite says it; `otherwise` when the power is off.
    fn code(&self, otherwise: c_int) -> c_int {
        match self.fault {
            Some(Fault::WriteError | Fault::ShortWrite) => ffi::SQLITE_IOERR_WRITE,
            Some(Fault::Full) => ffi::SQLITE_FULL,
            Some(Fault::FlushError) => ffi::SQLITE_IOERR_FSYNC,
            Some(Fault::RefusedOpen) => ffi::SQLITE_CANTOPEN,
            None => otherwise,
        }
    }
}

unsafe fn disk_of<'d>(vfs: *mut ffi::sqlite3_vfs) -> &'d Disk {
    // SAFETY: `pAppData` was set by `Registered::new` to a leaked `Disk`.
    unsafe { &*(*vfs).pAppData.cast::<Disk>() }
}

unsafe fn path_of<'n>(name: *const c_char) -> &'n Path {
    // SAFETY: SQLite gives names that end with a zero byte and outlive the call.
    Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(name) }.to_bytes()))
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with our VFS, room for `szOsFile` bytes at `file`, and a name or null.
    unsafe {
        let disk = disk_of(vfs);
        let ours = file.cast::<File>();
        (*ours).base.pMethods = ptr::null();
        let path = (!name.is_null()).then(|| path_of(name).to_path_buf());
        let mut state = lock(&disk.state);
        if let Some(path) = &path
            && let Err(failure) = state.open(path)
        {
            return failure.code(ffi::SQLITE_CANTOPEN);
        }
        if let Some(path) = &path
            && flags & ffi::SQLITE_OPEN_DELETEONCLOSE == 0
        {
            state.watch(path);
        }
        let Some(real_open) = (*disk.real).xOpen else { return ffi::SQLITE_CANTOPEN };
        let result = real_open(disk.real, name, real(file), flags, flags_out);
        if result == ffi::SQLITE_OK {
            (*ours).disk = disk;
            let tracked = path.filter(|_| flags & ffi::SQLITE_OPEN_DELETEONCLOSE == 0);
            (*ours).path = tracked.map_or(ptr::null_mut(), |path| Box::into_raw(Box::new(path)));
            (*ours).base.pMethods = &METHODS;
        }
        result
    }
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite calls with our VFS and a name.
    unsafe {
        let disk = disk_of(vfs);
        let path = path_of(name);
        let mut state = lock(&disk.state);
        if path.exists()
            && let Err(failure) = state.remove(path, sync_folder != 0)
        {
            return failure.code(ffi::SQLITE_IOERR_DELETE);
        }
        match (*disk.real).xDelete {
            Some(real_delete) => real_delete(disk.real, name, 0),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    }
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    answer: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls with our VFS, a name and room for the answer.
    unsafe {
        let disk = disk_of(vfs);
        if let Err(failure) = lock(&disk.state).powered() {
            return failure.code(ffi::SQLITE_IOERR_ACCESS);
        }
        match (*disk.real).xAccess {
            Some(real_access) => real_access(disk.real, name, flags, answer),
            None => ffi::SQLITE_IOERR_ACCESS,
        }
    }
}

/// The default VFS's own file.
unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: `szOsFile` leaves room for it behind ours, whose size is a multiple of a pointer's.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

/// The state, and the path when the file is one that must survive.
unsafe fn parts<'f>(file: *mut ffi::sqlite3_file) -> (&'f Mutex<State>, Option<&'f Path>) {
    // SAFETY: `open` has set both fields; the path lives until `close`.
    unsafe {
        let ours = file.cast::<File>();
        (&(*(*ours).disk).state, (*ours).path.as_ref().map(PathBuf::as_path))
    }
}

/// Hands a call on to the default VFS's method of that name.
macro_rules! pass_on {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let real = real($file);
        match (*(*real).pMethods).$method {
            Some(method) => method(real $(, $argument)*),
            None => ffi::SQLITE_IOERR,
        }
    }};
}

/// A method that only passes on.
macro_rules! passing {
    ($name:ident, $method:ident $(, $argument:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) -> c_int {
            // SAFETY: SQLite calls with a file that `open` has opened.
            unsafe { pass_on!(file, $method $(, $argument)*) }
        }
    };
}

passing!(file_size, xFileSize, size: *mut i64);
passing!(lock_file, xLock, level: c_int);
passing!(unlock_file, xUnlock, level: c_int);
passing!(check_reserved_lock, xCheckReservedLock, answer: *mut c_int);
passing!(file_control, xFileControl, operation: c_int, argument: *mut c_void);
passing!(sector_size, xSectorSize);
passing!(device_characteristics, xDeviceCharacteristics);
passing!(shm_map, xShmMap, page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void);
passing!(shm_lock, xShmLock, offset: c_int, count: c_int, flags: c_int);
passing!(shm_unmap, xShmUnmap, delete: c_int);

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: SQLite calls with a file that `open` has opened.
    unsafe {
        let real = real(file);
        if let Some(barrier) = (*(*real).pMethods).xShmBarrier {
            barrier(real);
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes each opened file once.
    unsafe {
        let ours = file.cast::<File>();
        if !(*ours).path.is_null() {
            drop(Box::from_raw((*ours).path));
            (*ours).path = ptr::null_mut();
        }
        pass_on!(file, xClose)
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, count: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite calls with a file that `open` has opened and room for `count` bytes.
    unsafe {
        let (state, _) = parts(file);
        if let Err(failure) = lock(state).powered() {
            return failure.code(ffi::SQLITE_IOERR_READ);
        }
        pass_on!(file, xRead, to, count, offset)
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite calls with a file that `open` has opened and `count` bytes at `from`.
    unsafe {
        let (state, path) = parts(file);
        let Some(path) = path else { return pass_on!(file, xWrite, from, count, offset) };
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), count as usize);
        let mut state = lock(state);
        match state.write(path, offset as u64, bytes) {
            Ok(()) => pass_on!(file, xWrite, from, count, offset),
            Err(failure) => {
                if failure.written > 0 {
                    // Whatever this says, the write has failed.
                    let _ = pass_on!(file, xWrite, from, failure.written as c_int, offset);
                }
                failure.code(ffi::SQLITE_IOERR_WRITE)
            }
        }
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite calls with a file that `open` has opened.
    unsafe {
        let (state, path) = parts(file);
        let mut state = lock(state);
        if let Some(path) = path
            && let Err(failure) = state.truncate(path, size as u64)
        {
            return failure.code(ffi::SQLITE_IOERR_TRUNCATE);
        }
        pass_on!(file, xTruncate, size)
    }
}

/// Nothing is passed on: what is durable is the state's to say.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls with a file that `open` has opened.
    let (state, path) = unsafe { parts(file) };
    match path.map(|path| lock(state).flush(path)) {
        Some(Err(failure)) => failure.code(ffi::SQLITE_IOERR_FSYNC),
        _ => ffi::SQLITE_OK,
    }
}

/// Version 2: with shared memory, without memory-mapped reading, which would go past the state.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock_file),
    xUnlock: Some(unlock_file),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};
