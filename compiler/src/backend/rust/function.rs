//! One function of a program as a function of Rust.
//!
//! Parameters are pointers of their names, registers `r0`, `r1`, … arrays, loop variables `i0`, `i1`, … `isize`.

use convoke_runtime::Isa;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::tables::float;
use crate::lir::{Address, Binary, Compare, Expr, Function, Kernel, LoopVar, Reg, Stmt, Unary};

/// The name of the Rust function of `function`: no keyword, and no other name of the module.
pub(super) fn name(function: &Function) -> Ident {
    format_ident!("run_{}", function.name)
}

/// The Rust function.
pub(super) fn emit(function: &Function, isa: Isa) -> TokenStream {
    let name = name(function);
    let features = features(isa);
    let params = function.params.iter().map(|param| pointer(&param.name));
    let count = Literal::usize_unsuffixed(function.params.len());
    let registers = function.registers.iter().enumerate().map(|(index, &lanes)| {
        let (name, lanes) = (format_ident!("r{index}"), Literal::u32_unsuffixed(lanes));
        quote!(let mut #name = [0.0_f32; #lanes];)
    });
    let body = statements(function, &function.body);
    quote! {
        #features
        unsafe extern "C" fn #name(args: *const *mut f32, thread: u32, threads: u32) {
            unsafe {
                let [#(#params),*] = *args.cast::<[*mut f32; #count]>();
                #(#registers)*
                #body
            }
        }
    }
}

/// The attribute that lets the Rust compiler use the vectors of `isa`.
fn features(isa: Isa) -> TokenStream {
    match isa {
        Isa::Scalar | Isa::Neon => quote!(),
        Isa::Avx2 => quote!(#[target_feature(enable = "avx2,fma")]),
        Isa::Avx512 => quote!(#[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512dq,avx512bw")]),
    }
}

fn statements(function: &Function, statements: &[Stmt]) -> TokenStream {
    statements.iter().map(|each| statement(function, each)).collect()
}

fn statement(function: &Function, statement: &Stmt) -> TokenStream {
    match statement {
        Stmt::For { var, extent, parallel, body } => {
            let var = variable(*var);
            let range = if *parallel {
                let extent = Literal::u32_unsuffixed(*extent);
                quote!(lanes::share(#extent, thread, threads))
            } else {
                let extent = Literal::isize_suffixed(*extent as isize);
                quote!(0..#extent)
            };
            let body = statements(function, body);
            quote!(for #var in #range { #body })
        }
        Stmt::Set { reg, value } => {
            let (name, value) = (register(*reg), expression(function, *reg, value));
            quote!(#name = #value;)
        }
        Stmt::Store { to, from } => {
            let (to, from) = (address(function, to), register(*from));
            quote!(lanes::store(#to, #from);)
        }
        Stmt::Call { kernel, params, args } => {
            let kernel = path(*kernel);
            let params: TokenStream = params.rust().parse().expect("the runtime's text is Rust");
            let args = args.iter().map(|arg| address(function, arg));
            quote!(lanes::call(#kernel, &#params, [#(#args),*]);)
        }
    }
}

fn expression(function: &Function, target: Reg, value: &Expr) -> TokenStream {
    match value {
        Expr::Const(value) => {
            let (value, lanes) = (float(*value), Literal::u32_unsuffixed(function.registers[target.0 as usize]));
            quote!([#value; #lanes])
        }
        Expr::Copy(a) => {
            let a = register(*a);
            quote!(#a)
        }
        Expr::Load(from) => {
            let from = address(function, from);
            quote!(lanes::load(#from))
        }
        Expr::Splat(a) => {
            let a = register(*a);
            quote!(lanes::splat(#a))
        }
        Expr::Unary(op, a) => {
            let (op, a) = (unary(*op), register(*a));
            quote!(lanes::#op(#a))
        }
        Expr::Binary(op, a, b) => {
            let (op, a, b) = (format_ident!("{}", binary(*op)), register(*a), register(*b));
            quote!(lanes::#op(#a, #b))
        }
        Expr::Fma(a, b, c) => {
            let (a, b, c) = (register(*a), register(*b), register(*c));
            quote!(lanes::fma(#a, #b, #c))
        }
        Expr::Select { compare, a, b, then, otherwise } => {
            let select = match compare {
                Compare::Eq => quote!(select_eq),
                Compare::Ne => quote!(select_ne),
                Compare::Lt => quote!(select_lt),
                Compare::Le => quote!(select_le),
            };
            let [a, b, then, otherwise] = [a, b, then, otherwise].map(|operand| register(*operand));
            quote!(lanes::#select(#a, #b, #then, #otherwise))
        }
        Expr::Reduce(op, a) => {
            let (op, a) = (format_ident!("reduce_{}", binary(*op)), register(*a));
            quote!(lanes::#op(#a))
        }
    }
}

fn unary(op: Unary) -> TokenStream {
    match op {
        Unary::Neg => quote!(neg),
        Unary::Abs => quote!(abs),
        Unary::Sqrt => quote!(sqrt),
        Unary::Floor => quote!(floor),
        Unary::Ceil => quote!(ceil),
        Unary::Trunc => quote!(trunc),
        Unary::Nearest => quote!(nearest),
        Unary::Exp2Int => quote!(exp2_int),
    }
}

fn binary(op: Binary) -> &'static str {
    match op {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Min => "min",
        Binary::Max => "max",
    }
}

/// A pointer to an element: `src_ptr.offset(128 + 16 * i0)`.
fn address(function: &Function, address: &Address) -> TokenStream {
    let pointer = pointer(&function.params[address.param.0 as usize].name);
    let terms = address.index.terms.iter().map(|&(var, stride)| {
        let (var, stride) = (variable(var), whole(stride));
        quote!(#stride * #var)
    });
    let row = address.row.map(|row| {
        let (index, count, stride) = (register(row.index), Literal::u32_unsuffixed(row.count), whole(row.stride));
        quote!(#stride * lanes::row(#index, #count))
    });
    let base = (address.index.base != 0).then(|| whole(address.index.base));
    let mut sum = base.into_iter().chain(terms).chain(row).peekable();
    if sum.peek().is_none() { quote!(#pointer) } else { quote!(#pointer.offset(#(#sum)+*)) }
}

/// A kernel's path from the runtime's root.
fn path(kernel: Kernel) -> TokenStream {
    let path: TokenStream = kernel.0.path.parse().expect("the kernel table has paths of Rust");
    quote!(rt::#path)
}

fn whole(value: i64) -> TokenStream {
    let digits = Literal::u64_unsuffixed(value.unsigned_abs());
    if value < 0 { quote!(-#digits) } else { quote!(#digits) }
}

fn pointer(param: &str) -> Ident {
    format_ident!("{param}_ptr")
}

fn register(reg: Reg) -> Ident {
    format_ident!("r{}", reg.0)
}

fn variable(var: LoopVar) -> Ident {
    format_ident!("i{}", var.0)
}
