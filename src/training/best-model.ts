import { ConvLSTMError } from '../errors.js';
import type { Module, StateDict } from '../nn/index.js';
import { Tensor } from '../tensor/tensor.js';
import type { Best } from './run-state.js';

/** Disposes the tensors among the values of an object; null has none. */
export function disposeAll(tensors: unknown): void {
  for (const tensor of Object.values(tensors ?? {})) {
    if (tensor instanceof Tensor) tensor.dispose();
  }
}

/** The best validation of a training, and copies of the model's weights at it. */
export class BestModel {
  validation: Best | null = null;
  weights: StateDict | null = null;

  /** Takes over copies of `weights`. */
  set(validation: Best | null, weights: StateDict | null): void {
    disposeAll(this.weights);
    this.validation = validation && { ...validation };
    const copies = Object.entries(weights ?? {}).map(([name, weight]) => [name, weight.clone()]);
    this.weights = weights && Object.fromEntries(copies);
  }

  /** Counts a validation after `step`; true if `loss` is the new best. */
  compare(step: number, loss: number, model: Module): boolean {
    const best = this.validation;
    const better = Number.isFinite(loss) && !(best && best.loss <= loss);
    if (better) {
      const weights = model.stateDict();
      this.set({ loss, step, since: 0 }, weights);
      disposeAll(weights);
    } else if (best) best.since++;
    return better;
  }

  /** @throws ConvLSTMError ERR_OPTION without weights */
  restore(model: Module): void {
    if (this.weights === null) {
      const message = 'Trainer: expected a validation with a finite loss before restoreBest()';
      throw new ConvLSTMError('ERR_OPTION', message);
    }
    model.loadStateDict(this.weights);
  }
}
