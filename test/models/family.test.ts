import { describe, expect, it } from 'vitest';
import { guessFamily } from '../../src/models/family.js';

const entries = (shapes: Record<string, number[]>) =>
  Object.entries(shapes).map(([name, shape]) => ({ name, shape }));

describe('guessFamily', () => {
  it.each<[string, string | null, Record<string, number[]>]>([
    [
      'ndrplz/ConvLSTM_pytorch, or convlstm',
      'ifog',
      { 'encoder.cell_list.0.conv.weight': [64, 19, 3, 3], 'encoder.cell_list.0.conv.bias': [64] },
    ],
    [
      'OpenSTL',
      'ifgo',
      {
        'cell_list.0.conv_x.0.weight': [512, 16, 5, 5],
        'cell_list.0.conv_h.0.weight': [512, 128, 5, 5],
      },
    ],
    [
      'Hzzone/Precipitation-Nowcasting',
      'ifgo',
      {
        'encoder.rnn1._conv.weight': [256, 72, 3, 3],
        'encoder.rnn1.Wci': [1, 64, 96, 96],
        'encoder.rnn1.Wcf': [1, 64, 96, 96],
        'encoder.rnn1.Wco': [1, 64, 96, 96],
      },
    ],
    [
      'automan000/Convolutional_LSTM_PyTorch',
      null,
      { 'cell0.Wxi.weight': [8, 3, 3, 3], 'cell0.Whi.weight': [8, 8, 3, 3] },
    ],
    [
      'Keras ConvLSTM2D or TensorFlow.js',
      'ifgo',
      {
        'conv_lstm2d/kernel:0': [3, 3, 1, 64],
        'conv_lstm2d/recurrent_kernel:0': [3, 3, 16, 64],
        'conv_lstm2d/bias:0': [64],
      },
    ],
    [
      'Flax ConvLSTMCell',
      'igfo',
      { 'params.cell.ih.kernel': [3, 3, 1, 64], 'params.cell.hh.kernel': [3, 3, 16, 64] },
    ],
    ['PyTorch nn.LSTM', 'ifgo', { weight_ih_l0: [64, 3], weight_hh_l0: [64, 16] }],
  ])('recognises %s', (name, gateOrder, shapes) => {
    expect(guessFamily(entries(shapes))).toMatchObject({ name, gateOrder });
  });

  it.each<Record<string, number[]>>([
    {},
    { 'conv.weight': [64, 19, 3, 3] },
    // PredRNN cells have this key but seven gates.
    {
      'cell_list.0.conv_x.0.weight': [448, 16, 5, 5],
      'cell_list.0.conv_m.0.weight': [192, 64, 5, 5],
    },
    { 'cell_list.0.conv.weight': [30, 19, 3, 3] },
    { 'cell_list.0.conv.weight': [64, 3, 3, 3] },
  ])('does not recognise %j', (shapes) => {
    expect(guessFamily(entries(shapes))).toBeNull();
  });
});
