// The ConvLSTM of a popular PyTorch article, line by line with this package's modules; then `ConvLSTM`,
// which computes the same in one operation per layer.
//
// The article's listing does not run. Its bugs, each marked below where it is fixed:
//   1. the gates are split as f, i, o, g, where its model (ndrplz/ConvLSTM_pytorch) has
//      i, f, o, g: weights trained with one order are noise in the other
//   2. `o * nn.Tanh(c_next)` builds a layer instead of calling torch.tanh(c_next)
//   3. `heigth, weight = image_size` is read as `height` and `width`
//   4. each cell gets the whole list of hidden dimensions instead of its own
//   5. given states are ignored; zeros are used instead
//   6. `last_state_list` is returned but never filled; `layer_state_list` is
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
    // Bug 1 is kept here, to show below how such weights are loaded.
    const [ccF, ccI, ccO, ccG] = [0, 1, 2, 3].map((k) =>
      combinedConv.slice([null, k * this.hiddenDim], [null, (k + 1) * this.hiddenDim]),
    );
    const f = ccF.sigmoid();
    const i = ccI.sigmoid();
    const o = ccO.sigmoid();
    const g = ccG.tanh();
    const cNext = f.mul(cCurrent).add(i.mul(g));
    const hNext = o.mul(cNext.tanh()); // bug 2
    return [hNext, cNext];
  }

  initHidden(batchSize, [height, width]) {
    const shape = [batchSize, this.hiddenDim, height, width]; // bug 3
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
        hiddenDim: hiddenDim[layer], // bug 4
        kernelSize,
        bias,
      });
    });
  }

  forward(input, states) {
    const x = this.batchFirst ? input : input.permute([1, 0, 2, 3, 4]);
    const [batch, time, , height, width] = x.shape;
    const hidden = states ?? this.cell_list.map((cell) => cell.initHidden(batch, [height, width])); // bug 5

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
      : [layerOutputs.slice(-1), layerStates.slice(-1)]; // bug 6
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

// Same options, same keys. loadStateDict takes the order of the gates.
const net = new ConvLSTM(options);
net.loadStateDict(article.stateDict(), { gateOrder: 'fiog' });
const { output, states } = net.forward(x);
console.log('ConvLSTM', output.shape, 'states of', states.length, 'layers');

/** Largest absolute difference. */
async function difference(a, b) {
  return a.sub(b).abs().max().item();
}
console.log('largest difference', (await difference(output, articleOutput)).toExponential(1));

// forward returns the states of every layer, with any returnAllLayers: a sequence can continue.
const first = net.forward(x.slice([null, 0], [null, 3]));
const rest = net.forward(x.slice([null, 3]), first.states);
const last = output.slice([null, 3]);
console.log('carried on, difference', (await difference(rest.output, last)).toExponential(1));

// The effect of bug 1: the same weights in ndrplz' order give other numbers.
net.loadStateDict(article.stateDict());
const wrong = net.forward(x).output;
const share = (await difference(wrong, articleOutput)) / (await articleOutput.abs().max().item());
console.log(`wrong order, off by ${(100 * share).toFixed(0)}% of the largest value`);
