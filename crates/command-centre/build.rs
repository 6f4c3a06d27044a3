//! Says what to do when the built screen is missing, and has the crate compiled again when it changes.

fn main() {
    println!("cargo::rerun-if-changed=screen/dist");
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    if !std::path::Path::new(&root).join("screen/dist/index.html").is_file() {
        println!(
            "cargo::error=the built screen is missing ({root}/screen/dist/index.html): run `npm ci && npm run build` in \
             {root}/screen, or check the committed folder out again"
        );
    }
}
