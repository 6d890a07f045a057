//! Files of parameters: against the format's reference implementation, and against everything that is none.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use convoke_runtime::parameters::{FileError, FormatError, SafetensorsError};
use convoke_runtime::{Parameters, Tensor};
use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensors, serialize};

/// A file of this name in a directory of its own, removed at the end.
struct TempFile(PathBuf);

impl TempFile {
    fn new(test: &str, name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("convoke-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        Self(directory.join(name))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.parent().unwrap());
    }
}

fn sample() -> Parameters {
    let tensor = |shape: &[usize], first: f32| {
        let len = shape.iter().product();
        Tensor::from_vec(shape, (0..len).map(|i| first + i as f32).collect()).unwrap()
    };
    Parameters::from_tensors([
        ("conv1.weight".to_owned(), tensor(&[6, 1, 5, 5], -7.5)),
        ("conv1.bias".to_owned(), tensor(&[6], 0.25)),
        ("a \"quoted\"\n größe".to_owned(), tensor(&[], 3.0)),
        ("empty".to_owned(), tensor(&[0, 4], 0.0)),
    ])
}

fn assert_equal(a: &Parameters, b: &Parameters) {
    assert!(a.iter().eq(b.iter()), "{a:?}\n{b:?}");
}

/// A file by hand: the header's text, and bytes after it.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn saves_what_it_loads() {
    let path = TempFile::new("save", "weights.safetensors");
    sample().save(&path.0).unwrap();
    let loaded = Parameters::load(&path.0).unwrap();
    assert_equal(&loaded, &sample());
    // Saving to where it is mapped from leaves the mapping whole, and nothing else behind.
    Parameters::default().save(&path.0).unwrap();
    assert_equal(&loaded, &sample());
    assert_eq!(Parameters::load(&path.0).unwrap().len(), 0);
    assert_eq!(fs::read_dir(path.0.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn agrees_with_the_reference() {
    let path = TempFile::new("reference", "weights.safetensors");
    sample().save(&path.0).unwrap();
    let bytes = fs::read(&path.0).unwrap();
    let reference = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(reference.len(), sample().len());
    for (name, tensor) in sample().iter() {
        let other = reference.tensor(name).unwrap();
        assert_eq!((other.dtype(), other.shape()), (Dtype::F32, tensor.shape()));
        let elements: Vec<f32> = other.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        assert_eq!(elements, tensor.data());
    }
    let metadata = [("format".to_owned(), "pt \"\\".to_owned())].into();
    let written = serialize(reference.iter(), Some(metadata)).unwrap();
    assert_equal(&Parameters::from_bytes(&written).unwrap(), &sample());
}

#[test]
fn converts_other_floats_and_drops_counters() {
    let f16: Vec<u8> = [0x3c00_u16, 0xc000].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let bf16: Vec<u8> = [0x3f80_u16, 0xc000].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let f64: Vec<u8> = [1.0_f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let view = |dtype, bytes| TensorView::new(dtype, vec![2], bytes).unwrap();
    let counter = 7_i64.to_le_bytes();
    let tensors = [
        ("f16", view(Dtype::F16, &f16)),
        ("bf16", view(Dtype::BF16, &bf16)),
        ("f64", view(Dtype::F64, &f64)),
        ("bn.num_batches_tracked", TensorView::new(Dtype::I64, vec![], &counter).unwrap()),
    ];
    let bytes = serialize(tensors, None).unwrap();
    let path = TempFile::new("floats", "weights.safetensors");
    fs::write(&path.0, &bytes).unwrap();
    for parameters in [Parameters::from_bytes(&bytes).unwrap(), Parameters::load(&path.0).unwrap()] {
        assert_eq!(parameters.names().collect::<Vec<_>>(), ["bf16", "f16", "f64"]);
        assert!(parameters.iter().all(|(_, tensor)| tensor.data() == [1.0, -2.0]));
    }
    let integers = serialize([("ids", TensorView::new(Dtype::I64, vec![], &counter).unwrap())], None).unwrap();
    assert_eq!(
        Parameters::from_bytes(&integers).unwrap_err().to_string(),
        "safetensors: tensor `ids` is of type I64; a parameter is F32, F16, BF16 or F64"
    );
}

/// Float32 elements that begin at an odd address of the file are copied.
#[test]
fn loads_unaligned_files() {
    let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let data: Vec<u8> = [1.5_f32, -2.5].iter().flat_map(|value| value.to_le_bytes()).collect();
    for spaces in 0..8 {
        let path = TempFile::new("unaligned", "weights.safetensors");
        fs::write(&path.0, file(&format!("{header}{}", " ".repeat(spaces)), &data)).unwrap();
        assert_eq!(Parameters::load(&path.0).unwrap().get("w").unwrap().data(), [1.5, -2.5]);
    }
}

#[test]
fn names_the_file() {
    let path = TempFile::new("names", "weights.safetensors");
    let error = Parameters::load(&path.0).unwrap_err();
    assert!(matches!(&error, FileError::Read { path: named, .. } if *named == path.0), "{error}");
    fs::write(&path.0, [0; 5]).unwrap();
    let error = Parameters::load(&path.0).unwrap_err();
    assert!(
        matches!(
            &error,
            FileError::Format { error: FormatError::Safetensors(SafetensorsError::Length { found: 5 }), .. }
        ),
        "{error}"
    );
    fs::write(&path.0, []).unwrap();
    assert!(matches!(Parameters::load(&path.0), Err(FileError::Format { .. })));
    let missing = path.0.parent().unwrap().join("missing").join("weights.safetensors");
    assert!(matches!(sample().save(missing), Err(FileError::Write { .. })));
}

#[test]
fn refuses_what_is_no_such_file() {
    let tensor = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let one = |shape: &str, from, to| format!("{{{}}}", tensor("w", "F32", shape, from, to));
    let two = |a: String, b: String| format!("{{{a},{b}}}");
    let cases = [
        (vec![], "the file has 0 bytes"),
        (vec![1; 7], "the file has 7 bytes"),
        (vec![0xff; 64], "the header should have 18446744073709551615 bytes, 56 are left"),
        (9_u64.to_le_bytes().to_vec(), "the header should have 9 bytes, 0 are left"),
        (file("", &[]), "expected an object at byte 0"),
        (file("[]", &[]), "expected an object at byte 0"),
        (file("{}", &[0]), "the tensors end at byte 0 of 1 bytes"),
        (file("{} x", &[]), "expected the end of the header at byte 3"),
        (file(r#"{"w":{"dtype":"F32","shape":[]}}"#, &[]), "expected `dtype`, `shape` and `data_offsets` at byte 5"),
        (file(r#"{"w":{"size":3}}"#, &[]), "expected `dtype`, `shape` or `data_offsets` at byte 13"),
        (file(r#"{"w":{"data_offsets":[1]}}"#, &[]), "expected two numbers at byte 21"),
        (file(r#"{"w":{"shape":[-1]}}"#, &[]), "expected a whole number"),
        (file(r#"{"__metadata__":{"a":1}}"#, &[]), "expected a string at byte 21"),
        (file(&one("[2]", 0, 8), &[0; 7]), "tensor `w` lies at bytes 0..8"),
        (file(&one("[2]", 0, 8), &[0; 9]), "the tensors end at byte 8 of 9 bytes"),
        (file(&one("[2]", 1, 9), &[0; 9]), "it should begin at 0"),
        (file(&one("[2]", 8, 0), &[0; 8]), "tensor `w` lies at bytes 8..0"),
        (file(&one("[2]", 0, u64::MAX), &[0; 8]), "tensor `w` lies at bytes 0..18446744073709551615"),
        (file(&one("[3]", 0, 8), &[0; 8]), "of type F32 and shape [3] cannot have 8 bytes"),
        (file(&one("[4294967296,4294967296]", 0, 0), &[]), "cannot have 0 bytes"),
        (file(&one("[4611686018427387905]", 0, 4), &[0; 4]), "cannot have 4 bytes"),
        (file(&format!("{{{}}}", tensor("w", "I8", "[2]", 0, 2)), &[0; 2]), "is of type I8"),
        (
            file(&two(tensor("w", "F32", "[]", 0, 4), tensor("w", "F32", "[]", 4, 8)), &[0; 8]),
            "there are two tensors `w`",
        ),
        (
            file(&two(tensor("a", "F32", "[2]", 0, 8), tensor("b", "F32", "[2]", 4, 12)), &[0; 12]),
            "tensor `b` lies at bytes 4..12; it should begin at 8",
        ),
        (
            file(&two(tensor("a", "F32", "[1]", 0, 4), tensor("b", "F32", "[1]", 8, 12)), &[0; 12]),
            "tensor `b` lies at bytes 8..12; it should begin at 4",
        ),
        ([&2_u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(), "byte 0 of the header is not UTF-8"),
    ];
    for (bytes, expected) in cases {
        let error = Parameters::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "expected: {expected}\nfound: {error}");
    }
    // Deep nesting is no recursion.
    let deep = format!("{}{}", r#"{"w":"#, "[".repeat(1 << 20));
    assert!(Parameters::from_bytes(&file(&deep, &[])).is_err());
}

/// Whatever is accepted, the reference accepts too, with the same tensors.
fn check_against_reference(bytes: &[u8]) {
    let Ok(parameters) = Parameters::from_bytes(bytes) else { return };
    let reference = SafeTensors::deserialize(bytes).unwrap();
    for (name, tensor) in parameters.iter() {
        let other = reference.tensor(name).unwrap();
        assert_eq!(other.shape(), tensor.shape());
        if other.dtype() == Dtype::F32 {
            let bits = tensor.data().iter().flat_map(|value| value.to_bits().to_le_bytes());
            assert!(bits.eq(other.data().iter().copied()));
        }
    }
}

/// A well-formed file.
fn whole() -> &'static [u8] {
    static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let path = TempFile::new("whole", "weights.safetensors");
        sample().save(&path.0).unwrap();
        fs::read(&path.0).unwrap()
    });
    &WHOLE
}

#[test]
fn every_truncation_is_an_error() {
    let whole = whole();
    for len in 0..whole.len() {
        assert!(Parameters::from_bytes(&whole[..len]).is_err(), "{len} bytes");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_against_reference(&bytes);
        check_against_reference(&file(&String::from_utf8_lossy(&bytes), &bytes));
    }

    /// Some bytes of the header replaced, removed or added, mostly by what means something there.
    #[test]
    fn mutated_headers_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, "[0-9\\[\\]{},:\" \\\\F]|.|\u{0}"), 1..4),
        keep_length in prop::bool::weighted(0.2),
    ) {
        let whole = whole();
        let length = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
        let mut header = whole[8..8 + length].to_vec();
        for (at, kind, text) in edits {
            let at = at.index(header.len());
            let removed = if kind == 1 { at..at } else { at..at + 1 };
            header.splice(removed, if kind == 2 { vec![] } else { text.into_bytes() });
        }
        let mut bytes = whole[..8].to_vec();
        if !keep_length {
            bytes = (header.len() as u64).to_le_bytes().to_vec();
        }
        bytes.extend(header);
        bytes.extend_from_slice(&whole[8 + length..]);
        check_against_reference(&bytes);
    }
}
