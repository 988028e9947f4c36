//! Kernels for the machine at hand: the same safe code, compiled once more for wider registers and the newer bit instructions.
//!
//! Neither changes a result: no multiplication is fused with an addition, and the order of additions is the code's.

/// Work that is worth compiling twice. Not a closure: [`Kernel::run`] has to be `#[inline(always)]`, and so has what it calls.
pub trait Kernel {
    type Output;

    fn run(self) -> Self::Output;
}

/// Runs `kernel` with AVX2, BMI and LZCNT where the processor has them. About a nanosecond over the call.
#[inline(always)]
#[expect(unsafe_code, reason = "code for features that are looked for at run time")]
pub fn vectorised<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt")
    {
        // SAFETY: the processor has just been found to have all that the function is compiled for.
        return unsafe { with_avx2(kernel) };
    }
    kernel.run()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn with_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run()
}

#[cfg(test)]
mod tests {
    use super::{Kernel, vectorised};

    #[derive(Clone, Copy)]
    struct Sum<'a>(&'a [f64]);

    impl Kernel for Sum<'_> {
        type Output = f64;

        #[inline(always)]
        fn run(self) -> f64 {
            self.0.chunks(8).map(|c| c.iter().map(|v| v * v + 0.1).sum::<f64>()).sum()
        }
    }

    #[test]
    fn a_kernel_gives_what_it_gives_alone() {
        let values: Vec<f64> = (0..1000).map(|i| f64::from(i).sqrt()).collect();
        assert_eq!(vectorised(Sum(&values)).to_bits(), Sum(&values).run().to_bits());
    }
}
