// Writes a copy of a weights file with the model's description (docs/weights.md) in its metadata. Other
// metadata is kept.
//
//   node scripts/describe-model.mjs trained.safetensors model.json described.safetensors
import { loadModel, safetensors, saveModel } from 'convlstm';

const [weights, model, output] = process.argv.slice(2);
if (output === undefined) {
  console.error('usage: node scripts/describe-model.mjs WEIGHTS MODEL_JSON OUT');
  process.exit(2);
}
const { metadata } = await safetensors.readHeader(weights);
await saveModel(output, await loadModel(weights, { model }), { metadata });
