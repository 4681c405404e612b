//! Compiles the contract with protox: no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = protox::compile(
        ["throng/v1/throng.proto", "throng/v1/journal.proto"],
        ["proto"],
    )?;
    let mut build = tonic_prost_build::configure().build_transport(true);
    // What a controller's checkpoint holds of the wire.
    for kept in [
        "Health",
        "PhaseTrouble",
        "ProblemKind",
        "ScenarioTotals",
        "StateChanged",
        "StopMode",
    ] {
        let derive = "#[derive(serde::Serialize, serde::Deserialize)]";
        build = build.type_attribute(format!(".throng.v1.{kept}"), derive);
    }
    build.compile_fds(files)?;
    Ok(())
}
