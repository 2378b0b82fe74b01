//! What a program reads on stdin. It is there as a whole before the program starts: one that outlives railrun must never take
//! a part of its values, or none, for all of them.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::process::Stdio;

/// The input in memory that no file system has, to be read from its beginning.
pub fn whole(input: &[u8]) -> io::Result<Stdio> {
    let mut memory = File::from(rustix::fs::memfd_create("railrun-stdin", rustix::fs::MemfdFlags::CLOEXEC)?);
    memory.write_all(input)?;
    memory.rewind()?;
    Ok(Stdio::from(memory))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn all_of_it_is_there_although_nobody_feeds_it() {
        let large = vec![b'x'; 1 << 20]; // more than any pipe holds
        let output = Command::new("wc").arg("-c").stdin(whole(&large).unwrap()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), large.len().to_string());
    }
}
