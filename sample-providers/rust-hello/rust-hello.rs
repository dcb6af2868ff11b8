// Teaches a provider in Rust without any crate: the ABI written down by hand, and a manifest beside the file.
// rustc --crate-type cdylib -C panic=abort -O rust-hello.rs -o rust-hello.so
#![allow(non_snake_case)]
#![deny(unsafe_op_in_unsafe_fn)]
use std::ffi::c_void;

/// WSAQUERYSET2W: 112 bytes; the members that this provider does not use are left as words.
#[repr(C)]
pub struct QuerySet {
    size: u32,
    name: *const u16,
    version_and_comment: [usize; 2],
    name_space: u32,
    provider_and_context: [usize; 2],
    protocols_and_query: [usize; 3],
    address_count: u32,
    addresses: *const c_void,
    output_flags: u32,
    blob: *const c_void,
}

const SERVICE_NOT_FOUND: i32 = 10108;
const NO_MORE: i32 = 10110;

// What the host offers, resolved when it loads this file.
extern "C" {
    fn WSASetLastError(code: i32);
    fn WSAProviderCompleteAsyncCall(call: *mut c_void, code: i32) -> i32;
    fn NSPHostPackQuerySet(record: *const QuerySet, length: *mut u32, block: *mut c_void) -> i32;
}

pub struct Lookup {
    delivered: bool,
}

#[no_mangle]
pub unsafe extern "C" fn NSPv2LookupServiceBegin(
    _id: *mut c_void, query: *const QuerySet, _flags: u32, _session: *mut c_void, handle: *mut *mut Lookup,
) -> i32 {
    let expected: Vec<u16> = "rust\0".encode_utf16().collect();
    unsafe {
        let name = (*query).name;
        if name.is_null() || !(0..expected.len()).all(|i| *name.add(i) == expected[i]) {
            WSASetLastError(SERVICE_NOT_FOUND);
            return -1;
        }
        *handle = Box::into_raw(Box::new(Lookup { delivered: false })); // freed in End
    }
    0
}

#[no_mangle]
pub unsafe extern "C" fn NSPv2LookupServiceNextEx(
    call: *mut c_void, handle: *mut Lookup, _flags: u32, length: *mut u32, block: *mut c_void,
) {
    unsafe {
        if (*handle).delivered {
            WSAProviderCompleteAsyncCall(call, NO_MORE);
            return;
        }
        let name: Vec<u16> = "rust\0".encode_utf16().collect();
        let mut record: QuerySet = std::mem::zeroed();
        record.size = std::mem::size_of::<QuerySet>() as u32;
        record.name = name.as_ptr();
        let code = NSPHostPackQuerySet(&record, length, block);
        (*handle).delivered = code == 0;
        WSAProviderCompleteAsyncCall(call, code);
    }
}

#[no_mangle]
pub unsafe extern "C" fn NSPv2LookupServiceEnd(handle: *mut Lookup) -> i32 {
    drop(unsafe { Box::from_raw(handle) }); // made in Begin
    0
}
