// npm's `prepare`: builds after `npm install` in a clone and for an install from git. `npm pack` and
// `npm publish` of a built tree compile TypeScript alone, so that no stale dist/ is packed.
import { execSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);
const has = (file) => existsSync(path.join(root, file));
const packing = ['pack', 'publish'].includes(process.env.npm_command);
const built = has('dist/index.js') && (has('build/Release/convlstm.node') || has('prebuilds'));
const script = packing && built ? 'build:ts' : 'build';
execSync(`npm run ${script}`, { cwd: root, stdio: 'inherit' });
