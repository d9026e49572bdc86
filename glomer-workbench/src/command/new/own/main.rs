fn main() -> std::process::ExitCode {
    glomer_runtime::run::<CRATE::Machine>()
}
