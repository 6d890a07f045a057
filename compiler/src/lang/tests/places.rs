//! At run time a text has the same errors as in the macro, at the same places: the cases are those of `macros/tests/ui`.

use std::path::Path;

use crate::lang::Module;

#[test]
fn same_errors_as_the_macro() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../macros/tests/ui");
    let mut cases = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of the macro's tests") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        cases += 1;
        let file = std::fs::read_to_string(&path).expect("a test");
        let expected = std::fs::read_to_string(path.with_extension("stderr")).expect("its messages");
        // The call without what is around it; spaces keep its place.
        let start = file.find('{').expect("a call") + 1;
        let end = file.rfind("}\n\nfn main").expect("the end of the call");
        let text = format!("{}{}", " ".repeat(start), &file[start..end]);
        let errors = Module::parse(&text).and_then(|module| module.graphs()).expect_err("a mistake");
        for error in errors.list() {
            let place = errors.source().expect("a text").place(error.span);
            let before = &text[..place.start];
            let column = before.len() - before.rfind('\n').map_or(0, |newline| newline + 1) + 1;
            let line = before.matches('\n').count() + 1;
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let place = format!("tests/ui/{name}:{line}:{column}\n");
            assert!(expected.contains(&place), "{place} is not in\n{expected}");
            assert!(
                expected.contains(&format!("error: {}\n", error.message)),
                "{} is not in\n{expected}",
                error.message
            );
        }
        assert_eq!(errors.list().len(), expected.matches("error: ").count(), "{expected}");
    }
    assert!(cases >= 20, "{cases} cases");
}
