//! The process: hands everything to `cli` and exits with what it says.

fn main() -> railrun::cli::Exit {
    railrun::cli::main()
}
