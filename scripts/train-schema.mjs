// Writes schemas/train.schema.json from the fields of dist/training/config.js: run npm run build:ts
// first.
import { mkdirSync, writeFileSync } from 'node:fs';
import { trainSchema } from '../dist/training/config.js';

const file = new URL('../schemas/train.schema.json', import.meta.url);
mkdirSync(new URL('.', file), { recursive: true });
writeFileSync(file, `${JSON.stringify(trainSchema(), null, 2)}\n`);
