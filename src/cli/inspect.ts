import { buffer } from 'node:stream/consumers';
import type { Command } from 'commander';
import { sourceName } from '../io/files.js';
import { safeElementCount } from '../io/nd-array.js';
import { readHeader } from '../io/safetensors.js';
import { guessFamily } from '../models/family.js';
import { describedIn } from '../models/files.js';
import { printFields } from './output.js';

interface InspectOptions {
  json?: true;
}

export function addInspect(program: Command): void {
  program
    .command('inspect')
    .description('keys, shapes, parameter count and probable origin of a safetensors file')
    .argument('<weights>', 'safetensors file, or - for standard input')
    .option('--json', 'JSON output')
    .action(async (weights: string, options: InspectOptions) => {
      const source = weights === '-' ? await buffer(process.stdin) : weights;
      const { tensors, metadata } = await readHeader(source);
      const parameters = tensors.reduce((sum, { shape }) => sum + safeElementCount(shape)!, 0);
      const family = guessFamily(tensors);
      const model = describedIn(sourceName(source), metadata);
      if (options.json) {
        const described = tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
        console.log(
          JSON.stringify({ tensors: described, parameters, metadata, family, model }, null, 2),
        );
        return;
      }
      if (tensors.length > 0) {
        printFields(
          tensors.map(
            ({ name, dtype, shape }) => [name, `${dtype} [${shape.join(', ')}]`] as const,
          ),
        );
        console.log();
      }
      printFields([
        ['parameters', parameters.toLocaleString('en')],
        [
          'family',
          family === null
            ? 'unknown; see docs/weights.md of this package'
            : `${family.name} (a guess)`,
        ],
        ...(family?.gateOrder ? [['gate order', family.gateOrder] as const] : []),
        ...(family ? [['note', family.note] as const] : []),
        ['model', model === null ? 'not described' : JSON.stringify(model)],
      ]);
    });
}
