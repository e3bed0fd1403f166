// Loads weights saved by PyTorch (make_weights.py beside this file) unchanged and gets PyTorch's numbers.
import { ConvLSTM, noGrad, safetensors } from 'convlstm';

const here = (name) => new URL(name, import.meta.url);

const weights = await safetensors.load(here('weights.safetensors'));
for (const [key, tensor] of Object.entries(weights)) console.log(key, tensor.shape);

const net = new ConvLSTM({
  inputDim: 2,
  hiddenDim: [6, 4],
  kernelSize: 3,
  numLayers: 2,
  batchFirst: true,
});
net.loadStateDict(weights); // gateOrder: 'ifog' is ndrplz' order and the default

const { x, y } = await safetensors.load(here('expected.safetensors'));
const { output } = noGrad(() => net.forward(x));
const difference = await output.sub(y).abs().max().item();
console.log(
  `output ${output.shape}, largest difference from PyTorch ${difference.toExponential(1)}`,
);
