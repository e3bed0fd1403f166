// Checks that the Linux binaries in prebuilds/ run on glibc 2.34 and export only the two symbols of
// Node-API.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';

const FLOOR = [2, 34];
const LIBRARIES = /^(ld-linux.*|libc|libm|libgcc_s|libpthread|libdl|librt)\.so/;
const EXPORTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];

const root = path.dirname(import.meta.dirname);
const problems = [];

function newer([major, minor]) {
  return major > FLOOR[0] || (major === FLOOR[0] && minor > FLOOR[1]);
}

function check(binary) {
  const symbols = execFileSync('objdump', ['-T', binary], { cwd: root, encoding: 'utf8' }).split(
    '\n',
  );
  const versions = new Set();
  const exported = [];
  for (const line of symbols) {
    const version = /\(?GLIBC_(\d+)\.(\d+)/.exec(line);
    if (version) versions.add(`${version[1]}.${version[2]}`);
    if (/GLIBCXX_|CXXABI_/.test(line)) problems.push(`${binary}: needs libstdc++: ${line.trim()}`);
    // Columns: address flags section size version name. Defined symbols have a section.
    if (/^[0-9a-f]{8,} g/.test(line) && !line.includes('*UND*'))
      exported.push(line.split(/\s+/).at(-1));
  }
  const tooNew = [...versions].filter((version) => newer(version.split('.').map(Number)));
  if (tooNew.length > 0)
    problems.push(`${binary}: needs glibc ${tooNew.join(', ')}; the floor is 2.34`);
  if (exported.sort().join() !== EXPORTS.join()) {
    problems.push(`${binary}: exports ${exported.join(', ')}; expected ${EXPORTS.join(', ')}`);
  }
  const libraries = execFileSync('objdump', ['-p', binary], { cwd: root, encoding: 'utf8' });
  const needed = [...libraries.matchAll(/NEEDED\s+(\S+)/g)].map((match) => match[1]);
  const foreign = needed.filter((library) => !LIBRARIES.test(library));
  if (foreign.length > 0) problems.push(`${binary}: needs ${foreign.join(', ')}`);
  const newest = [...versions].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  const size = (statSync(path.join(root, binary)).size / 1e6).toFixed(1);
  console.log(`${binary}: ${size} MB, glibc ${newest}, needs ${needed.join(' ')}`);
}

const binaries = readdirSync(path.join(root, 'prebuilds'), { recursive: true })
  .filter((file) => file.endsWith('.node'))
  .map((file) => path.join('prebuilds', file));
if (binaries.length === 0) problems.push('prebuilds/ has no binary: npm run prebuilds builds one');
for (const binary of binaries) check(binary);
for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
