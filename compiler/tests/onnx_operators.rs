//! docs/onnx.md lists the operators that can be imported. `CONVOKE_BLESS=1` writes the list.

use std::fs;
use std::path::Path;

use convoke_compiler::onnx;

const BEGIN: &str = "<!-- operators -->\n";
const END: &str = "<!-- end -->";

#[test]
fn the_document_lists_the_operators() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/onnx.md");
    let text = fs::read_to_string(&path).expect("the document is there");
    let (before, rest) = text.split_once(BEGIN).expect("the list begins");
    let (listed, after) = rest.split_once(END).expect("the list ends");
    let mut list = String::new();
    let mut width = 0;
    for name in onnx::operators() {
        let word = format!("`{name}`");
        let separator = match width {
            0 => "",
            width if width + word.len() + 2 > 118 => ",\n",
            _ => ", ",
        };
        width = if separator == ", " { width + 2 + word.len() } else { word.len() };
        list += separator;
        list += &word;
    }
    list += "\n";
    if std::env::var_os("CONVOKE_BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{list}{END}{after}")).expect("the document can be written");
    } else {
        assert_eq!(listed, list, "CONVOKE_BLESS=1 writes {}", path.display());
    }
}
