//! Where a line is written: a vector that grows, or memory that is there already.

/// Takes bytes one piece after the other.
pub(super) trait Out {
    /// Appends `bytes`.
    fn put(&mut self, bytes: &[u8]);

    /// Appends as many bytes as the type says: a few stores, where [`Out::put`] calls for a copy.
    #[inline]
    fn put_array<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.put(bytes);
    }
}

impl Out for Vec<u8> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A piece of memory that is filled from its front and never grows.
pub(super) struct Room<'a> {
    left: &'a mut [u8],
    size: usize,
    enough: bool,
}

impl<'a> Room<'a> {
    /// Room for as many bytes as `memory` has.
    #[inline]
    pub(super) fn new(memory: &'a mut [u8]) -> Self {
        Room { size: memory.len(), left: memory, enough: true }
    }

    /// How many bytes were put; `None` if there was not room for all of them.
    #[inline]
    pub(super) fn filled(self) -> Option<usize> {
        self.enough.then_some(self.size - self.left.len())
    }
}

impl Out for Room<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        match std::mem::take(&mut self.left).split_at_mut_checked(bytes.len()) {
            Some((room, left)) => {
                room.copy_from_slice(bytes);
                self.left = left;
            }
            None => self.enough = false,
        }
    }

    #[inline]
    fn put_array<const N: usize>(&mut self, bytes: &[u8; N]) {
        match std::mem::take(&mut self.left).split_first_chunk_mut() {
            Some((room, left)) => {
                *room = *bytes;
                self.left = left;
            }
            None => self.enough = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_takes_all_or_says_so() {
        let mut memory = *b"......";
        let mut room = Room::new(&mut memory);
        room.put(b"abc");
        room.put(b"");
        room.put_array(b"de");
        assert_eq!(room.filled(), Some(5));
        assert_eq!(&memory, b"abcde.");
        let mut room = Room::new(&mut memory);
        room.put(b"uvwxyz");
        room.put(b"");
        assert_eq!(room.filled(), Some(6));
        let mut room = Room::new(&mut memory);
        room.put(b"1234567");
        room.put(b"8");
        room.put_array(b"9");
        assert_eq!(room.filled(), None);
        let mut room = Room::new(&mut memory);
        room.put_array(b"1234567");
        room.put_array(b"8");
        assert_eq!(room.filled(), None);
        assert_eq!(&memory, b"uvwxyz");
    }
}
