//! Files of `torch.save`: those that PyTorch wrote (`torch/make.py`), and those that it never would.

use std::path::PathBuf;

use convoke_runtime::Parameters;
use convoke_runtime::parameters::{FormatError, TorchError};
use proptest::prelude::*;

const STATE_DICT: &[u8] = include_bytes!("torch/state_dict.pth");
const CHECKPOINT: &[u8] = include_bytes!("torch/checkpoint.pth");
const VIEWS: &[u8] = include_bytes!("torch/views.pth");

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torch").join(name)
}

fn count(from: u8, to: u8) -> Vec<f32> {
    (from..to).map(f32::from).collect()
}

#[test]
fn reads_state_dicts() {
    let shapes: [(&str, &[usize]); 6] = [
        ("0.bias", &[3]),
        ("0.weight", &[3, 2, 1, 2]),
        ("1.bias", &[3]),
        ("1.running_mean", &[3]),
        ("1.running_var", &[3]),
        ("1.weight", &[3]),
    ];
    for name in ["state_dict.pth", "protocol4.pth", "checkpoint.pth"] {
        let mapped = Parameters::load(path(name)).unwrap();
        let copied = Parameters::from_bytes(&std::fs::read(path(name)).unwrap()).unwrap();
        for parameters in [mapped, copied] {
            let found: Vec<_> = parameters.iter().map(|(name, tensor)| (name, tensor.shape())).collect();
            assert_eq!(found, shapes, "{name}");
            let elements: Vec<f32> = parameters.iter().flat_map(|(_, tensor)| tensor.data().to_vec()).collect();
            assert_eq!(elements, count(0, 27), "{name}");
        }
    }
}

#[test]
fn reads_views_and_other_floats() {
    let parameters = Parameters::load(path("views.pth")).unwrap();
    let transposed: Vec<f32> =
        (0..6_u8).flat_map(|row| (0..4).map(move |column| f32::from(column * 6 + row))).collect();
    let table: [(&str, &[usize], Vec<f32>); 10] = [
        ("channels_last", &[1, 2, 3, 4], count(0, 24)),
        ("transposed", &[6, 4], transposed),
        ("slice", &[3, 2], vec![13.0, 14.0, 17.0, 18.0, 21.0, 22.0]),
        ("expanded", &[2, 3], vec![7.0; 6]),
        ("empty", &[0, 3], vec![]),
        ("scalar", &[], vec![5.0]),
        ("float16", &[3, 4], count(0, 12)),
        ("bfloat16", &[3, 4], count(0, 12)),
        ("float64", &[3, 4], count(0, 12)),
        ("parameter", &[3, 4], count(12, 24)),
    ];
    assert_eq!(parameters.len(), table.len());
    for (name, shape, elements) in table {
        let tensor = parameters.get(name).unwrap();
        assert_eq!((tensor.shape(), tensor.data()), (shape, &elements[..]), "{name}");
    }
}

#[test]
fn says_what_else_was_saved() {
    for (name, expected) in [
        ("before_1_6.pth", "before PyTorch 1.6; load it there and save it again"),
        ("module.pth", "opcode GLOBAL at byte 2 wants `torch.nn.modules.container.Sequential`, which is refused"),
        ("script.pt", "a program of TorchScript; save the parameters"),
        ("integers.pth", "tensor `ids` is of type int64; a parameter is float32, "),
    ] {
        let error = Parameters::load(path(name)).unwrap_err().to_string();
        assert!(error.contains(&format!("{name}: PyTorch: ")) && error.contains(expected), "{error}");
    }
}

/// A zip archive of stored entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in entries {
        let offset = file.len() as u32;
        let sizes = [bytes.len() as u32; 2].map(u32::to_le_bytes).concat();
        let name_len = (name.len() as u16).to_le_bytes();
        file.extend([&b"PK\x03\x04"[..], &[0; 14], &sizes[..], &name_len, &[0; 2], name.as_bytes(), bytes].concat());
        let places = [&[0; 12][..], &offset.to_le_bytes()].concat();
        directory.extend([&b"PK\x01\x02"[..], &[0; 16], &sizes[..], &name_len, &places, name.as_bytes()].concat());
    }
    let count = [entries.len() as u16; 2].map(u16::to_le_bytes).concat();
    let place = [directory.len() as u32, file.len() as u32].map(u32::to_le_bytes).concat();
    [&file[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &place, &[0; 2]].concat()
}

/// What reading a file with this pickle, and a storage of four bytes, comes to.
fn unpickle(pickle: &[u8]) -> Result<Parameters, FormatError> {
    Parameters::from_bytes(&archive(&[("a/data.pkl", pickle), ("a/data/0", &1.5_f32.to_le_bytes())]))
}

/// A pickle of `{"w": tensor}`, with this shape and these strides of `K`-numbers.
fn tensor(offset: u8, shape: &[u8], strides: &[u8]) -> Vec<u8> {
    let tuple =
        |items: &[u8]| [b"(".to_vec(), items.iter().flat_map(|item| [b'K', *item]).collect(), b"t".to_vec()].concat();
    [
        &b"\x80\x02}\x8c\x01wctorch._utils\n_rebuild_tensor_v2\n("[..],
        b"(\x8c\x07storagectorch\nFloatStorage\n\x8c\x010\x8c\x03cpuK\x01tQK",
        &[offset],
        &tuple(shape),
        &tuple(strides),
        b"\x89}tRs.",
    ]
    .concat()
}

#[test]
fn refuses_to_execute() {
    let table: [(&[u8], &str); 22] = [
        (b"\x80\x02cos\nsystem\n\x8c\x02ls\x85R.", "opcode GLOBAL at byte 2 wants `os.system`, which is refused"),
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02ls\x85R.", "STACK_GLOBAL at byte 17 wants `posix.system`"),
        (b"\x80\x02cbuiltins\neval\n.", "opcode GLOBAL at byte 2 wants `builtins.eval`"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v3\n.", "wants `torch._utils._rebuild_tensor_v3`"),
        (b"\x80\x02ctorch\nload\n.", "wants `torch.load`"),
        (b"(S'ls'\nios\nsystem\n.", "opcode STRING at byte 1 is refused: only tensors, dicts, "),
        (b"(ios\nsystem\n.", "opcode INST at byte 1 is refused"),
        (b"\x80\x02)\x81.", "opcode NEWOBJ at byte 3 is refused"),
        (b"\x80\x02(o.", "opcode OBJ at byte 3 is refused"),
        (b"\x80\x02}K\x01b.", "opcode BUILD at byte 5 is refused"),
        (b"\x80\x02K\x01)R.", "opcode REDUCE at byte 5 is refused"),
        (b"\x80\x02ctorch\nFloatStorage\n)R.", "opcode REDUCE at byte 23 has other arguments than it takes"),
        (b"\x80\x02\x82\x01.", "opcode EXT1 at byte 2 is refused"),
        (b"\x80\x02K\x01Q.", "opcode BINPERSID at byte 4 has other arguments"),
        (b"\x80\x02\xff.", "opcode 0xff at byte 2 is refused"),
        (b"\x80\x09}.", "opcode PROTO at byte 0 names a protocol other than 2 to 5"),
        (b"\x80\x02}s.", "opcode SETITEM at byte 3 finds too little on the stack"),
        (b"\x80\x02h\x05.", "opcode BINGET at byte 2 recalls what nobody has remembered"),
        (b"\x80\x02}r\xff\xff\xff\xff.", "opcode LONG_BINPUT at byte 3 remembers more than"),
        (b"\x80\x02X\xff\xff\xff\xffabc", "opcode BINUNICODE at byte 2 exceeds the pickle"),
        (b"\x80\x02\x8c\x01\xff.", "opcode SHORT_BINUNICODE at byte 2 has a text that is not UTF-8"),
        (b"\x80\x02}", "pickle: it ends at byte 3, without STOP"),
    ];
    for (pickle, expected) in table {
        let error = unpickle(pickle).unwrap_err().to_string();
        assert!(error.starts_with("PyTorch: pickle: ") && error.contains(expected), "{error} lacks {expected}");
    }
    let Err(FormatError::Torch(TorchError::Pickle(error))) = unpickle(table[0].0) else { panic!("it is malicious") };
    assert_eq!((error.refused(), error.opcode, error.at), (Some("os.system"), Some(b'c'), 2));
}

#[test]
fn refuses_what_is_no_dict_of_tensors() {
    let same_twice = [&tensor(0, &[1], &[1])[..63], b""].concat();
    assert!(unpickle(&same_twice).is_err());
    let huge = tensor(0, &[255; 8], &[0; 8]);
    let table: [(Vec<u8>, &str); 11] = [
        (tensor(0, &[2], &[1]), "tensor `w` of shape [2] exceeds its storage"),
        (tensor(1, &[1], &[1]), "exceeds its storage"),
        (tensor(0, &[1, 2], &[7, 1]), "exceeds its storage"),
        (tensor(0, &[255; 4], &[0; 4]), "there are more elements than the file has bytes"),
        (huge, "exceeds its storage"),
        (tensor(0, &[1], &[1, 1]), "opcode REDUCE at byte 97 has other arguments"),
        (tensor(0, &[1; 9], &[1; 9]), "has other arguments"),
        (b"\x80\x02]N\x61.".to_vec(), "this is no dict with names"),
        (b"\x80\x02}\x8c\x01aK\x01s.".to_vec(), "`a` is no tensor"),
        (b"\x80\x02}K\x01K\x01s.".to_vec(), "this is no dict with names"),
        (b"\x80\x02}q\x00\x8c\x05modelh\x00s.".to_vec(), "`model` is no tensor"),
    ];
    for (pickle, expected) in table {
        let error = unpickle(&pickle).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
    assert_eq!(unpickle(&tensor(0, &[1], &[1])).unwrap().get("w").unwrap().data(), [1.5]);
    assert_eq!(unpickle(&tensor(0, &[9], &[0])).unwrap().get("w").unwrap().data(), [1.5; 9]);
    // A list within itself is no tensor, and nobody follows it.
    assert!(unpickle(b"\x80\x02]q\x00h\x00a.").is_err());
    // More values, and a longer pickle, than any network has.
    let error = unpickle(&[b"\x80\x02", &b"]".repeat(1 << 19)[..]].concat()).unwrap_err().to_string();
    assert!(error.contains("makes more than 262,144 values"), "{error}");
    let error = unpickle(&b"(".repeat(9 << 20)).unwrap_err().to_string();
    assert!(error.contains("has more than 8 MiB after it"), "{error}");
}

#[test]
fn refuses_hostile_archives() {
    let whole = archive(&[("a/data.pkl", b"\x80\x02}."), ("a/data/0", &[0; 4])]);
    assert_eq!(Parameters::from_bytes(&whole).unwrap().len(), 0);
    let end = whole.len() - 22;
    let directory = u32::from_le_bytes(*whole[end + 16..].first_chunk().unwrap()) as usize;
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = whole.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let table = [
        (changed(end, b"XXXX"), "there is no central directory"),
        (changed(end + 10, &[0xff; 2]), "the directory says that it has 65535 entries, it has 2"),
        (changed(end + 12, &[0xff; 4]), "expected the directory at byte"),
        (changed(end + 16, &[0; 4]), "expected an entry of the directory at byte 0"),
        (changed(directory + 8, &[1]), "entry `a/data.pkl` is encrypted"),
        (changed(directory + 10, &[8]), "entry `a/data.pkl` is compressed"),
        (changed(directory + 20, &[9]), "entry `a/data.pkl` has two sizes"),
        (changed(directory + 24, &[0xff; 4]), "entry `a/data.pkl` lacks a 64-bit field"),
        (changed(directory + 20, &[0xee; 8]), "entry `a/data.pkl` exceeds the file"),
        (changed(directory + 42, &[1]), "expected the header of an entry at byte 1"),
        (changed(directory + 42, &[0xee; 4]), "expected the header of an entry at byte"),
        (changed(directory + 46, b"b"), "entry `b/data.pkl` has two names"),
        (changed(directory + 46, &[0xff]), "expected a name in UTF-8"),
        (changed(directory + 28, &[0xff; 2]), "expected an entry of the directory"),
        (archive(&[("a/data.pkl", b""), ("a/data.pkl", b"")]), "there are two entries `a/data.pkl`"),
        (archive(&[("a/other", b"")]), "the archive has no `data.pkl`"),
        (archive(&[("a/data.pkl", b"\x80\x02}."), ("a/byteorder", b"big")]), "the elements are big-endian"),
    ];
    for (file, expected) in table {
        let error = Parameters::from_bytes(&file).unwrap_err().to_string();
        assert!(error.contains(expected), "{error} lacks {expected}");
    }
    // Comments may follow.
    let commented = [&changed(end + 20, &[3]), &b"abc"[..]].concat();
    assert!(Parameters::from_bytes(&commented).is_ok());
}

#[test]
fn every_truncation_is_an_error() {
    for whole in [STATE_DICT, CHECKPOINT, VIEWS] {
        for len in 0..whole.len() {
            assert!(Parameters::from_bytes(&whole[..len]).is_err(), "{len} bytes");
        }
    }
}

#[test]
fn no_flipped_bit_panics() {
    for whole in [STATE_DICT, CHECKPOINT, VIEWS] {
        let mut file = whole.to_vec();
        for bit in 0..8 * whole.len() {
            file[bit / 8] ^= 1 << (bit % 8);
            let _ = Parameters::from_bytes(&file);
            file[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(10_000) })]

    /// Opcodes in any order, with arguments of any kind.
    #[test]
    fn arbitrary_pickles_never_panic(pieces in prop::collection::vec(prop::sample::select(vec![
        &b"\x80\x02"[..], b"}", b"]", b")", b"(", b"t", b"a", b"e", b"s", b"u", b"b", b"R", b"Q", b"N", b"\x88", b"K\x01",
        b"K\x00", b"M\x00\x01", b"J\xff\xff\xff\xff", b"\x8a\x01\xff", b"G\0\0\0\0\0\0\0\0", b"\x8c\x01w", b"\x8c\x010",
        b"\x8c\x07storage", b"\x85", b"\x86", b"\x87", b"q\x01", b"h\x01", b"\x94", b"ctorch\nFloatStorage\n",
        b"ccollections\nOrderedDict\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch._utils\n_rebuild_parameter\n",
        b"\x93", b".",
    ]), 0..60)) {
        let _ = unpickle(&[&b"\x80\x02"[..], &pieces.concat(), b"."].concat());
    }

    /// Some bytes replaced, removed or added.
    #[test]
    fn mutations_never_panic(
        whole in prop::sample::select(vec![STATE_DICT, CHECKPOINT, VIEWS]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, any::<u8>()), 1..8),
    ) {
        let mut file = whole.to_vec();
        for (at, kind, byte) in edits {
            let at = at.index(file.len());
            match kind {
                0 => file[at] = byte,
                1 => file.insert(at, byte),
                _ => drop(file.remove(at)),
            }
        }
        let _ = Parameters::from_bytes(&file);
    }
}
