//! Whether a copy fits onto the target's volume. What cannot be asked is no reason against it: the transaction
//! of the copy is then what finds out.

use super::state::Reason;
use crate::database::{Gateway, Primary};

/// What indexes and the write-ahead log need beside the data.
const MORE_PERCENT: u64 = 50;

/// Why `size` bytes more do not fit, if they do not.
pub async fn too_small(gateway: &Gateway<'_>, target: &Primary, size: u64) -> Option<Reason> {
    let pod = target.pod.as_ref()?;
    let folder = target.session.value("SELECT current_setting('data_directory')", &[]).await.ok()?;
    let command = ["df", "-Pk", folder.as_str()?].map(str::to_owned);
    let asked = gateway.cluster().exec_read(pod, &command, &[]).await.ok()?;
    let free = free(&String::from_utf8_lossy(&asked.stdout))?;
    let needed = size + size / 100 * MORE_PERCENT;
    let but = || format!("it needs about {} MB, {} MB are free", megabytes(needed), megabytes(free));
    (free < needed).then(|| Reason { must: "the target's volume has room".into(), but: but() })
}

/// The fourth column of the second line, in bytes.
fn free(said: &str) -> Option<u64> {
    said.lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_free_space_is_read_from_df() {
        let said = "Filesystem     1024-blocks      Used Available Capacity Mounted on\n/dev/sda1       1000 400 600 40% /bitnami\n";
        assert_eq!(free(said), Some(600 * 1024));
        assert_eq!(free("df: no such folder"), None);
    }
}
