// Vitest's global setup: refuses to run tests on a build that is older than its sources.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const nodeGypBuild: { path(folder: string): string } = createRequire(import.meta.url)(
  'node-gyp-build',
);

const kNativeSource = /(\.(cc|h|cu|cuh|map)|CMakeLists\.txt)$/;

/** Modification time in milliseconds; null if the file does not exist. */
function changed(file: string): number | null {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null;
}

function filesIn(folder: string, pattern: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => pattern.test(file))
    .map((file) => path.join(folder, file));
}

function staleModule(root: string): string | null {
  const config = ['tsconfig.json', 'tsconfig.build.json'].map((file) => path.join(root, file));
  const configured = Math.max(...config.map((file) => changed(file) ?? 0));
  for (const source of filesIn(path.join(root, 'src'), /(?<!\.d)\.ts$/)) {
    const name = path.relative(root, source);
    const output = path.join('dist', path.relative('src', name)).replace(/\.ts$/, '.js');
    const built = changed(path.join(root, output));
    if (built === null) return `${output} is missing`;
    if (built < configured) return `${output} is older than the compiler's options`;
    if (built < changed(source)!) return `${output} is older than ${name}`;
  }
  return null;
}

function staleAddon(root: string): string | null {
  let addon: string;
  try {
    addon = nodeGypBuild.path(root);
  } catch {
    return null; // suites that need an addon are skipped by name
  }
  // CMake's target convlstm writes the stamp (native/addon/CMakeLists.txt); a prebuilt addon has none.
  const built = changed(path.join(path.dirname(addon), 'convlstm.built')) ?? changed(addon)!;
  const sources = [
    path.join(root, 'CMakeLists.txt'),
    ...filesIn(path.join(root, 'cmake'), /\.cmake$/),
    ...filesIn(path.join(root, 'native'), kNativeSource),
  ];
  const newer = sources.find((file) => (changed(file) ?? 0) > built);
  const names = [addon, newer ?? ''].map((file) => path.relative(root, file));
  return newer === undefined ? null : `${names[0]} is older than ${names[1]}`;
}

/** The file with the latest modification time in these folders; `time` is 0 without files. */
export function newestChange(
  root: string,
  folders: readonly string[],
): { file: string; time: number } {
  return folders
    .flatMap((folder) => filesIn(path.join(root, folder), kNativeSource))
    .map((file) => ({ file: path.relative(root, file), time: changed(file) ?? 0 }))
    .reduce((newest, each) => (each.time > newest.time ? each : newest), { file: '', time: 0 });
}

/**
 * The first stale file of the checkout at `root`, with the command that builds it; null if none is
 * stale. A missing addon is not stale, nor is one without sources (scripts/gpu-pack.mjs).
 */
export function staleBuild(root: string): string | null {
  const modules = staleModule(root);
  if (modules) return `${modules}; build it: npm run build:ts`;
  const addon = staleAddon(root);
  if (addon) return `${addon}; build it: npm run build:native`;
  return null;
}

export default function setup(): void {
  const stale = staleBuild(path.resolve(import.meta.dirname, '../..'));
  if (stale) throw new Error(`stale build: ${stale}`);
}
