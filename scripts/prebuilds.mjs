// npm run prebuilds: builds the addon and puts it, stripped, where node-gyp-build looks for it in an
// installed package: prebuilds/<platform>-<arch>/convlstm[.glibc].node
import { rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import prebuildify from 'prebuildify';

const root = path.dirname(import.meta.dirname);
const shim = path.join(import.meta.dirname, 'cmake-js-shim.mjs');
const linux = process.platform === 'linux';

rmSync(path.join(root, 'prebuilds'), { recursive: true, force: true });
await promisify(prebuildify)({
  cwd: root,
  napi: true,
  strip: linux,
  tagLibc: linux,
  // prebuildify knows only node-gyp; it runs this through a shell, with node-gyp's arguments.
  nodeGyp: `"${process.execPath}" "${shim}"`,
  shell: true,
});
