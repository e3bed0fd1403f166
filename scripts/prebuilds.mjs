// npm run prebuilds: builds and strips the addon, and puts it where node-gyp-build looks for it in an
// installed package: prebuilds/<platform>-<arch>/convlstm[.glibc].node
import { cpSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import prebuildify from 'prebuildify';

const root = path.dirname(import.meta.dirname);
const shim = path.join(import.meta.dirname, 'cmake-js-shim.mjs');
const linux = process.platform === 'linux';

const prebuilds = path.join(root, 'prebuilds');

rmSync(prebuilds, { recursive: true, force: true });
await promisify(prebuildify)({
  cwd: root,
  napi: true,
  strip: linux,
  tagLibc: linux,
  // prebuildify knows only node-gyp; it runs this through a shell, with node-gyp's arguments.
  nodeGyp: `"${process.execPath}" "${shim}"`,
  shell: true,
});

// prebuildify moves the binary out of build/; this puts a copy back.
const [binary] = readdirSync(prebuilds, { recursive: true }).filter((file) =>
  file.endsWith('.node'),
);
cpSync(path.join(prebuilds, binary), path.join(root, 'build', 'Release', 'convlstm.node'));
