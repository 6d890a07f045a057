//! Mistakes and what is said about them.

use super::errors;

/// A network around `body`, so that tables stay short.
fn network(body: &str) -> String {
    format!("pub network Net(image: f32[1, 3, 8, 8]) -> out {{\n{body}\n}}")
}

macro_rules! messages {
    ($($name:ident: $text:expr;)+) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(errors(&$text));
        }
    )+};
}

messages! {
    unknown_operator: network("    image -> conv1: cnov(6, kernel: 5)");
    unknown_argument: network("    image -> conv1: conv(6, kernal: 5)");
    missing_argument: network("    image -> conv1: conv(6)");
    impossible_argument: network("    image -> conv1: conv(6, kernel: 0)");
    kernel_too_large: network("    image -> conv1: conv(6, kernel: 9)");
    input_channels: network("    image -> stem: conv(32, kernel: 1) -> conv1: conv(64, kernel: 3, in_channels: 64)");
    input_features: network("    image -> flatten -> fc: linear(10, in_features: 100)");
    groups_that_do_not_divide: network("    image -> conv1: conv(6, kernel: 1, groups: 2)");
    parameters_without_name: network("    image -> conv(6, kernel: 3) -> batch_norm");
    name_taken: network("    let x = image;\n    for i in 0..3 { x = x -> conv: conv(3, kernel: 1); }\n    x");
    unknown_variable: network("    imago -> relu");
    shapes_of_a_sum: network("    let a = image -> a: conv(6, kernel: 3);\n    let b = image -> b: conv(6, kernel: 1);\n    a + b -> relu");
    shapes_of_concat: network("    concat(image, image -> max_pool(2), image)");
    linear_on_pixels: network("    image -> relu(3)");
    no_result: network("    let x = image -> relu;");
    unused_result: network("    image -> relu;\n    image");
    unknown_property: network("    image -> conv1: conv(image.chanels, kernel: 1)");
    property_of_a_number: network("    let a = 3;\n    image -> conv1: conv(a.channels, kernel: 1)");
    dimension_that_is_not_there: network("    image -> flatten -> |x| { x -> fc: linear(x.height) }");
    overflow: network("    image -> conv1: conv(4611686018427387904 * 2, kernel: 1)");
    large_argument: network("    image -> conv1: conv(4611686018427387904, kernel: 1)");
    large_tensor: network("    image -> conv1: conv(2000000000, kernel: 1)");
    division_by_zero: network("    let zero = 0;\n    image -> conv1: conv(6 / zero, kernel: 1)");
    condition_that_is_a_number: network("    image -> if 1 { relu }");
    if_without_else: network("    let x = if image.width > 100 { image };\n    x -> relu");
    loop_over_a_number: network("    image -> for i in 3 { relu }");
    index_outside: network("    const WIDTHS = [8, 16];\n    image -> conv1: conv(WIDTHS[2], kernel: 1)");
    pattern_of_other_length: network("    let (a, b) = (1, 2, 3);\n    image -> conv1: conv(a * b, kernel: 1)");
    assignment_to_nothing: network("    widht = 3;\n    image -> relu");
    assignment_to_a_constant: network("    const WIDTH = 3;\n    WIDTH = 4;\n    image -> conv1: conv(WIDTH, kernel: 1)");
    tensor_modulo_tensor: network("    image % image");
    tensor_as_constant: network("    image -> conv1: conv(6, kernel: image)");
    no_tensor: network("    conv1: conv(6, kernel: 3)");
    number_called: network("    let relu = 3;\n    image -> relu");
    assertion: network("    assert(image.width % 32 == 0, \"the width is a multiple of 32\");\n    image -> relu");
    type_of_a_variable: network("    let x: f32[1, 6, _, _] = image -> conv1: conv(8, kernel: 3);\n    x");
    output_count: "network Net(image: f32[1, 3, 8, 8]) -> (a, b) {\n    image -> relu\n}";
    output_that_is_a_number: network("    image.width");

    block_error_tells_the_call: "
block basic(x, width) {
    x -> conv1: conv(width, kernel: 3) -> relu -> conv2: conv(width, kernel: 3)
}
network Net(image: f32[1, 3, 8, 8]) -> out {
    image -> layer1: { 0: basic(4) -> 1: basic(4) -> 2: basic(4) }
}";
    block_parameter_unknown: "
block basic(x, width, stride = 1) { x -> conv1: conv(width, kernel: 1, stride: stride) }
network Net(image: f32[1, 3, 8, 8]) -> out { image -> a: basic(4, strid: 2) }";
    block_parameter_missing: "
block basic(x, width, stride) { x -> conv1: conv(width, kernel: 1, stride: stride) }
network Net(image: f32[1, 3, 8, 8]) -> out { image -> a: basic() }";
    block_with_too_many: "
block basic(x, width) { x -> conv1: conv(width, kernel: 1) }
network Net(image: f32[1, 3, 8, 8]) -> out { image -> a: basic(4, 2) }";
    block_parameter_type: "
block head(x: f32[_, 64, _, _], classes) { x -> global_avg_pool -> flatten -> fc: linear(classes) }
network Net(image: f32[1, 3, 8, 8]) -> out { image -> stem: conv(32, kernel: 3) -> head: head(10) }";
    prelude_blames_the_call: network("    image -> dw: depthwise(9)");
    prelude_without_name: network("    image -> depthwise(3)");
    operator_in_a_function: "
fn half(x) { x -> max_pool(2) }
network Net(image: f32[1, 3, 8, 8]) -> out { half(image) }";
    recursion: "
fn forever(n) { forever(n + 1) }
network Net(image: f32[1, 3, 8, 8]) -> out { image -> a: conv(forever(1), kernel: 1) }";
    constant_in_a_circle: "
const A = B + 1;
const B = A + 1;
network Net(image: f32[1, 3, 8, 8]) -> out { image -> a: conv(A, kernel: 1) }";
    instance_of_nothing: "network A = Resnet(depth: 3);\nnetwork ResNet(image: f32[1, 3, 8, 8]; depth) -> out { image -> relu }";
    instance_constant: "network A = Net(dept: 3);\nnetwork Net(image: f32[1, 3, 8, 8]; depth = 1) -> out { image -> relu }";
    instance_in_a_circle: "network A = B();\nnetwork B = A();";
    network_used_as_block: "
network A(image: f32[1, 3, 8, 8]) -> out { image -> relu }
network B(image: f32[1, 3, 8, 8]) -> out { image -> A }";
    defined_twice: "block a(x) { x -> relu }\nblock a(x) { x -> tanh }\nnetwork N(x: f32[1]) -> y { x -> a }";
    several_at_once: network("    let a = image -> conv1: conv(6, kernel: 9);\n    let b = image -> conv2: conv(6, kernel: 3, pad: 1);\n    let c = image -> fc: linear(widht);\n    a + b + c");
    one_mistake_in_a_loop: network("    for i in 0..5 { image = image -> conv{i}: conv(8, kernel: 3, groups: 5); }\n    image");

    lexical: "network Net(image: f32[1, 3, 8, 8]) -> out { image -> relu \" }";
    not_an_item: "netwrok Net(image: f32[1, 3, 8, 8]) -> out { image -> relu }";
    visibility: "pub(crat) network Net(image: f32[1, 3, 8, 8]) -> out { image -> relu }";
    missing_arrow: "network Net(image: f32[1, 3, 8, 8]) { image -> relu }";
    missing_type: "network Net(image) -> out { image -> relu }";
    unknown_type: "network Net(image: f16[1, 3, 8, 8]) -> out { image -> relu }";
    missing_semicolon: network("    let a = image -> relu\n    a -> relu");
    several_syntax_errors: network("    let = 3;\n    let b 4;\n    image -> conv(5, kernel = 3)");
    suffix: network("    image -> conv1: conv(6usize, kernel: 5)");
    empty_name: network("    image -> layer1..conv: conv(6, kernel: 5)");
    statements_after_an_arrow: network("    image -> layer: { let a = 3; a = 4; relu }");
    positional_after_named: network("    image -> conv1: conv(kernel: 3, 6)");
    two_errors_in_two_items: "block a(x) { x -> }\nblock b(x { x }\nnetwork N(x: f32[1]) -> y { x -> relu( }";
}
