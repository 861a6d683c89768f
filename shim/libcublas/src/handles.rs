//! The handles that programs hold, and what each one remembers.
//!
//! A handle is the address of an allocation of which nothing is ever read through
//! the program's copy: it is looked up among the live ones first. A program may
//! cast it and hand it to cublasLt, which would read it; so it is a large block of
//! zeros that such a reader finds no valid object in.

use core::ffi::c_void;

use crate::cublas::{
    CUBLAS_DEFAULT_MATH, CUBLAS_POINTER_MODE_HOST, cublasHandle_t, cublasMath_t,
    cublasPointerMode_t, cudaStream_t,
};
use crate::driver::Context;
use crate::lock::Lock;
use crate::status::{ALLOC_FAILED, NOT_INITIALIZED, Result};

/// What calls with a handle depend on.
#[derive(Clone, Copy)]
pub struct State {
    /// Where kernels are launched.
    pub stream: cudaStream_t,
    /// Remembered for the program; every mode allows f32.
    pub math_mode: cublasMath_t,
    /// Where scalars lie.
    pub pointer_mode: cublasPointerMode_t,
    /// The context that the handle was made in.
    pub context: Context,
}

/// Bytes of zeros at the address that is the handle.
const BLOCK: usize = 16384;

struct Node {
    next: *mut Node,
    block: *mut c_void,
    state: State,
}

struct List(*mut Node);

// SAFETY: the nodes belong to the list, which one thread at a time reaches.
unsafe impl Send for List {}

static HANDLES: Lock<List> = Lock::new(List(core::ptr::null_mut()));

/// Makes a handle of a context.
///
/// # Errors
/// `ALLOC_FAILED`.
pub fn create(context: Context) -> Result<cublasHandle_t> {
    // SAFETY: calloc has no preconditions.
    let block = unsafe { libc::calloc(1, BLOCK) };
    // SAFETY: as above.
    let node: *mut Node = unsafe { libc::calloc(1, size_of::<Node>()) }.cast();
    if block.is_null() || node.is_null() {
        // SAFETY: both are null or were allocated above.
        unsafe { libc::free(block) };
        // SAFETY: as above.
        unsafe { libc::free(node.cast()) };
        return Err(ALLOC_FAILED);
    }
    let state = State {
        stream: core::ptr::null_mut(),
        math_mode: CUBLAS_DEFAULT_MATH,
        pointer_mode: CUBLAS_POINTER_MODE_HOST,
        context,
    };
    HANDLES.with(|list| {
        let next = list.0;
        // SAFETY: the node was allocated with the size of one.
        unsafe { node.write(Node { next, block, state }) };
        list.0 = node;
    });
    Ok(block)
}

/// The place of the pointer to a handle's node, or of the null that ends the list.
fn find(list: &mut List, handle: cublasHandle_t) -> Result<&mut *mut Node> {
    let mut link = &mut list.0;
    // SAFETY: nodes of the list are live, and the list is borrowed as a whole.
    while let Some(node) = unsafe { link.as_mut() } {
        if node.block == handle {
            return Ok(link);
        }
        link = &mut node.next;
    }
    Err(NOT_INITIALIZED)
}

/// Ends a handle.
///
/// # Errors
/// `NOT_INITIALIZED` if it is none.
pub fn destroy(handle: cublasHandle_t) -> Result {
    HANDLES.with(|list| {
        let link = find(list, handle)?;
        let node = *link;
        // SAFETY: `find` answers the link to a live node.
        *link = unsafe { (*node).next };
        // SAFETY: both were allocated by `create`, and the list forgot them.
        unsafe { libc::free(handle) };
        // SAFETY: as above.
        unsafe { libc::free(node.cast()) };
        Ok(())
    })
}

/// Reads or changes what a handle remembers.
///
/// # Errors
/// `NOT_INITIALIZED` if it is none.
pub fn with_state<R>(handle: cublasHandle_t, action: impl FnOnce(&mut State) -> R) -> Result<R> {
    HANDLES.with(|list| {
        let node = *find(list, handle)?;
        // SAFETY: `find` answers the link to a live node, and the list is locked.
        Ok(action(unsafe { &mut (*node).state }))
    })
}

/// What a handle remembers.
///
/// # Errors
/// `NOT_INITIALIZED` if it is none.
pub fn state(handle: cublasHandle_t) -> Result<State> {
    with_state(handle, |state| *state)
}
