//! The opcodes of pickles.

pub(super) const MARK: u8 = b'(';
pub(super) const EMPTY_TUPLE: u8 = b')';
pub(super) const STOP: u8 = b'.';
pub(super) const BINFLOAT: u8 = b'G';
pub(super) const BININT: u8 = b'J';
pub(super) const BININT1: u8 = b'K';
pub(super) const BININT2: u8 = b'M';
pub(super) const NONE: u8 = b'N';
pub(super) const BINPERSID: u8 = b'Q';
pub(super) const REDUCE: u8 = b'R';
pub(super) const BINUNICODE: u8 = b'X';
pub(super) const EMPTY_LIST: u8 = b']';
pub(super) const APPEND: u8 = b'a';
pub(super) const BUILD: u8 = b'b';
pub(super) const GLOBAL: u8 = b'c';
pub(super) const APPENDS: u8 = b'e';
pub(super) const BINGET: u8 = b'h';
pub(super) const LONG_BINGET: u8 = b'j';
pub(super) const BINPUT: u8 = b'q';
pub(super) const LONG_BINPUT: u8 = b'r';
pub(super) const SETITEM: u8 = b's';
pub(super) const TUPLE: u8 = b't';
pub(super) const SETITEMS: u8 = b'u';
pub(super) const EMPTY_DICT: u8 = b'}';
pub(super) const PROTO: u8 = 0x80;
pub(super) const TUPLE1: u8 = 0x85;
pub(super) const TUPLE3: u8 = 0x87;
pub(super) const NEWTRUE: u8 = 0x88;
pub(super) const NEWFALSE: u8 = 0x89;
pub(super) const LONG1: u8 = 0x8a;
pub(super) const SHORT_BINUNICODE: u8 = 0x8c;
pub(super) const BINUNICODE8: u8 = 0x8d;
pub(super) const STACK_GLOBAL: u8 = 0x93;
pub(super) const MEMOIZE: u8 = 0x94;
pub(super) const FRAME: u8 = 0x95;

/// The name of an opcode in Python's `pickletools`; of what is none, its number.
pub(super) fn name(opcode: u8) -> String {
    let known = NAMES.iter().find(|(known, _)| *known == opcode);
    known.map_or_else(|| format!("{opcode:#04x}"), |(_, name)| (*name).to_owned())
}

#[rustfmt::skip]
const NAMES: &[(u8, &str)] = &[
    (b'(', "MARK"), (b')', "EMPTY_TUPLE"), (b'.', "STOP"), (b'0', "POP"), (b'1', "POP_MARK"), (b'2', "DUP"),
    (b'B', "BINBYTES"), (b'C', "SHORT_BINBYTES"), (b'F', "FLOAT"), (b'G', "BINFLOAT"), (b'I', "INT"),
    (b'J', "BININT"), (b'K', "BININT1"), (b'L', "LONG"), (b'M', "BININT2"), (b'N', "NONE"), (b'P', "PERSID"),
    (b'Q', "BINPERSID"), (b'R', "REDUCE"), (b'S', "STRING"), (b'T', "BINSTRING"), (b'U', "SHORT_BINSTRING"),
    (b'V', "UNICODE"), (b'X', "BINUNICODE"), (b']', "EMPTY_LIST"), (b'a', "APPEND"), (b'b', "BUILD"),
    (b'c', "GLOBAL"), (b'd', "DICT"), (b'e', "APPENDS"), (b'g', "GET"), (b'h', "BINGET"), (b'i', "INST"),
    (b'j', "LONG_BINGET"), (b'l', "LIST"), (b'o', "OBJ"), (b'p', "PUT"), (b'q', "BINPUT"), (b'r', "LONG_BINPUT"),
    (b's', "SETITEM"), (b't', "TUPLE"), (b'u', "SETITEMS"), (b'}', "EMPTY_DICT"), (0x80, "PROTO"), (0x81, "NEWOBJ"),
    (0x82, "EXT1"), (0x83, "EXT2"), (0x84, "EXT4"), (0x85, "TUPLE1"), (0x86, "TUPLE2"), (0x87, "TUPLE3"),
    (0x88, "NEWTRUE"), (0x89, "NEWFALSE"), (0x8a, "LONG1"), (0x8b, "LONG4"), (0x8c, "SHORT_BINUNICODE"),
    (0x8d, "BINUNICODE8"), (0x8e, "BINBYTES8"), (0x8f, "EMPTY_SET"), (0x90, "ADDITEMS"), (0x91, "FROZENSET"),
    (0x92, "NEWOBJ_EX"), (0x93, "STACK_GLOBAL"), (0x94, "MEMOIZE"), (0x95, "FRAME"), (0x96, "BYTEARRAY8"),
    (0x97, "NEXT_BUFFER"), (0x98, "READONLY_BUFFER"),
];
