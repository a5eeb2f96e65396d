//! AdamW (Loshchilov and Hutter, 2019) over all parameters of a module.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::ops::{self, AdamWStep};

/// Decay rates of the running means of gradient and squared gradient; PyTorch's defaults.
const BETAS: [f64; 2] = [0.9, 0.999];
/// Added to the denominator, so that the division stays finite; PyTorch's default.
const EPSILON: f64 = 1e-8;

/// The optimiser with its state. Burn's own hides its state, and reads it by blocking, which a page must not do. `tests/parity.rs`
/// compares a step with PyTorch's.
#[derive(Clone)]
pub struct AdamW {
    weight_decay: f64,
    /// Steps taken, t.
    pub steps: usize,
    /// Running means of each parameter's gradient and squared gradient, `[N]` both, without bias correction.
    pub moments: HashMap<ParamId, [Tensor<1>; 2]>,
}

impl AdamW {
    /// Creates an optimiser whose weight decay acts on every parameter, as the authors' does. See `tests/parity.rs`.
    pub fn new(weight_decay: f64) -> Self {
        Self {
            weight_decay,
            steps: 0,
            moments: HashMap::new(),
        }
    }

    /// Adapts the running means to a parameter that is multiplied by `factor`, so that its gradient is divided by it. See this file's tests.
    pub fn rescale(&mut self, id: ParamId, factor: f64) {
        if let Some([first, second]) = self.moments.remove(&id) {
            let moments = [first / factor, second / (factor * factor)];
            self.moments.insert(id, moments);
        }
    }

    /// Takes one step of [`ops::adamw`]. A parameter without a gradient stays as it is. See `tests/parity.rs`.
    pub fn step<M: Module>(&mut self, rate: f64, module: M, gradients: GradientsParams) -> M {
        self.steps += 1;
        let step = AdamWStep {
            betas: BETAS,
            rate,
            decay: self.weight_decay,
            epsilon: EPSILON,
            steps: self.steps,
        };
        let mut gather = Gather {
            moments: &mut self.moments,
            gradients,
            operands: vec![],
            ids: vec![],
        };
        module.visit(&mut gather);
        let Gather { operands, ids, .. } = gather;
        let mut updated = HashMap::new();
        for (id, [m, v, p]) in ids.into_iter().zip(ops::adamw(operands, step)) {
            self.moments.insert(id, [m, v]);
            updated.insert(id, p);
        }
        module.map(&mut Update(updated))
    }
}

/// Visits a module and collects the operands of [`ops::adamw`] of each parameter that has a gradient.
struct Gather<'a> {
    moments: &'a mut HashMap<ParamId, [Tensor<1>; 2]>,
    gradients: GradientsParams,
    /// g, m, v and p of each parameter.
    operands: Vec<[Tensor<1>; 4]>,
    /// The parameters, in the same order.
    ids: Vec<ParamId>,
}

impl ModuleVisitor for Gather<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(g) = self.gradients.remove::<D>(param.id) else {
            return;
        };
        let g = g.flatten::<1>(0, D - 1);
        // Two tensors: a GPU must not bind one buffer twice for writing.
        let [m, v] =
            (self.moments.remove(&param.id)).unwrap_or_else(|| [g.zeros_like(), g.zeros_like()]);
        let p = param.val().inner().flatten::<1>(0, D - 1);
        self.operands.push([g, m, v, p]);
        self.ids.push(param.id);
    }
}

/// Replaces parameters by their new values.
struct Update(HashMap<ParamId, Tensor<1>>);

impl ModuleMapper for Update {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.0.remove(&param.id) {
            None => param,
            Some(updated) => param
                .map(|before| Tensor::from_inner(updated.reshape(before.dims())).require_grad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[derive(Module, Debug)]
    struct Two {
        a: Param<Tensor<2>>,
        b: Param<Tensor<1>>,
    }

    fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().expect("floats")
    }

    #[test]
    fn step_follows_the_formula() {
        let device = &Device::flex().autodiff();
        let start = [0.5f64, -1.0, 2.0, 0.0];
        let mut two = Two {
            a: Param::from_tensor(Tensor::from_data(
                TensorData::new(start.map(|v| v as f32).to_vec(), [2, 2]),
                device,
            )),
            b: Param::from_tensor(Tensor::ones([1], device)),
        };
        let (rate, decay) = (0.1, 0.05);
        let mut optimiser = AdamW::new(decay);
        let (mut p, mut m, mut v) = (start, [0.0f64; 4], [0.0f64; 4]);
        for t in 1..=5 {
            let g: [f64; 4] = std::array::from_fn(|i| ((t * 7 + i * 3) % 5) as f64 - 2.0);
            let mut gradients = GradientsParams::new();
            let tensor = TensorData::new(g.map(|v| v as f32).to_vec(), [2, 2]);
            gradients.register(
                two.a.id,
                Tensor::<2>::from_data(tensor, &device.clone().inner()),
            );
            two = optimiser.step(rate, two, gradients);
            for i in 0..4 {
                m[i] = 0.9 * m[i] + 0.1 * g[i];
                v[i] = 0.999 * v[i] + 0.001 * g[i] * g[i];
                let (m, v) = (
                    m[i] / (1.0 - 0.9f64.powi(t as i32)),
                    v[i] / (1.0 - 0.999f64.powi(t as i32)),
                );
                p[i] -= rate * decay * p[i] + rate * m / (v.sqrt() + 1e-8);
            }
        }
        for (found, wanted) in values(two.a.val().inner()).iter().zip(p) {
            assert!(
                (f64::from(*found) - wanted).abs() < 1e-5,
                "{found} {wanted}"
            );
        }
        assert!(two.a.val().is_require_grad());
        // Without a gradient there is neither a step nor decay.
        assert_eq!(values(two.b.val().inner()), [1.0]);
    }

    /// Trains one parameter in two units, one `factor` times the other: rescaling turns the moments of the first into those of the second.
    #[test]
    fn rescale_converts_the_moments() {
        let device = &Device::flex().autodiff();
        let gradients = [[0.3f32, -2.0], [1.5, 0.25], [-0.7, 4.0]];
        let factor = 8.0f32; // exact in binary
        let trained = |unit: f32| {
            let mut two = Two {
                a: Param::from_tensor(Tensor::zeros([2, 1], device)),
                b: Param::from_tensor(Tensor::ones([1], device)),
            };
            let id = two.a.id;
            let mut optimiser = AdamW::new(0.0);
            for g in gradients {
                let values = TensorData::new(g.map(|g| g / unit).to_vec(), [2, 1]);
                let mut gradients = GradientsParams::new();
                let device = device.clone().inner();
                gradients.register(id, Tensor::<2>::from_data(values, &device));
                two = optimiser.step(0.1, two, gradients);
            }
            (optimiser, id)
        };
        let moments = |(optimiser, id): &(AdamW, ParamId)| {
            let [first, second] = optimiser.moments[id].clone();
            [values(first), values(second)]
        };
        let (mut rescaled, wanted) = (trained(1.0), trained(factor));
        let [before, _] = moments(&rescaled);
        rescaled.0.rescale(rescaled.1, factor.into());
        let [first, second] = moments(&rescaled);
        assert_eq!(first, before.iter().map(|m| m / factor).collect::<Vec<_>>());
        let [wanted_first, wanted_second] = moments(&wanted);
        assert_eq!((first, second), (wanted_first, wanted_second));
        rescaled.0.rescale(ParamId::new(), 3.0); // a parameter without moments is ignored
    }
}
