/**
 * Reverse-mode differentiation. Each recorded operation is a node with an edge to the origin of every
 * operand that wants a gradient; a tensor knows the node that made it. Nodes hold shares of the tensors
 * they need, never the tensors themselves, so an intermediate result may be disposed at any time.
 */
import { ConvLSTMError } from '../errors.js';
import { deviceOf, expectTensor, runTensor } from '../tensor/operands.js';
import { checkOneElement, expectShape } from '../tensor/shape.js';
import { Tensor } from '../tensor/tensor.js';
import { isGradEnabled, noGrad } from './grad-mode.js';

/** Tensors by name: operands, results, saved tensors or gradients; null for an absent one. */
export type Tensors = Readonly<Record<string, Tensor | null>>;

/** Gradients by the names of their tensors; null for zeros, and for gradients nobody wants. */
export type Gradients<T> = { readonly [Name in keyof T]: Tensor | null };

/** Operands by name: true where the gradient is wanted. */
export type Wants<T> = { readonly [Name in keyof T]: boolean };

/**
 * Computes the gradients of an operation's operands from those of its results. At least one of `grads`
 * is not null. `grads` and `saved` stay the caller's: a gradient passed on is a share of its own.
 */
export type Backward<Operands, Results, Saved> = (
  grads: Gradients<Results>,
  saved: Saved,
  wants: Wants<Operands>,
) => Gradients<Operands>;

/** Destination of a gradient: a result of a node, or a leaf. */
type Edge = History | { readonly leaf: Tensor };

/** The result of a node that a tensor is: `tensor.history`. */
interface History {
  readonly node: Node;
  readonly result: string;
}

function historyOf(tensor: Tensor): History | null {
  return tensor.history as History | null;
}

/** One recorded operation, until `backward` has used it. */
class Node {
  /** By operand, those that want a gradient. */
  readonly edges = new Map<string, Edge>();
  readonly #results: readonly string[];
  readonly #wants: Record<string, boolean> = {};
  readonly #backward: Backward<Tensors, Tensors, Tensors>;
  #saved: Tensors | null;

  constructor(
    operands: Tensors,
    results: readonly string[],
    saved: Tensors,
    backward: Backward<Tensors, Tensors, Tensors>,
  ) {
    this.#results = results;
    for (const [name, operand] of Object.entries(operands)) {
      const wanted = operand?.requiresGrad ?? false;
      this.#wants[name] = wanted;
      if (wanted) this.edges.set(name, historyOf(operand!) ?? { leaf: operand! });
    }
    const shares: Record<string, Tensor | null> = {};
    for (const [name, tensor] of Object.entries(saved)) shares[name] = tensor?.detach() ?? null;
    this.#saved = shares;
    this.#backward = backward;
  }

  get used(): boolean {
    return this.#saved === null;
  }

  /** A place for the gradient of each result. */
  noGrads(): Record<string, Tensor | null> {
    return Object.fromEntries(this.#results.map((name) => [name, null]));
  }

  /** The gradients of the operands, null where there is none to compute; frees the saved tensors. */
  run(grads: Tensors): Tensors | null {
    const saved = this.#saved!;
    this.#saved = null;
    try {
      if (Object.values(grads).every((grad) => grad === null)) return null;
      return this.#backward(grads, saved, this.#wants);
    } finally {
      for (const tensor of Object.values(saved)) tensor?.dispose();
    }
  }
}

/** True where an operation on these operands has to be recorded. */
export function isRecorded(operands: Tensors): boolean {
  for (const name in operands) if (operands[name]?.requiresGrad) return isGradEnabled();
  return false;
}

/**
 * Remembers how to differentiate an operation of several results, if an operand requires a gradient.
 *
 * @param saved operands and results that `backward` needs
 */
export function recordResults<
  Operands extends Tensors,
  Results extends Readonly<Record<string, Tensor>>,
  Saved extends Tensors,
>(
  operands: Operands,
  results: Results,
  saved: Saved,
  backward: Backward<Operands, Results, Saved>,
): void {
  if (!isRecorded(operands)) return;
  const names = Object.keys(results);
  const node = new Node(operands, names, saved, backward as Backward<Tensors, Tensors, Tensors>);
  for (const result of names) results[result]!.history = { node, result };
}

/**
 * Remembers how to differentiate an operation of one result, if an operand requires a gradient.
 *
 * @param saved operands and results that `backward` needs
 * @param backward as `Backward`, with the gradient of the one result
 * @example
 * ```ts
 * record({ a, b }, y, { a, b }, (grad, { a, b }, wants) => ({
 *   a: wants.a ? mul(grad, b) : null,
 *   b: wants.b ? mul(grad, a) : null,
 * }));
 * ```
 */
export function record<Operands extends Tensors, Saved extends Tensors>(
  operands: Operands,
  y: Tensor,
  saved: Saved,
  backward: (grad: Tensor, saved: Saved, wants: Wants<Operands>) => Gradients<Operands>,
): void {
  recordResults(operands, { y }, saved, ({ y }, saved, wants) => backward(y!, saved, wants));
}

/** Counts the recorded uses of each node's results on the ways to `root`. */
function countUses(root: Node): Map<Node, number> {
  const uses = new Map<Node, number>([[root, 0]]);
  const stack = [root];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.used) {
      throw new ConvLSTMError(
        'ERR_OPTION',
        'backward: this graph was used by an earlier backward(), which freed its saved tensors; ' +
          'compute the forward pass again, and cut states kept from an earlier one: ' +
          'states.map(({ h, c }) => ({ h: h.detach(), c: c.detach() }))',
      );
    }
    for (const edge of node.edges.values()) {
      if ('leaf' in edge) continue;
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
  const { shape } = grad;
  const device = deviceOf('backward', { 'the gradient so far': sum, 'the new one': grad });
  const total = runTensor(device, shape, (backend) =>
    backend.binary('add', sum.storage, shape, grad.storage, shape, shape),
  );
  sum.dispose();
  grad.dispose();
  return total;
}

function checkBackward(root: Tensor, gradient: Tensor | undefined): void {
  expectTensor('backward: x', root);
  if (!root.requiresGrad) {
    throw new ConvLSTMError(
      'ERR_OPTION',
      'backward: no tensor that this one was computed from has requiresGrad, or it was computed in noGrad; ' +
        'loadModel(file, { trainable: true }) loads a model to train',
    );
  }
  if (gradient === undefined) {
    checkOneElement('backward without a gradient', root.shape);
    return;
  }
  expectTensor('backward: gradient', gradient);
  expectShape('backward: gradient', root.shape, gradient.shape);
  deviceOf('backward', { 'the tensor': root, 'the gradient': gradient });
}

/** `Tensor.backward`, documented in functional/methods.ts. */
export function backward(root: Tensor, gradient?: Tensor): void {
  checkBackward(root, gradient);
  const first = gradient?.detach() ?? Tensor.ones(root.shape, { device: root.device });
  noGrad(() => propagate(root, first));
}

/**
 * Runs each node once, after all uses of its results, in an order that depends on the graph alone.
 *
 * @param gradient taken over
 */
function propagate(root: Tensor, gradient: Tensor): void {
  const origin = historyOf(root);
  if (!origin) {
    root.grad = accumulate(root.grad, gradient);
    return;
  }
  const uses = countUses(origin.node);
  const pending = new Map<Node, Record<string, Tensor | null>>();
  const gradsOf = (node: Node) => pending.get(node) ?? node.noGrads();
  const collect = ({ node, result }: History, grad: Tensor) => {
    const grads = gradsOf(node);
    pending.set(node, grads);
    grads[result] = accumulate(grads[result]!, grad);
  };
  collect(origin, gradient);
  const ready = [origin.node];
  try {
    for (let node = ready.pop(); node; node = ready.pop()) {
      const grads = gradsOf(node);
      const operandGrads = node.run(grads);
      pending.delete(node);
      for (const grad of Object.values(grads)) grad?.dispose();
      for (const [operand, edge] of node.edges) {
        const grad = operandGrads?.[operand] ?? null;
        if ('leaf' in edge) {
          if (grad) edge.leaf.grad = accumulate(edge.leaf.grad, grad);
          continue;
        }
        if (grad) collect(edge, grad);
        const remaining = uses.get(edge.node)! - 1;
        uses.set(edge.node, remaining);
        if (remaining === 0) ready.push(edge.node);
      }
    }
  } finally {
    for (const grads of pending.values()) {
      for (const grad of Object.values(grads)) grad?.dispose();
    }
  }
}
