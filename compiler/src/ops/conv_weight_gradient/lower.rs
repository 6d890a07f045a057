//! Algorithms of a convolution's weight gradient.
//!
//! It is a convolution itself, whose taps are the pixels of G: for each tap u, v of the weight, and each block of output
//! channels, the lanes, `dw[c] = Σ x[c, pixel] · g[pixel]` is what the microkernel of direct convolution computes, with
//! input channels in the place of pixels and pixels in the place of input channels. Sums lie by blocks of output
//! channels in scratch memory, and are moved to the result in the end.

use convoke_runtime::Activation;
use convoke_runtime::kernels::{self, Params};

use super::ConvWeightGradient;
use crate::lir::{Affine, Expr, Reg};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Operand, Schedule, Site, View, Work};
use crate::ops::Operator;

pub(super) const ALGORITHMS: &[Algorithm<ConvWeightGradient>] = &[DEPTHWISE, DIRECT, LOOPS];

/// X with as many zeros around it as windows reach.
fn source(op: &ConvWeightGradient, site: &Site<'_>, layout: Layout) -> Need {
    let [image, result] = [0, 1].map(|operand| [2, 3].map(|dim| site.operands[operand].shape[dim]));
    Need::halo(layout, op.window().halo(image, result))
}

fn macs(op: &ConvWeightGradient, work: &Work<'_>) -> u64 {
    let types: Vec<_> = work.operands.iter().map(Operand::ty).collect();
    op.macs(&types, work.results)
}

/// The pixel of X that tap `tap` of the window at `place` meets, along one axis.
fn pixel(op: &ConvWeightGradient, axis: usize, place: &Affine, tap: &Affine) -> Affine {
    place * op.stride[axis] + tap * op.dilation[axis] - op.padding[axis]
}

/// Moves the sums of a block of output channels, [tap][channel][lane], to the result, [lane][channel][tap].
fn unblock(
    e: &mut Emitter<'_>,
    [from, to]: [View; 2],
    [first, origin]: [&Affine; 2],
    [lanes, outputs, channels, padded, taps]: [usize; 5],
) {
    e.serial(outputs, |e, lane| {
        e.serial(channels, |e, channel| {
            e.serial(taps, |e, tap| {
                let sum = first + tap * (padded * lanes) + channel * lanes + lane;
                let value = e.code.load(1, from.element(sum));
                e.code.store(to.element(origin + lane * (channels * taps) + channel * taps + tap), value);
            });
        });
    });
}

/// Runs `body` for each block of `outputs` channels, with as many of them as it has; threads divide them.
fn each_block(e: &mut Emitter<'_>, outputs: usize, lanes: usize, body: &dyn Fn(&mut Emitter<'_>, &Affine, usize)) {
    let (full, rest) = (outputs / lanes, outputs % lanes);
    e.parallel(full, |e, block| body(e, block, lanes));
    if rest > 0 {
        e.parallel(1, |e, last| body(e, &(last + full), rest));
    }
}

/// One group, by the microkernel.
const DIRECT: Algorithm<ConvWeightGradient> = Algorithm {
    name: "direct",
    choose: |op, site| {
        if op.groups != 1 {
            return Err(format!("{} groups", op.groups));
        }
        let operands = vec![source(op, site, Layout::Blocked), Need::dense(Layout::Blocked)];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    schedule: |op, work| {
        let (x, g) = (work.storage(0), work.storage(1));
        let [kh, kw] = op.kernel;
        let scratch = g.blocks() * g.block * x.blocks() * x.block * kh * kw;
        Schedule { scratch, ..Schedule::of_macs(macs(op, work)) }
    },
    emit: |op, work, _, e| {
        let (x, g, result, scratch) = (e.operand(0), e.operand(1), e.result(0), e.result(1));
        let (lanes, padded, [kh, kw]) = (g.storage.block, x.storage.blocks() * x.storage.block, op.kernel);
        let zeros = e.constant("zeros", 0.0, lanes);
        let widest = kernels::conv_tiles(work.target.isa, 1).filter(|&(_, nr)| nr == 1).map(|(mr, _)| mr).max();
        let widest = widest.unwrap_or(1) as usize;
        each_block(e, g.storage.c, lanes, &|e, o, outputs| {
            let first = o * (kh * kw * padded * lanes);
            e.serial(kh, |e, u| {
                e.serial(kw, |e, v| {
                    let row = &first + u * (kw * padded * lanes) + v * (padded * lanes);
                    let block = |e: &mut Emitter<'_>, c: &Affine, channels: usize| {
                        let share = channels.div_ceil(channels.div_ceil(widest));
                        for channel in (0..channels).step_by(share) {
                            let params = kernels::Conv {
                                mr: share.min(channels - channel) as u32,
                                nr: 1,
                                block: lanes as u32,
                                px: 1,
                                outer: 1,
                                outer_stride: 0,
                                kh: g.storage.h as u32,
                                kh_stride: (op.stride[0] * x.storage.pitch()) as u32,
                                kw: g.storage.w as u32,
                                kw_stride: (op.stride[1] * x.storage.block) as u32,
                                inner: 1,
                                tail: 1,
                                dst_block: 0,
                                residual: 0,
                                residual_block: 0,
                                activation: Activation::Identity.into(),
                            };
                            let to = scratch.element(&row + c * (x.storage.block * lanes) + channel * lanes);
                            let call = |e: &mut Emitter<'_>, n: &Affine, residual: u32| {
                                let origin = Affine::default();
                                let [y, z] = [pixel(op, 0, &origin, u), pixel(op, 1, &origin, v)];
                                let mut window = x.at(n, c, y, z);
                                window.index = window.index + channel;
                                let mut args = vec![to.clone(), window, g.at(n, o, 0, 0), zeros.element(0)];
                                args.extend((residual == 1).then(|| to.clone()));
                                e.call(Params::Conv(kernels::Conv { residual, ..params }), args);
                            };
                            call(e, &Affine::default(), 0);
                            e.serial(x.storage.n - 1, |e, n| call(e, &(n + 1), 1));
                        }
                    };
                    let (full, rest) = (x.storage.c / x.storage.block, x.storage.c % x.storage.block);
                    e.serial(full, |e, c| block(e, c, x.storage.block));
                    if rest > 0 {
                        block(e, &full.into(), rest);
                    }
                });
            });
            let origin = o * (lanes * x.storage.c * kh * kw);
            unblock(e, [scratch, result], [&first, &origin], [lanes, outputs, x.storage.c, padded, kh * kw]);
        });
    },
};

/// A group for each channel, one output channel in each: lanes are channels of both operands.
const DEPTHWISE: Algorithm<ConvWeightGradient> = Algorithm {
    name: "depthwise",
    choose: |op, site| {
        let (channels, outputs) = (site.operands[0].shape[1], site.operands[1].shape[1]);
        if op.groups != channels || channels != outputs || channels == 1 {
            return Err(format!("{} groups, {channels} input and {outputs} output channels", op.groups));
        }
        let operands = vec![source(op, site, Layout::Blocked), Need::tensor(Layout::Blocked)];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    schedule: |op, work| {
        let g = work.storage(1);
        let scratch = g.blocks() * g.block * op.kernel[0] * op.kernel[1];
        Schedule { scratch, ..Schedule::of_macs(macs(op, work)) }
    },
    emit: |op, _, _, e| {
        let (x, g, result, scratch) = (e.operand(0), e.operand(1), e.result(0), e.result(1));
        let (lanes, [kh, kw]) = (g.storage.block, op.kernel);
        each_block(e, g.storage.c, lanes, &|e, c, outputs| {
            let first = c * (kh * kw * lanes);
            e.serial(kh, |e, u| {
                let sums: Vec<Reg> = (0..kw).map(|_| e.code.constant(lanes as u32, 0.0)).collect();
                e.serial(g.storage.n, |e, n| {
                    e.serial(g.storage.h, |e, i| {
                        e.serial(g.storage.w, |e, j| {
                            let value = e.code.load(lanes as u32, g.at(n, c, i, j));
                            for (v, &sum) in sums.iter().enumerate() {
                                let [y, z] = [pixel(op, 0, i, u), pixel(op, 1, j, &v.into())];
                                let pixel = e.code.load(lanes as u32, x.at(n, c, y, z));
                                e.code.set(sum, Expr::Fma(value, pixel, sum));
                            }
                        });
                    });
                });
                for (v, &sum) in sums.iter().enumerate() {
                    e.code.store(scratch.element(&first + u * (kw * lanes) + v * lanes), sum);
                }
            });
            let origin = c * (lanes * kh * kw);
            unblock(e, [scratch, result], [&first, &origin], [lanes, outputs, 1, 1, kh * kw]);
        });
    },
};

/// Number by number, whatever the groups.
const LOOPS: Algorithm<ConvWeightGradient> = Algorithm {
    name: "loops",
    choose: |op, site| {
        let operands = vec![source(op, site, Layout::Plain), Need::tensor(Layout::Plain)];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    // Scalar code: a sixteenth of the speed that the threshold assumes.
    schedule: |op, work| Schedule::of_macs(macs(op, work).saturating_mul(16)),
    emit: |op, work, _, e| {
        let (x, g, result) = (e.operand(0), e.operand(1), e.result(0));
        let [outputs, inputs, kh, kw] = work.results[0].shape[..] else { unreachable!("weights are O I Kh Kw") };
        let per_group = outputs / op.groups;
        e.serial(op.groups, |e, group| {
            e.parallel(per_group, |e, o| {
                let o = group * per_group + o;
                e.serial(inputs, |e, c| {
                    e.serial(kh, |e, u| {
                        e.serial(kw, |e, v| {
                            let sum = e.code.constant(1, 0.0);
                            e.serial(g.storage.n, |e, n| {
                                e.serial(g.storage.h, |e, i| {
                                    e.serial(g.storage.w, |e, j| {
                                        let a = e.code.load(1, g.at(n, &o, i, j));
                                        let [y, z] = [pixel(op, 0, i, u), pixel(op, 1, j, v)];
                                        let b = e.code.load(1, x.at(n, group * inputs + c, y, z));
                                        e.code.set(sum, Expr::Fma(a, b, sum));
                                    });
                                });
                            });
                            let tap = &o * (inputs * kh * kw) + c * (kh * kw) + u * kw + v;
                            e.code.store(result.element(tap), sum);
                        });
                    });
                });
            });
        });
    },
};
