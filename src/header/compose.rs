//! Field values that are made for one message and soon forgotten.

use std::cell::RefCell;

use bytes::{BufMut, BytesMut};
use http::HeaderValue;

/// How much room is taken at once.
const BLOCK: usize = 4 << 10;
/// How much of it a value may count on; a longer one makes the block grow.
const ROOM: usize = 256;

thread_local! {
    // A response has several such values, and an allocation for each would cost more than all the
    // writing. A block is reused once everything that was cut from it is gone.
    static REST: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

/// The value that `write` appends to the buffer; empty if it is no field value.
pub fn value(write: impl FnOnce(&mut BytesMut)) -> HeaderValue {
    let text = REST.with_borrow_mut(|rest| {
        if rest.capacity() < ROOM {
            rest.reserve(BLOCK);
        }
        write(rest);
        rest.split().freeze()
    });
    HeaderValue::from_maybe_shared(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The value that is this number.
pub fn number(number: u64) -> HeaderValue {
    value(|text| put_number(text, number))
}

/// Appends a number in decimal.
pub fn put_number(text: &mut BytesMut, number: impl itoa::Integer) {
    text.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_do_not_run_into_each_other() {
        let values: Vec<_> = (0..10_000_u64).map(number).collect();
        let long = value(|text| text.put_bytes(b'x', 3 * BLOCK));
        for (number, value) in values.iter().enumerate() {
            assert_eq!(value.as_bytes(), number.to_string().as_bytes());
        }
        assert_eq!(long.len(), 3 * BLOCK);
        assert_eq!(value(|text| text.put_slice(b"a\nb")), "");
    }
}
