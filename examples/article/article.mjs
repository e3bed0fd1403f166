// The ConvLSTM that a much-read article builds in PyTorch, line by line with this package's modules;
// then `ConvLSTM`, which computes the same in one operation a layer.
//
// The article's listing does not run. Its slips, each marked below where it is put right:
//   1. the gates are split as f, i, o, g, where the code it follows (ndrplz/ConvLSTM_pytorch) has
//      i, f, o, g: weights trained with one order are noise in the other
//   2. `o * nn.Tanh(c_next)` builds a layer out of c_next where torch.tanh(c_next) is meant
//   3. `heigth, weight = image_size` is followed by uses of `height` and `width`
//   4. each cell gets the whole list of hidden dimensions instead of its own
//   5. states that are passed in are thrown away; zeros are used instead
//   6. `last_state_list` is returned but never made; `layer_state_list` is what was filled
import { Conv2d, ConvLSTM, Module, manualSeed, Tensor } from 'convlstm';

class ArticleCell extends Module {
  constructor({ inputDim, hiddenDim, kernelSize, bias }) {
    super();
    this.hiddenDim = hiddenDim;
    // 4 * hiddenDim channels, cut into four gates below; the padding keeps height and width.
    this.conv = new Conv2d({
      inChannels: inputDim + hiddenDim,
      outChannels: 4 * hiddenDim,
      kernelSize,
      padding: kernelSize.map((side) => Math.floor(side / 2)),
      bias,
    });
  }

  forward(x, [hCurrent, cCurrent]) {
    const combined = Tensor.concat([x, hCurrent], 1);
    const combinedConv = this.conv.forward(combined);
    // Slip 1: the article's order is kept here, to show below how such weights are loaded.
    const [ccF, ccI, ccO, ccG] = [0, 1, 2, 3].map((k) =>
      combinedConv.slice([null, k * this.hiddenDim], [null, (k + 1) * this.hiddenDim]),
    );
    const f = ccF.sigmoid();
    const i = ccI.sigmoid();
    const o = ccO.sigmoid();
    const g = ccG.tanh();
    const cNext = f.mul(cCurrent).add(i.mul(g));
    const hNext = o.mul(cNext.tanh()); // slip 2
    return [hNext, cNext];
  }

  initHidden(batchSize, [height, width]) {
    const shape = [batchSize, this.hiddenDim, height, width]; // slip 3
    return [Tensor.zeros(shape), Tensor.zeros(shape)];
  }
}

class ArticleConvLSTM extends Module {
  constructor({ inputDim, hiddenDim, kernelSize, numLayers, batchFirst, bias, returnAllLayers }) {
    super();
    this.batchFirst = batchFirst;
    this.returnAllLayers = returnAllLayers;
    this.cell_list = Array.from({ length: numLayers }, (_, layer) => {
      const inputOfLayer = layer === 0 ? inputDim : hiddenDim[layer - 1];
      return new ArticleCell({
        inputDim: inputOfLayer,
        hiddenDim: hiddenDim[layer], // slip 4
        kernelSize,
        bias,
      });
    });
  }

  forward(input, states) {
    const x = this.batchFirst ? input : input.permute([1, 0, 2, 3, 4]);
    const [batch, time, , height, width] = x.shape;
    const hidden = states ?? this.cell_list.map((cell) => cell.initHidden(batch, [height, width])); // slip 5

    const layerOutputs = [];
    const layerStates = [];
    let layerInput = x;
    this.cell_list.forEach((cell, layer) => {
      let [h, c] = hidden[layer];
      const outputInner = [];
      for (let t = 0; t < time; t++) {
        [h, c] = cell.forward(layerInput.select(1, t), [h, c]);
        outputInner.push(h);
      }
      layerInput = Tensor.stack(outputInner, 1);
      layerOutputs.push(layerInput);
      layerStates.push([h, c]);
    });
    return this.returnAllLayers
      ? [layerOutputs, layerStates]
      : [layerOutputs.slice(-1), layerStates.slice(-1)]; // slip 6
  }
}

manualSeed(1);
const options = {
  inputDim: 2,
  hiddenDim: [6, 4],
  kernelSize: [3, 3],
  numLayers: 2,
  batchFirst: true,
  bias: true, // the article's default is false, ndrplz' and PyTorch's is true
  returnAllLayers: false,
};
const article = new ArticleConvLSTM(options);
const x = Tensor.randn([1, 5, 2, 12, 10]);
const [[articleOutput], [[articleH]]] = article.forward(x);
console.log('article ', articleOutput.shape, 'last h', articleH.shape);

// The same options, the same keys. The gates' order is said once, when the weights come in.
const net = new ConvLSTM(options);
net.loadStateDict(article.stateDict(), { gateOrder: 'fiog' });
const { output, states } = net.forward(x);
console.log('ConvLSTM', output.shape, 'states of', states.length, 'layers');

/** Largest absolute difference. */
async function difference(a, b) {
  return a.sub(b).abs().max().item();
}
console.log('largest difference', (await difference(output, articleOutput)).toExponential(1));

// States of every layer come back, whatever returnAllLayers says, so that a sequence can be carried on.
const first = net.forward(x.slice([null, 0], [null, 3]));
const rest = net.forward(x.slice([null, 3]), first.states);
const last = output.slice([null, 3]);
console.log('carried on, difference', (await difference(rest.output, last)).toExponential(1));

// The slip in the gates, seen: the same weights in ndrplz' order give something else.
net.loadStateDict(article.stateDict());
const wrong = net.forward(x).output;
const share = (await difference(wrong, articleOutput)) / (await articleOutput.abs().max().item());
console.log(`wrong order, off by ${(100 * share).toFixed(0)}% of the largest value`);
