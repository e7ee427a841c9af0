//! How much memory one input may make a decoder hold: in proportion to its bytes.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

/// What each byte of an input may take. An empty array in a JSON tree takes some dozens of bytes for two.
const EACH_BYTE: usize = 256;

/// Bytes that are allocated.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes that may be allocated at the moment.
static MOST: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator, with a limit. Memory that was asked for and never touched counts too, which the size of
/// the process would not show.
pub struct Counting;

/// Runs on an input of this length within its limit, of which `any` is what every input may take; more ends the process, which libFuzzer reports with the input.
pub fn bounded(any: usize, len: usize, run: impl FnOnce()) {
    let limit = any + len * EACH_BYTE;
    MOST.store(HELD.load(Ordering::Relaxed) + limit, Ordering::Relaxed);
    run();
    MOST.store(usize::MAX, Ordering::Relaxed);
}

fn take(bytes: usize) {
    let held = HELD.fetch_add(bytes, Ordering::Relaxed) + bytes;
    if held > MOST.load(Ordering::Relaxed) {
        // Nothing below may be refused.
        MOST.store(usize::MAX, Ordering::Relaxed);
        eprintln!(
            "an allocation of {bytes} bytes goes beyond what the input may take; {held} are held"
        );
        std::process::abort();
    }
}

fn give_back(bytes: usize) {
    HELD.fetch_sub(bytes, Ordering::Relaxed);
}

// Each call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        give_back(layout.size());
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        give_back(layout.size());
        unsafe { System.dealloc(at, layout) }
    }
}
