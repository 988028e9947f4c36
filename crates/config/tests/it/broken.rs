//! Damaged configuration: no panic, and always a reason.

use gauntlet_config::fuzz;

#[test]
fn damaged_files_are_refused_or_taken_but_never_crash() {
    let Some(dir) = gauntlet_testkit::conformance_dir() else { return };
    for entry in std::fs::read_dir(dir.join("conformance/prometheus-config")).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let text = std::fs::read(path).unwrap();
        fuzz::check(&text);
        for step in 1..8 {
            let at = text.len() * step / 8;
            fuzz::check(&text[..at]);
            let mut flipped = text.clone();
            if let Some(byte) = flipped.get_mut(at) {
                *byte ^= 0x0A;
            }
            fuzz::check(&flipped);
        }
    }
}
