//! Recording a sample and decoding what came from outside allocate nothing, counted by this test's own allocator.
#![expect(
    unsafe_code,
    reason = "counting allocations takes an allocator, whose trait is unsafe"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use throng_metrics::{Digits, Histogram, Trend};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_count_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1_u8]))), 1);
}

#[test]
fn recording_never_allocates() {
    let mut trend = Trend::new(Digits::Three);
    let recorded = allocations(|| {
        for shift in 0..64 {
            trend.record(u64::MAX >> shift);
        }
        trend.reset();
        trend.record(0);
    });
    assert_eq!((recorded, trend.count), (0, 1));
}

#[test]
fn decoding_never_allocates_whatever_the_bytes_claim() {
    let mut source = Histogram::new(Digits::Three);
    for ns in (1..100_000_000).step_by(999_983) {
        source.record(ns);
    }
    let mut good = Vec::new();
    source.to_v2(&mut good);
    let mut histogram = Histogram::new(Digits::Three);
    let mut rejected = 0;
    let count = allocations(|| {
        assert!(histogram.merge_v2(&good).is_ok());
        // Each byte set to its extremes: lengths of 4 GiB, other digits, endless numbers, runs of zeros.
        for at in 0..good.len() {
            let original = good[at];
            for wrong in [0, 0x7f, 0x80, 0xff] {
                good[at] = wrong;
                rejected += usize::from(histogram.merge_v2(&good).is_err());
            }
            good[at] = original;
            rejected += usize::from(histogram.merge_v2(&good[..at]).is_err());
        }
    });
    assert_eq!(count, 0);
    assert!(rejected > good.len());
}
