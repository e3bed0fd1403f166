/**
 * Reverse-mode differentiation. Each recorded operation is a node that knows where the gradients of
 * its operands go; a tensor knows the node that made it. Nodes hold shares of the tensors they need,
 * never the tensors themselves, so that an intermediate result may be disposed at any time.
 */
import { ConvLSTMError } from '../errors.js';
import { add } from '../functional/binary.js';
import { expectTensor } from '../functional/run.js';
import { checkOneElement, formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { isGradEnabled, noGrad } from './grad-mode.js';

/** Gradients by position; null stands for zeros, and for those nobody wants. */
export type Gradients = readonly (Tensor | null)[];

/**
 * From the gradients of an operation's results to those of its operands.
 *
 * @param grads of the results; the caller's: what is passed on is a share of its own
 * @param saved what `record` was given
 * @param wants which operands' gradients are asked for
 */
export type Backward = (
  grads: Gradients,
  saved: readonly (Tensor | null)[],
  wants: readonly boolean[],
) => Gradients;

/** Where a gradient goes: to a result of a node, or to a leaf. */
type Edge = { readonly node: Node; readonly result: number } | { readonly leaf: Tensor };

/** One recorded operation, until `backward` has used it. */
export class Node {
  readonly edges: readonly (Edge | null)[];
  readonly results: number;
  #saved: readonly (Tensor | null)[] | null;
  #backward: Backward;

  constructor(
    edges: readonly (Edge | null)[],
    results: number,
    saved: readonly (Tensor | null)[],
    backward: Backward,
  ) {
    this.edges = edges;
    this.results = results;
    this.#saved = saved.map((tensor) => tensor?.detach() ?? null);
    this.#backward = backward;
  }

  get used(): boolean {
    return this.#saved === null;
  }

  /** The gradients of the operands; what was saved is freed. */
  run(grads: Gradients): Gradients {
    const saved = this.#saved!;
    this.#saved = null;
    try {
      if (grads.every((grad) => grad === null)) return this.edges.map(() => null);
      const wants = this.edges.map((edge) => edge !== null);
      return this.#backward(grads, saved, wants);
    } finally {
      for (const tensor of saved) tensor?.dispose();
    }
  }
}

/** Which result of which node a tensor is. */
export interface History {
  readonly node: Node;
  readonly result: number;
}

/** Whether an operation on these operands is to be recorded. */
export function isRecorded(operands: readonly (Tensor | null)[]): boolean {
  return operands.some((operand) => operand?.requiresGrad) && isGradEnabled();
}

function edgeOf(operand: Tensor | null): Edge | null {
  if (!operand?.requiresGrad) return null;
  return operand.history ?? { leaf: operand };
}

/**
 * Remembers how to differentiate an operation, when any operand asks for it.
 *
 * @param saved what `backward` needs of operands and results
 */
export function record(
  operands: readonly (Tensor | null)[],
  results: readonly Tensor[],
  saved: readonly (Tensor | null)[],
  backward: Backward,
): void {
  if (!isRecorded(operands)) return;
  const node = new Node(operands.map(edgeOf), results.length, saved, backward);
  results.forEach((tensor, result) => {
    tensor.history = { node, result };
  });
}

/** How many recorded uses each node's results have among what leads to `root`. */
function countUses(root: Node): Map<Node, number> {
  const uses = new Map<Node, number>([[root, 0]]);
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.used) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        'backward: this graph was used by an earlier backward(), which freed what it had saved; ' +
          'compute the forward pass again',
      );
    }
    for (const edge of node.edges) {
      if (!edge || 'leaf' in edge) continue;
      const known = uses.get(edge.node);
      uses.set(edge.node, (known ?? 0) + 1);
      if (known === undefined) stack.push(edge.node);
    }
  }
  return uses;
}

/** Takes over both. */
function accumulate(sum: Tensor | null, grad: Tensor): Tensor {
  if (!sum) return grad;
  const total = add(sum, grad);
  sum.dispose();
  grad.dispose();
  return total;
}

/**
 * What `backward` takes: `gradient` may be left out for a single element.
 *
 * @throws ConvLSTMError ERR_OPTION, ERR_SHAPE, ERR_DEVICE
 */
export function checkBackward(root: Tensor, gradient?: Tensor): void {
  if (!root.requiresGrad) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      'backward: no tensor that this one was computed from has requiresGrad, or it was computed in noGrad; ' +
        'loadModel(file, { trainable: true }) loads a model to train',
    );
  }
  if (!gradient) {
    checkOneElement('backward without a gradient', root.shape);
    return;
  }
  expectTensor('backward: gradient', gradient);
  if (!sameShape(gradient.shape, root.shape)) {
    throw new ConvLSTMError(
      'ERR_SHAPE',
      `backward: gradient: expected ${formatShape(root.shape)}, got ${formatShape(gradient.shape)}`,
    );
  }
  if (gradient.device !== root.device) {
    throw new ConvLSTMError(
      'ERR_DEVICE',
      `backward: the tensor is on '${root.device}' but the gradient is on '${gradient.device}'`,
    );
  }
}

/**
 * Adds the gradients of `root`, weighted by `gradient`, to the `grad` of every leaf it came from. Each
 * node runs once, when all uses of its results have been, in an order that depends on the graph alone.
 *
 * @param gradient of the shape of `root`; taken over
 */
export function backward(root: Tensor, gradient: Tensor): void {
  noGrad(() => {
    if (!root.history) {
      root.grad = accumulate(root.grad, gradient);
      return;
    }
    const uses = countUses(root.history.node);
    const pending = new Map<Node, (Tensor | null)[]>();
    const slots = (node: Node) => {
      let grads = pending.get(node);
      if (!grads) {
        grads = new Array<Tensor | null>(node.results).fill(null);
        pending.set(node, grads);
      }
      return grads;
    };
    slots(root.history.node)[root.history.result] = gradient;
    const ready = [root.history.node];
    try {
      for (let node = ready.pop(); node; node = ready.pop()) {
        const grads = slots(node);
        const operandGrads = node.run(grads);
        pending.delete(node);
        for (const grad of grads) grad?.dispose();
        node.edges.forEach((edge, operand) => {
          const grad = operandGrads[operand] ?? null;
          if (!edge) return;
          if ('leaf' in edge) {
            if (grad) edge.leaf.grad = accumulate(edge.leaf.grad, grad);
            return;
          }
          if (grad) {
            const grads = slots(edge.node);
            grads[edge.result] = accumulate(grads[edge.result]!, grad);
          }
          const remaining = uses.get(edge.node)! - 1;
          uses.set(edge.node, remaining);
          if (remaining === 0) ready.push(edge.node);
        });
      }
    } finally {
      for (const grads of pending.values()) for (const grad of grads) grad?.dispose();
    }
  });
}
