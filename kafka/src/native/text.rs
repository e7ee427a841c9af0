//! Strings and codes across the boundary to C.

use std::ffi::{CStr, CString, c_char};

use rdkafka_sys as sys;

use crate::error::{Error, ErrorCode};

/// A C string as an owned one; empty for a null pointer.
///
/// # Safety
/// `text` must be null or point to a terminated string.
pub(crate) unsafe fn lossy(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and terminated as the caller promises.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// `text` for C; a name with a zero byte in it is refused instead of cut short.
pub(crate) fn cstring(what: &str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Refused {
        attempt: format!("{what} `{}`", text.escape_debug()),
        code: ErrorCode::InvalidArgument,
        detail: "a name cannot hold a zero byte".to_owned(),
    })
}

/// The safe form of a code.
pub(crate) fn code_of(code: sys::rd_kafka_resp_err_t) -> ErrorCode {
    ErrorCode::from(code)
}

/// librdkafka's sentence for a code.
pub(crate) fn code_text(code: sys::rd_kafka_resp_err_t) -> String {
    // SAFETY: returns a pointer to a static string for any code.
    unsafe { lossy(sys::rd_kafka_err2str(code)) }
}
