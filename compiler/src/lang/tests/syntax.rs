//! What expressions, names and stages mean.

use super::graph;

#[test]
fn constants() {
    let table = [
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2 * 2 + 7 % 2", "7"),
        ("-7 / 2", "-3"),
        ("- -3", "3"),
        ("1 << 2 + 1", "8"),
        ("-16 >> 2", "-4"),
        ("7 / 2.0", "3.5"),
        ("1_000 * 1e-3", "1"),
        ("1 < 2 && 2 <= 2 && !(3 != 3) || 1 / 0 == 1", "true"),
        ("false && 1 / 0 == 1", "false"),
        ("\"same\" == \"same\"", "true"),
        ("relu == relu && relu != tanh", "true"),
        ("0..4", "[0, 1, 2, 3]"),
        ("2..=3", "(2, 3)"),
        ("3..1", "[]"),
        ("len([1, 2] + [3])", "3"),
        ("[[1, 2], [3]][0][1]", "2"),
        ("(1,)", "[1]"),
        ("if 1 > 2 { 3 } else if 2 > 1 { 4 } else { 5 }", "4"),
        ("{ let a = 3; let b = a; a = 4; a * b }", "12"),
        ("{ let (a, (b, _)) = (1, (2, 3)); a + b }", "3"),
        ("{ let s = 0; for (i, x) in enumerate([5, 6]) { s = s + i * x; } s }", "6"),
        ("{ let s = 0; for i in 0..5 { if i % 2 == 0 { s = s + i; } else { let s = 100; } } s }", "6"),
        ("min(3, 1, 2) + max([3, 5])", "6"),
        ("min(1, 0.5)", "0.5"),
        ("abs(-3) + abs(-0.5)", "3.5"),
        ("[floor(-1.5), ceil(-1.5), round(-1.5), int(-1.5)]", "[-2, -1, -2, -1]"),
        ("[round(2.5), int(3), float(3)]", "[3, 3, 3.0]"),
        ("pow(2, 10) + pow(2, -1)", "1024.5"),
        ("sqrt(16)", "4"),
        ("sum(zip([1, 2], [3, 4])[1]) + len(reversed([1, 2]))", "8"),
        ("divisible(37.6)", "40"),
        ("divisible(by: 4, value: 9)", "12"),
        ("TABLE[1]", "20"),
    ];
    let asserts: String = table
        .iter()
        .map(|(expression, value)| {
            format!("assert(({expression}) == {value}, \"{}\");\n", expression.replace('"', "'"))
        })
        .collect();
    let text = format!(
        "const TABLE = [first, 20];
        const first = 10;
        fn divisible(value, by = 8) {{
            let near = max(by, int(value + by / 2) / by * by);
            if near < 0.9 * value {{ near + by }} else {{ near }}
        }}
        network Net(image: f32[1, 3, 8, 8]) -> out {{ {asserts} image }}"
    );
    graph(&text, "Net");
}

#[test]
fn names() {
    let table = [
        ("conv", "conv"),
        ("0", "0"),
        ("007", "007"),
        ("0.0", "0.0"),
        ("features.0.0", "features.0.0"),
        ("features.10.1.2.conv", "features.10.1.2.conv"),
        ("0.{i}", "0.2"),
        ("{i}.0.{i}", "2.0.2"),
        ("layer{i + 1}.{i}", "layer3.2"),
        ("a{i}b{i}.c", "a2b2.c"),
        ("_blocks.{i}._bn0", "_blocks.2._bn0"),
        ("{\"stem\"}.1", "stem.1"),
        ("block.for.if.let.fn.type", "block.for.if.let.fn.type"),
        ("a.self", "a.self"),
    ];
    for (name, expected) in table {
        for use_of_it in [format!("image -> {name}: conv(3, kernel: 1)"), format!("{name}: conv(image, 3, kernel: 1)")]
        {
            let text = format!("network Net(image: f32[1, 3, 8, 8]) -> out {{ let i = 2; {use_of_it} }}");
            let parameters = graph(&text, "Net").parameters();
            assert_eq!(parameters[0].0, format!("{expected}.weight"), "{use_of_it}");
        }
    }
}

/// Each body names its parameters.
#[test]
fn scopes() {
    let items = "
        block pair(x, width = 3) { x -> a: conv(width, kernel: 1, bias: false) -> b: conv(3, kernel: 1, bias: false) }
        block own(x) { x -> self: conv(3, kernel: 1, bias: false) }
        block nested(x) { x -> self: own }
        block apply(x, f) { x -> self: f }
        block sum(x, y) { x + y }";
    let table = [
        ("image -> pair", "a b"),
        ("image -> p: pair", "p.a p.b"),
        ("image -> p: pair -> q: { r: pair(5) }", "p.a p.b q.r.a q.r.b"),
        ("image -> o: own", "o"),
        ("image -> o: nested", "o"),
        ("image -> s: { own: own -> 1: own }", "s.own s.1"),
        ("image -> for i in 0..2 { {i}: own }", "0 1"),
        ("image -> f: for i in 0..2 { {i}: own }", "f.0 f.1"),
        ("image -> if true { t: own } -> if false { u: own } else { v: own }", "t v"),
        ("image -> g: |x| { let y = x -> a: own; y + x -> b: own }", "g.a g.b"),
        ("s: { let y = image -> a: own; y -> b: own }", "s.a s.b"),
        ("image -> { let n = 5; p: pair(n) }", "p.a p.b"),
        ("image -> c: apply(own)", "c"),
        ("(image, image -> o: own) -> sum -> relu", "o"),
        ("let x: f32[_, 3, 8, _] = image -> o: own; x", "o"),
        ("concat([image, image -> o: own], image)", "o"),
        ("let list = [own, pair]; image -> p: list[1](5) -> o: list[0]", "p.a p.b o"),
    ];
    for (body, expected) in table {
        let text = format!("{items} network Net(image: f32[1, 3, 8, 8]) -> out {{ {body} }}");
        let parameters = graph(&text, "Net").parameters();
        let names: Vec<_> = parameters.iter().map(|(name, _)| name.trim_end_matches(".weight")).collect();
        assert_eq!(names.join(" "), expected, "{body}");
    }
}

/// The result of a scope has the scope's name unless it has one of its own: messages and checkpoints find it.
#[test]
fn results_of_scopes() {
    let text = "
        block basic(x) { x -> conv: conv(3, kernel: 1) -> relu }
        network Net(image: f32[1, 3, 8, 8]) -> out {
            image -> layer1: { 0: basic -> 1: basic } -> last: { conv: conv(3, kernel: 1) } -> relu -> tail: { relu -> tanh }
        }";
    let graph = graph(text, "Net");
    for (name, operator) in [("layer1.0", "relu"), ("layer1.1", "relu"), ("last.conv", "conv"), ("tail", "tanh")] {
        let node = graph.find(name).unwrap_or_else(|| panic!("no `{name}` in\n{graph}"));
        assert!(matches!(&graph.node(node).kind, crate::graph::NodeKind::Op(op) if op.name() == operator), "{graph}");
    }
    assert!(graph.find("layer1").is_none() && graph.find("last").is_none(), "{graph}");
}
