//! The lines of a block of bytes.

use memchr::memchr;

/// A line without its newline.
pub struct Line<'a> {
    /// Where it begins in its block.
    pub start: usize,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl Line<'_> {
    /// Return where it ends in its block.
    pub fn end(&self) -> usize {
        self.start + self.bytes.len()
    }
}

/// The lines of a block, of which each has its newline.
pub struct Lines<'a> {
    start: usize,
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// Split a block.
    pub fn of(text: &'a [u8]) -> Self {
        Lines { start: 0, rest: text }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    fn next(&mut self) -> Option<Line<'a>> {
        let (bytes, rest) = self.rest.split_at_checked(memchr(b'\n', self.rest)?)?;
        let line = Line { start: self.start, bytes };
        self.start += bytes.len() + 1;
        self.rest = rest.get(1..)?;
        Some(line)
    }
}
