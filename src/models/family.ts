import type { TensorEntry } from '../io/safetensors.js';

/** Origin of a weights file, guessed from its keys and shapes. */
export interface Family {
  /** The project or framework. */
  name: string;
  /** Gate order for `loadStateDict`; null if each gate has its own weights. */
  gateOrder: string | null;
  /** How to load the file. */
  note: string;
}

type Entry = Pick<TensorEntry, 'name' | 'shape'>;

interface Rule extends Family {
  matches(entries: readonly Entry[]): boolean;
}

function some(entries: readonly Entry[], key: RegExp, rank: number): boolean {
  return entries.some(({ name, shape }) => key.test(name) && shape.length === rank);
}

/** Whether a weight is the convolution of [x, h] to four gates: [4 h, input + h, kh, kw]. */
function isGateConvolution({ shape }: Entry): boolean {
  const [out, input] = shape;
  return shape.length === 4 && out! % 4 === 0 && input! > out! / 4;
}

/** The first matching rule wins. */
const kRules: readonly Rule[] = [
  {
    name: 'ndrplz/ConvLSTM_pytorch, or convlstm',
    gateOrder: 'ifog',
    note: "loads unchanged; listings that split gates as f, i, o, g need gateOrder: 'fiog', which no key shows",
    matches: (entries) =>
      entries.some(
        (entry) => /cell_list\.\d+\.conv\.weight$/.test(entry.name) && isGateConvolution(entry),
      ),
  },
  {
    name: 'OpenSTL',
    gateOrder: 'ifgo',
    note: 'two convolutions a layer: put conv_x and conv_h side by side along axis 1',
    matches: (entries) =>
      some(entries, /conv_x(\.0)?\.weight$/, 4) && some(entries, /conv_h(\.0)?\.weight$/, 4),
  },
  {
    name: 'Hzzone/Precipitation-Nowcasting',
    gateOrder: 'ifgo',
    note: "peephole: 'spatial'; keys become cell_list.0.conv.weight, cell_list.0.Wci, ...",
    matches: (entries) =>
      some(entries, /_conv\.weight$/, 4) &&
      some(entries, /(^|\.)Wci$/, 4) &&
      some(entries, /(^|\.)Wco$/, 4),
  },
  {
    name: 'automan000/Convolutional_LSTM_PyTorch',
    gateOrder: null,
    note: 'one convolution per gate for x and one for h: join Wx and Wh along axis 1, then i, f, o, c along axis 0',
    matches: (entries) => some(entries, /Wxi\.weight$/, 4) && some(entries, /Whi\.weight$/, 4),
  },
  {
    name: 'Keras ConvLSTM2D or TensorFlow.js',
    gateOrder: 'ifgo',
    note: "kernels are [kh, kw, in, 4 F]: transpose(3, 2, 0, 1), then side by side along axis 1; recurrent_activation must be 'sigmoid', the default of Keras 3 but not of Keras 2",
    matches: (entries) => some(entries, /recurrent_kernel(:0)?$/, 4),
  },
  {
    name: 'Flax ConvLSTMCell',
    gateOrder: 'igfo',
    note: 'kernels are [kh, kw, in, 4 F]; add the two biases, and 1 to the forget gate',
    matches: (entries) =>
      some(entries, /(^|[./])ih[./]kernel$/, 4) && some(entries, /(^|[./])hh[./]kernel$/, 4),
  },
  {
    name: 'PyTorch nn.LSTM',
    gateOrder: 'ifgo',
    note: 'not convolutional',
    matches: (entries) => some(entries, /weight_hh_l0$/, 2),
  },
];

/**
 * Guesses the family from keys and shapes; null for an unknown one. docs/weights.md describes how to load
 * each.
 *
 * @internal
 */
export function guessFamily(entries: readonly Entry[]): Family | null {
  const rule = kRules.find(({ matches }) => matches(entries));
  return rule ? { name: rule.name, gateOrder: rule.gateOrder, note: rule.note } : null;
}
