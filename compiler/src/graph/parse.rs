//! Graphs from text.

use std::str::FromStr;

use super::cursor::{Cursor, lines};
use super::weight_text::expression;
use super::{Editor, Graph, NodeId, NodeKind, ParseError, Value, WeightExpr};
use crate::ops::{Attributes, Op};

impl FromStr for Graph {
    type Err = ParseError;

    /// Reads what [`Display`](std::fmt::Display) prints, and verifies it.
    ///
    /// # Errors
    /// The first mistake in the text, with line and column; of a well-formed text of an invalid graph, all faults.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let graph = Self::parse_unverified(text)?;
        graph.verify().map_err(ParseError::Faults)?;
        Ok(graph)
    }
}

impl Graph {
    /// Reads what [`Display`](std::fmt::Display) prints. Each node stands before its first use; an operator's type may
    /// be left out, then it is inferred; `;` begins a comment. Types that are given are not checked: for looking at
    /// graphs that [`verify`](Self::verify) refuses.
    ///
    /// # Errors
    /// The first mistake in the text, with line and column.
    pub fn parse_unverified(text: &str) -> Result<Self, ParseError> {
        let mut lines = lines(text);
        let mut header = lines.next().unwrap_or_else(|| Cursor::new("", 1));
        header.expect("graph")?;
        let mut graph = Self::new(header.name("the graph's name")?);
        graph.exact = header.eat("exact");
        graph.frugal = header.eat("frugal");
        header.expect_end()?;
        for mut cursor in lines {
            let mut parser = Parser { editor: graph.edit() };
            if cursor.next_is('%') {
                parser.node(&mut cursor)?;
            } else if cursor.eat("output") {
                let name = cursor.name("the output's name")?;
                cursor.expect("=")?;
                let value = parser.value(&mut cursor)?;
                parser.editor.output(name, value);
            } else {
                return Err(cursor.fail("`%` or `output`"));
            }
            cursor.expect_end()?;
        }
        Ok(graph)
    }
}

struct Parser<'g> {
    editor: Editor<'g>,
}

impl Parser<'_> {
    /// `%name = input : type`, `= parameter : type`, `= weight expression : type` or
    /// `= operator(operands) {attributes} : types`, then perhaps `from names`.
    fn node(&mut self, cursor: &mut Cursor<'_>) -> Result<(), ParseError> {
        let start = cursor.clone();
        cursor.expect("%")?;
        let name = cursor.name("the node's name")?;
        if self.editor.graph().find(&name).is_some() {
            return Err(start.fail_with("a new name", format!("`{name}`, which another node has")));
        }
        cursor.expect("=")?;
        let id = if cursor.eat("input") {
            cursor.expect(":")?;
            self.editor.input(name, cursor.tensor_type()?).node
        } else if cursor.eat("parameter") {
            cursor.expect(":")?;
            self.editor.parameter(name, cursor.tensor_type()?).node
        } else if cursor.eat("weight") {
            self.weight(name, cursor)?
        } else {
            self.op(name, cursor)?
        };
        if cursor.eat("from") {
            let mut origin = vec![cursor.name("a node's name")?];
            while cursor.eat(",") {
                origin.push(cursor.name("a node's name")?);
            }
            self.editor.set_origin_names(id, origin);
        }
        Ok(())
    }

    fn weight(&mut self, name: String, cursor: &mut Cursor<'_>) -> Result<NodeId, ParseError> {
        let expression: WeightExpr = expression(cursor)?;
        let inferred = expression.ty().clone();
        let ty = if cursor.eat(":") { cursor.tensor_type()? } else { inferred };
        Ok(self.editor.insert(name, NodeKind::Weight(expression), vec![ty]))
    }

    fn op(&mut self, name: String, cursor: &mut Cursor<'_>) -> Result<NodeId, ParseError> {
        let start = cursor.clone();
        let operator = cursor.word("`input`, `parameter`, `weight` or an operator")?;
        cursor.expect("(")?;
        let operands = cursor.items(")", |cursor| self.value(cursor))?;
        let mut attributes = Attributes::default();
        if cursor.eat("{") {
            attributes.0 = cursor.items("}", |cursor| {
                let name = cursor.word("an attribute")?;
                cursor.expect("=")?;
                Ok((name.to_owned(), cursor.attribute()?))
            })?;
        }
        let op = Op::from_attributes(operator, attributes).map_err(|error| ParseError::Operator {
            line: start.line(),
            column: start.column(),
            message: error.to_string(),
        })?;
        let types = if cursor.eat(":") {
            let mut types = vec![cursor.tensor_type()?];
            while cursor.eat(",") {
                types.push(cursor.tensor_type()?);
            }
            types
        } else {
            let inferred = self.editor.graph().infer(&name, &op, &operands);
            inferred.map_err(|error| ParseError::Graph {
                line: start.line(),
                column: start.column(),
                error: Box::new(error),
            })?
        };
        let id = self.editor.insert(name, NodeKind::Op(op), types);
        self.editor.connect(id, &operands);
        Ok(id)
    }

    /// A use: `%name`, or `%name#1` for an output other than the first.
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Result<Value, ParseError> {
        let start = cursor.clone();
        cursor.expect("%")?;
        let name = cursor.name("a node's name")?;
        let output = if cursor.eat("#") { cursor.integer()? } else { 0 };
        let Some(node) = self.editor.graph().find(&name) else {
            return Err(start.fail_with("a node from above", format!("`%{name}`")));
        };
        let results = self.editor.graph().node(node).types.len();
        if usize::from(output) >= results {
            return Err(start.fail_with(&format!("a result below {results}"), format!("`%{name}#{output}`")));
        }
        Ok(Value { node, output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::cursor::MAX_DEPTH;

    /// Everything that the text form knows.
    const TEXT: &str = r#"graph "a \"b\" \u{7f}"
%image = input : f32[1, 2]
%"onnx::x 1" = input : f32[1, 2]
%a = relu(%image) : f32[1, 2]
%b = relu(%"onnx::x 1") : f32[1, 2] from conv1, "bn 1"
%w = parameter : f32[2, 3, 1]
%c = relu(%w) : f32[2, 3, 1]
%w2 = weight mul(param("w": f32[2, 3, 1]), transpose(literal([1, 3], [1.0, -0.5, 1e-20]), [1, 0])) : f32[2, 3, 1]
%d = relu(%w2) : f32[2, 3, 1]
%w3 = weight rsqrt(reshape(sub(add(param("p": f32[2]), param("q": f32[])), div(literal([2], 0.1), literal([], inf))), [1, 2]), 1e-5) : f32[1, 2]
%e = relu(%w3) : f32[1, 2]
%p1 = weight pack_conv(param("o": f32[4, 2, 3, 3]), 16, 2, 1) : f32[288]
%f = relu(%p1) : f32[288]
%p2 = weight pack_vector(param("v": f32[4]), 16) : f32[16]
%g = relu(%p2) : f32[16]
%p3 = weight pack_depthwise(param("d": f32[4, 1, 3, 3]), 16) : f32[1, 3, 3, 16]
%h = relu(%p3) : f32[1, 3, 3, 16]
%v = weight view(param("v": f32[4]), 1, [2, 0], [2, 3]) : f32[2, 3]
%i = relu(%v) : f32[2, 3]
output "the first" = %a
output b = %b
"#;

    #[test]
    fn text_survives() {
        let graph: Graph = TEXT.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(graph.to_string(), TEXT);
        assert_eq!(graph.name(), "a \"b\" \u{7f}");
        let parameters: Vec<_> = graph.parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(parameters, ["w", "p", "q", "o", "v", "d"]);
    }

    #[test]
    fn types_may_be_left_out() {
        let text = "; a comment\n\ngraph g ; another\n  %x = input : f32[4]\n%y=relu( %x ){}\noutput y = %y";
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(graph.to_string(), "graph g\n%x = input : f32[4]\n%y = relu(%x) : f32[4]\noutput y = %y\n");
    }

    #[test]
    fn mistakes_have_a_place() {
        let deep = format!("%w = weight {}", "reshape(".repeat(MAX_DEPTH + 2));
        let lists = format!("%y = relu(%x) {{a = {}", "[".repeat(MAX_DEPTH + 2));
        let table = [
            ("graph", "line 1, column 6: expected the graph's name, found the end of the line"),
            ("", "line 1, column 1: expected `graph`, found the end of the line"),
            ("graphs g", "line 1, column 1: expected `graph`, found `graphs`"),
            ("graph g h", "line 1, column 9: expected the end of the line, found `h`"),
            ("x", "line 3, column 1: expected `%` or `output`, found `x`"),
            ("%x = input : f32[1]", "line 3, column 1: expected a new name, found `x`, which another node has"),
            ("%y = inputs : f32[1]", "line 3, column 13: expected `(`, found `:`"),
            ("%y = input f32[1]", "line 3, column 12: expected `:`, found `f32`"),
            ("%y = input : f16[1]", "line 3, column 14: expected a type such as `f32[1, 3, 224, 224]`, found `f16`"),
            ("%y = input : f32[-1]", "line 3, column 18: expected a whole number, found `-1`"),
            ("%y = input : f32[1 2]", "line 3, column 20: expected `,` or `]`, found `2`"),
            (
                "%y = input : f32[99999999999, 99999999999]",
                "line 3, column 17: expected a shape that memory can hold, found f32[99999999999, 99999999999]",
            ),
            ("  %é = input", "line 3, column 4: expected the node's name, found `é`"),
            ("%y = relu(%z)", "line 3, column 11: expected a node from above, found `%z`"),
            ("%y = relu(x)", "line 3, column 11: expected `%`, found `x`"),
            ("%y = rellu(%x)", "line 3, column 6: unknown operator `rellu`; did you mean `relu`?"),
            ("%y = relu(%x) {a}", "line 3, column 17: expected `=`, found `}`"),
            ("%y = relu(%x) {a = }", "line 3, column 20: expected a number, a word, a string or a list, found `}`"),
            ("%y = relu(%x) : f32[4] from", "line 3, column 28: expected a node's name, found the end of the line"),
            ("%y = relu(%x, %x)", "line 3, column 6: relu `y` expects 1 operand, gets 2"),
            ("%\"y = 1", "line 3, column 2: expected a closing quote, found the end of the line"),
            ("%\"\\y\" = 1", "line 3, column 2: expected a string, found the escape `\\y`"),
            ("%w = weight neg(1)", "line 3, column 13: expected an operation on weights, found `neg`"),
            ("%w = weight mul(param(\"a\": f32[1]), 1)", "line 3, column 38: expected `(`, found `)`"),
            ("%w = weight literal([2], x)", "line 3, column 26: expected a number, found `x`"),
            (
                "%w = weight mul(param(\"a\": f32[2]), param(\"b\": f32[3]))",
                "line 3, column 13: mul of [2] and [3]: dimensions are equal, or one of them is 1, counted from the last",
            ),
            (&deep, "line 3, column 533: expected expressions that nest less deeply, found `reshape`"),
            (&lists, "line 3, column 85: expected lists that nest less deeply, found `[`"),
            ("output y", "line 3, column 9: expected `=`, found the end of the line"),
            ("output y = %x#1", "line 3, column 12: expected a result below 1, found `%x#1`"),
            ("output y = %x#99999", "line 3, column 15: expected a whole number, found `99999`"),
        ];
        for (line, message) in table {
            let text = if message.starts_with("line 1") {
                line.to_owned()
            } else {
                format!("graph g\n%x = input : f32[4]\n{line}")
            };
            let error = Graph::parse_unverified(&text).expect_err(line);
            assert_eq!(error.to_string(), message);
        }
    }
}
