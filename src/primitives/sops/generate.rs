//! New passwords, from the operating system's randomness, or from a seed that a saved plan gives.

use miette::Diagnostic;
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::Deserialize;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenerateOptions {
    length: usize,
    alphabet: String,
}

/// Letters and digits: safe in URLs, shells, SQL and in pgpool's user list, which splits at `,` and `;`.
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const LENGTHS: std::ops::RangeInclusive<usize> = 12..=1024;
const FEWEST_LETTERS: usize = 10;

impl Default for GenerateOptions {
    fn default() -> Self {
        Self { length: 32, alphabet: ALPHABET.into() }
    }
}

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum GenerateError {
    #[error("a password of {length} characters is not made")]
    #[diagnostic(code(sops::bad_length), help("`length` is between 12 and 1024"))]
    Length { length: usize },
    #[error("the alphabet `{alphabet}` has a blank, `,` or `;`")]
    #[diagnostic(code(sops::bad_alphabet), help("pgpool's user list and connection strings split at these"))]
    Separator { alphabet: String },
    #[error("the alphabet `{alphabet}` has fewer than 10 different characters")]
    #[diagnostic(code(sops::bad_alphabet), help("leave `alphabet` out to get letters and digits"))]
    TooFew { alphabet: String },
    #[error("the operating system gave no randomness: {reason}")]
    #[diagnostic(code(sops::no_randomness))]
    NoRandomness { reason: String },
}

/// Drawn from the seed, if there is one: the same seed, the same password.
pub fn password(options: &GenerateOptions, seed: Option<[u8; 32]>) -> Result<String, GenerateError> {
    let alphabet = || options.alphabet.clone();
    if !LENGTHS.contains(&options.length) {
        return Err(GenerateError::Length { length: options.length });
    }
    if options.alphabet.chars().any(|char| char.is_whitespace() || char.is_control() || ",;".contains(char)) {
        return Err(GenerateError::Separator { alphabet: alphabet() });
    }
    let letters: Vec<char> = options.alphabet.chars().collect::<BTreeSet<_>>().into_iter().collect();
    if letters.len() < FEWEST_LETTERS {
        return Err(GenerateError::TooFew { alphabet: alphabet() });
    }
    let fresh = || StdRng::try_from_os_rng().map_err(|error| GenerateError::NoRandomness { reason: error.to_string() });
    let mut random = seed.map_or_else(fresh, |seed| Ok(StdRng::from_seed(seed)))?;
    Ok((0..options.length).map(|_| letters[random.random_range(0..letters.len())]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_the_length_and_letters_that_were_asked() {
        let made = password(&GenerateOptions { length: 500, alphabet: "abcdefghij-".into() }, None).unwrap();
        assert_eq!(made.chars().count(), 500);
        assert!(made.chars().all(|char| "abcdefghij-".contains(char)) && made.contains('-'));
        assert_ne!(password(&GenerateOptions::default(), None).unwrap(), password(&GenerateOptions::default(), None).unwrap());
    }

    #[test]
    fn the_same_seed_gives_the_same_password() {
        let of = |seed| password(&GenerateOptions::default(), Some([seed; 32])).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn weak_or_splitting_passwords_are_refused() {
        for (length, alphabet) in
            [(8, ALPHABET), (2000, ALPHABET), (32, "abc"), (32, "abcdefghij;"), (32, "abcdefghij "), (32, "aaaaaaaaaaaa"), (32, "")]
        {
            assert!(password(&GenerateOptions { length, alphabet: alphabet.into() }, None).is_err(), "{length} {alphabet}");
        }
    }
}
